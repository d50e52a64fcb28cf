"""Progress and the kind of place it goes to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

#: Seconds between lines of progress where nothing can be drawn over.
QUIET_SECONDS = 10.0


def is_live(console: Console) -> bool:
    """Whether what was printed can be drawn over: not in files, dumb terminals, or where only colours are forced."""
    return console.is_interactive and console.file.isatty()


@contextmanager
def status(console: Console, text: str) -> Iterator[None]:
    """Say that something goes on of which nobody knows how far it is; where nothing can be drawn over, now and then."""
    if is_live(console):
        with console.status(text):
            yield
        return
    began, done = time.monotonic(), threading.Event()

    def keep_saying() -> None:
        while not done.wait(QUIET_SECONDS):
            seconds = f"{time.monotonic() - began:.0f} s"
            console.print(f"{text}: {seconds}", soft_wrap=True, markup=False, highlight=False)

    threading.Thread(target=keep_saying, daemon=True).start()
    try:
        yield
    finally:
        done.set()


#: Called with how many more are done, and a note on them if there is one.
Advance = Callable[..., None]


@contextmanager
def progress_bar(console: Console, title: str, total: int | None, *, shown: bool = True) -> Iterator[Advance]:
    """A bar that is gone when done; where nothing can be drawn over, a line now and then.

    Args:
        total: how many there are; None where nobody knows.
        shown: whether this is worth showing, and this process the one that shows it.

    Yields:
        `advance(count, note="")`.
    """
    live = shown and is_live(console)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(compact=True),
    )
    done, said = 0, time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not live) as bar:
        task = bar.add_task(title, total=total, note="")

        def advance(count: float = 1, note: str = "") -> None:
            nonlocal done, said
            done += int(count)
            bar.update(task, completed=done, note=note)
            if shown and not live and time.monotonic() - said > QUIET_SECONDS:
                said = time.monotonic()
                notes, of_all = f", {note}" if note else "", "" if total is None else f" of {total}"
                console.print(f"{title}: {done}{of_all}{notes}", soft_wrap=True, markup=False, highlight=False)

        yield advance


@contextmanager
def steps_bar(console: Console, title: str, total: int) -> Iterator[Callable[[float], None]]:
    """A bar over optimizer steps; where nothing can be drawn over, it says at once what begins.

    Yields:
        What to call with the loss after each step.
    """
    if not is_live(console):
        console.print(f"{title}: {total} steps", highlight=False)
    with progress_bar(console, title, total) as advance:
        yield lambda loss: advance(1, f"loss {loss:.3f}")
