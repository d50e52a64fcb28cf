"""What kind of place output goes to."""

from __future__ import annotations

from rich.console import Console


def is_live(console: Console) -> bool:
    """Whether what was printed can be drawn over: not in files, dumb terminals, or where only colours are forced."""
    return console.is_interactive and console.file.isatty()
