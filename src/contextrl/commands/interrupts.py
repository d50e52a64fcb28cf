"""Ctrl-C and SIGTERM end a command with one calm line and exit code 130."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

EXIT_CODE = 130


class CalmGroup(TyperGroup):
    """Commands of which an interrupt is no error. A command with more to say catches it first."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            Console(stderr=True).print("Stopped.")
            raise typer.Exit(EXIT_CODE) from None


def terminate_as_interrupt() -> None:
    """A machine that is going down asks with SIGTERM: the command ends as with Ctrl-C."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
