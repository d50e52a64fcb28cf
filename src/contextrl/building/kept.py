"""What models have said to a step, on disk as it comes, so that nobody is asked twice."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from array import array
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from contextrl.building.candidates import Candidate
from contextrl.disk import writing
from contextrl.records.files import append_lines
from contextrl.records.jsonl import json_line, json_lines, parse_json

#: How a record's line begins, up to the half of its key.
_KEY = re.compile(rb'\{"key": ?"([0-9a-f]{16})')
#: Longer than any file of records, in bytes.
_LONGEST_FILE = 2**40


def digest_of(*parts: Any) -> str:
    """24 hex characters that tell apart what JSON can hold."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


class Kept:
    """Records by key, one line each; a context. Any number of threads may use it, and one process.

    A line that a kill has cut is cut off; one that is damaged counts as absent.

    Args:
        path: the file; it and its folder are made when there is something to keep.
        elsewhere: what other files hold.

    Raises:
        InputError: it cannot be read. DiskError: it cannot be written.
    """

    def __init__(self, path: Path, elsewhere: Callable[[str], dict[str, Any] | None] = lambda _: None) -> None:
        self.path, self._elsewhere = path, elsewhere
        self._places: dict[str, int] = {}
        self._lock = threading.Lock()
        self._end = 0
        self._read()

    def _read(self) -> None:
        for line in json_lines(self.path, pipes=False):
            if line.complete:
                self._end = line.end
                if line.object is not None and isinstance(key := line.object.get("key"), str):
                    self._places[key] = line.offset
        if self.path.is_file() and self.path.stat().st_size > self._end:
            with writing(self.path):
                os.truncate(self.path, self._end)

    def __enter__(self) -> Self:
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b")
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()

    def get(self, key: str) -> dict[str, Any] | None:
        """A record; the last one of its key."""
        with self._lock:
            if (place := self._places.get(key)) is not None:
                return _record_at(self._file, place, key)
        return self._elsewhere(key)

    def put(self, key: str, record: Mapping[str, Any]) -> None:
        """Keep a record: it is with the system when this returns.

        Raises:
            DiskError: there is no room; what was kept stays.
        """
        line = json_line({"key": key, **record})
        with self._lock:
            append_lines(self.path, line)
            self._places[key] = self._end
            self._end += len(line.encode("utf-8", "replace"))


class KeptFolder:
    """What a step keeps: a file for each part of candidates.

    Where earlier steps have changed, parts hold other candidates than before; what was said of them is found in
    whichever file it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: list[Path] = []
        self._keys: NDArray[np.uint64] | None = None
        self._places: NDArray[np.uint64] = np.zeros(0, np.uint64)

    def part(self, candidates: Iterable[Candidate]) -> Kept:
        """The records of a part, whatever the settings are: each record's key says what it depends on."""
        return Kept(self.path / f"{digest_of(*(one.id for one in candidates))}.jsonl", self._find)

    def _find(self, key: str) -> dict[str, Any] | None:
        """A record of any file that was there when one was first looked for."""
        if self._keys is None:
            self._index()
        assert self._keys is not None
        wanted = np.uint64(int(key[:16], 16))
        first, last = (int(np.searchsorted(self._keys, wanted, side)) for side in ("left", "right"))
        for place in self._places[first:last]:
            file, offset = divmod(int(place), _LONGEST_FILE)
            with self._files[file].open("rb") as opened:
                if (record := _record_at(opened, offset, key)) is not None:
                    return record
        return None

    def _index(self) -> None:
        """Note where each record is: 16 bytes a record, since there may be millions."""
        keys, places = array("Q"), array("Q")
        self._files = sorted(self.path.glob("*.jsonl"))
        for number, path in enumerate(self._files):
            offset = 0
            with path.open("rb") as file:
                for line in file:
                    if (found := _KEY.match(line)) is not None and line.endswith(b"\n"):
                        keys.append(int(found[1], 16))
                        places.append(number * _LONGEST_FILE + offset)
                    offset += len(line)
        made = np.array(keys, np.uint64)
        order = np.argsort(made, kind="stable")
        self._keys, self._places = made[order], np.array(places, np.uint64)[order]


def _record_at(file: IO[bytes], place: int, key: str) -> dict[str, Any] | None:
    """The record of a line, if it is the key's."""
    file.seek(place)
    value, _ = parse_json(file.readline())
    return value if isinstance(value, dict) and value.get("key") == key else None
