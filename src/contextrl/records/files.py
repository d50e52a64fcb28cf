"""Writing files that readers never see half of."""

from __future__ import annotations

import os
from pathlib import Path


def scratch_name(name: str) -> str:
    """Under which a file is written before it gets its name; a kill or a full disk may leave it."""
    return f".{name}.partial"


def write_atomically(path: Path, text: str) -> None:
    """Readers see the old file or the new one, never half of it."""
    scratch = path.with_name(scratch_name(path.name))
    # What has its name may be a link to a file elsewhere, or a pipe that would be waited for.
    scratch.unlink(missing_ok=True)
    with scratch.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
