"""What goes on for long is said, in a terminal and in a file."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from contextrl import console as module
from contextrl.console import status


def test_a_file_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.05)
    said = io.StringIO()
    with status(Console(file=said), "Loading [the] model"):
        deadline = time.monotonic() + 60
        while "\n" not in said.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert said.getvalue().startswith("Loading [the] model: 0 s\n")


def test_what_is_quick_is_not_told() -> None:
    said = io.StringIO()
    with status(Console(file=said), "Loading"):
        pass
    assert said.getvalue() == ""


def test_errors_come_through() -> None:
    with pytest.raises(ValueError, match="broken"), status(Console(file=io.StringIO()), "Loading"):
        raise ValueError("broken")
