"""What kind of place output goes to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


def is_live(console: Console) -> bool:
    """Whether what was printed can be drawn over: not in files, dumb terminals, or where only colours are forced."""
    return console.is_interactive and console.file.isatty()


@contextmanager
def steps_bar(console: Console, title: str, total: int) -> Iterator[Callable[[float], None]]:
    """A bar over optimizer steps, gone when done, or one line where nothing can be drawn over.

    Yields:
        What to call with the loss after each step.
    """
    live = is_live(console)
    if not live:
        console.print(f"{title}: {total} steps", highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not live) as bar:
        task = bar.add_task(title, total=total, loss="")
        yield lambda loss: bar.update(task, advance=1, loss=f"loss {loss:.3f}")
