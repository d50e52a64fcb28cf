"""Which checkpoints a folder holds, told from their names and files: no torch is needed for it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

#: Written last: a checkpoint folder without it was cut off and is never resumed from.
MARKER = "contextrl_state.json"
_NAME = re.compile(r"checkpoint-\d+")


def checkpoint_folders(folder: Path) -> list[Path]:
    """Folders that are named as checkpoints are, complete or not, by step."""
    named = [path for path in folder.glob("checkpoint-*") if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(named, key=lambda path: int(path.name.rpartition("-")[2]))


def complete_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints that were written to the end, by step."""
    return [path for path in checkpoint_folders(folder) if (path / MARKER).is_file()]


def cut_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints that were not written to the end: a kill or a full disk left them, and nothing resumes from them."""
    return [path for path in checkpoint_folders(folder) if not (path / MARKER).is_file()]


def remove_checkpoints(folders: Iterable[Path]) -> None:
    """Make the room that they take free again."""
    for path in folders:
        shutil.rmtree(path, ignore_errors=True)


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint, if any."""
    checkpoints = complete_checkpoints(folder)
    return checkpoints[-1] if checkpoints else None
