"""Writing files that readers never see half of. A disk that is full or otherwise in the way is a `DiskError`."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from contextrl.disk import writing

#: The longest name that common file systems hold, in bytes.
_LONGEST_NAME = 255


def scratch_name(name: str, ending: str = "partial") -> str:
    """What something is called before it gets its name, or after it lost it; a kill may leave it."""
    scratch = f".{name}.{ending}"
    if len(os.fsencode(scratch)) <= _LONGEST_NAME:
        return scratch
    return f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}.{ending}"


def write_atomically(path: Path, text: str) -> None:
    """Readers see the old file or the new one, never half of it; a write that fails leaves the old one alone."""
    scratch = path.with_name(scratch_name(path.name))
    with writing(path):
        try:
            # What has its name may be a link to a file elsewhere, or a pipe that would be waited for.
            scratch.unlink(missing_ok=True)
            with scratch.open("x", encoding="utf-8", errors="replace") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(path)
        except BaseException:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)
            raise


def append_lines(path: Path, lines: str) -> None:
    """All of the lines or, where the disk would not take them, none; a kill leaves at most one cut line, the last."""
    data = memoryview(lines.encode("utf-8", "replace"))
    with writing(path), path.open("ab", buffering=0) as file:
        end = file.tell()
        try:
            while data:
                data = data[file.write(data) :]
        except BaseException:
            with suppress(OSError):
                os.truncate(path, end)
            raise
