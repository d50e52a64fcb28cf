"""The progress bar of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contextrl.console import is_live


@contextmanager
def examples_bar(console: Console, title: str, total: int, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar over `total` examples, gone when done; gives the function that says how many were finished.

    Args:
        shown: this process is the one that shows it.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not (shown and is_live(console))) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count: bar.advance(task, count)
