"""How this program is called here, for commands that a reader can paste."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from contextrl.launchers import is_launched_here, processes_started


def program() -> list[str]:
    """`contextrl` where a shell finds it; else what was typed, or Python with the module."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return [sys.executable, "-m", "contextrl"]
    if called.name != "contextrl" or not called.exists():
        return ["contextrl"]
    found = shutil.which(called.name)
    if found is not None and Path(found).samefile(called):
        return ["contextrl"]
    nearer = os.path.relpath(called)
    return [nearer if len(nearer) < len(str(called)) else str(called)]


def how_to_go_on(command: Sequence[str]) -> str:
    """The command that resumes what `command` began.

    Args:
        command: what was typed, the program's name first.
    """
    again = [part for part in command[1:] if part not in ("--resume", "--overwrite")]
    typed = shlex.join([*program(), *again, "--resume"])
    count = processes_started()
    return typed if count == 1 or is_launched_here() else f"{typed} (in {count} processes, started as these were)"
