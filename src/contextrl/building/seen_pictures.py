"""What picture files were when a build read them: one that has changed since, or has come, has its source read again.

Only the build's own folder knows of it: a set depends on what pictures hold, never on when they were written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from contextrl.building.kept import digest_of
from contextrl.disk import writing
from contextrl.records.files import write_atomically
from contextrl.records.jsonl import json_lines

#: Size in bytes and time of the last change in nanoseconds; None: there is no such file.
State = list[int] | None


class SeenPictures:
    """The picture files of each source, by the source's name.

    Args:
        folder: is made when the first picture is read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def generation(self, unit: str) -> str:
        """What tells a source with these pictures from the same one with earlier ones; empty: none has changed yet."""
        path = self._generation(unit)
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    def look_again(self, unit: str, base: Path) -> None:
        """Let a source be of another generation if a picture is not what it was when it was read.

        Args:
            base: the folder that its rows are in.

        Raises:
            DiskError: it cannot be written down.
        """
        listing, changed, now = self._listing(unit), False, hashlib.sha256()
        for line in json_lines(listing, pipes=False) if listing.is_file() else ():
            if not line.complete or line.object is None or not isinstance(name := line.object.get("path"), str):
                continue
            state = _state(base / name)
            changed |= state != line.object.get("state")
            now.update(json.dumps([name, state]).encode())
        if changed:
            write_atomically(self._generation(unit), now.hexdigest()[:24])

    @contextmanager
    def reading(self, unit: str, base: Path, *, anew: bool) -> Iterator[Callable[[Path], None]]:
        """What a source is read in: gives what is called with each picture before it is read.

        Args:
            base: the folder that its rows are in.
            anew: from its first row.
        """
        path = self._listing(unit)
        if anew:
            with writing(path):
                path.unlink(missing_ok=True)
        with ExitStack() as stack:
            descriptor = -1
            last: Path | None = None

            def note(picture: Path) -> None:
                nonlocal descriptor, last
                if picture == last:
                    return
                last = picture
                name = picture.relative_to(base) if picture.is_relative_to(base) else picture.absolute()
                # Each line is with the system before its picture is read: a kill loses none that has been used.
                line = json.dumps({"path": str(name), "state": _state(picture)}) + "\n"
                with writing(path):
                    if descriptor < 0:
                        path.parent.mkdir(parents=True, exist_ok=True)
                        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
                        stack.callback(os.close, descriptor)
                        line = "\n" + line  # what a kill has cut stays a line of its own
                    os.write(descriptor, line.encode())

            yield note

    def _listing(self, unit: str) -> Path:
        return self.folder / f"{digest_of(unit)}.jsonl"

    def _generation(self, unit: str) -> Path:
        return self.folder / f"{digest_of(unit)}.generation"


def _state(path: Path) -> State:
    try:
        found = path.stat()
    except (OSError, ValueError):  # a name that no file can have
        return None
    return [found.st_size, found.st_mtime_ns]
