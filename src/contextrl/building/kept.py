"""What models have said to a step, on disk as it comes, so that nobody is asked twice."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from contextrl.building.candidates import Candidate
from contextrl.disk import writing
from contextrl.records.files import append_lines
from contextrl.records.jsonl import json_line, json_lines


def digest_of(*parts: Any) -> str:
    """24 hex characters that tell apart what JSON can hold."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


class Kept:
    """Records by key, one line each; a context. Any number of threads may use it, and one process.

    A line that a kill has cut is cut off; one that is damaged counts as absent.

    Args:
        path: the file; it and its folder are made when there is something to keep.

    Raises:
        InputError: it cannot be read. DiskError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, int] = {}
        self._lock = threading.Lock()
        self._end = 0
        self._read()

    @classmethod
    def of(cls, folder: Path, candidates: Iterable[Candidate]) -> Self:
        """The records of a part, whatever the settings are: each record's key says what it depends on."""
        return cls(folder / f"{digest_of(*(one.id for one in candidates))}.jsonl")

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
            place = self._places.get(key)
            if place is None:
                return None
            self._file.seek(place)
            record = json.loads(self._file.readline().decode("utf-8"))
        return record if isinstance(record, dict) else None

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
