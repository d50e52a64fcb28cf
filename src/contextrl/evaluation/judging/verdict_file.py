"""The output of `judge verify`: input lines with their verdicts, appended as they come, readable after a kill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from io import BufferedWriter
from pathlib import Path
from typing import Any, get_args

from contextrl.disk import writing
from contextrl.errors import DiskError, InputError
from contextrl.evaluation.judging.response_rows import ResponseRow, content_hash
from contextrl.records.files import write_atomically
from contextrl.records.jsonl import json_line, json_lines
from contextrl.records.verdict import Status, Usage, Verdict

_MAKE_ROOM = "Make room: what is written is kept, and the same command goes on from there"
_ANEW = "Add --overwrite to start anew, or change --output"

#: Of a verdict; each is true, false or not known.
_TOLD = ("answer_correct", "process_correct", "self_consistent", "standalone")


class VerdictFile:
    """Verdicts by key, on disk as lines.

    Args:
        path: the file; what it holds already must belong to `rows`.
        rows: the whole input.
        overwrite: forget what is there.

    Raises:
        InputError: the file is not this input's output, or cannot be written.
    """

    def __init__(self, path: Path, rows: Sequence[ResponseRow], *, overwrite: bool = False) -> None:
        self.path, self.rows = path.resolve(), rows
        self.verdicts: dict[str, Verdict] = {}
        self._by_key: dict[str, list[ResponseRow]] = {}
        for row in rows:
            self._by_key.setdefault(row.key, []).append(row)
        self._end = 0
        self._file: BufferedWriter | None = None
        if self.path.exists() and not self.path.is_file():
            raise InputError("a file", found="a folder or device", where=str(path), fix="Change --output")
        if self.path.exists() and not overwrite:
            self._read()

    def _read(self) -> None:
        """Keep the complete lines; a last line that a kill has cut is dropped."""
        for line in json_lines(self.path):
            if not line.complete:
                break
            self._keep(line.object, f"{self.path}, line {line.number}")
            self._end = line.end

    def _keep(self, columns: dict[str, Any] | None, where: str) -> None:
        try:
            if columns is None:
                raise ValueError("no object")
            verdict = verdict_from_json(columns.pop("verdict"))
            key = str(columns["id"]).strip()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError("a line that `judge verify` wrote", found="another", where=where, fix=_ANEW) from error
        if key not in self._by_key:
            raise InputError("a line of the input", found=f"id {key[:80]!r}", where=where, fix=_ANEW)
        if content_hash(columns) != self._by_key[key][0].digest:
            found = f"id {key[:80]!r} with other fields or values"
            raise InputError("the input's own line", found=found, where=where, fix=_ANEW)
        self.verdicts[key] = verdict

    def open(self) -> None:
        """Make the file ready for appending: its folder made, a cut line cut off, an old content forgotten.

        Raises:
            InputError: it cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab")
            self._file.truncate(self._end)
        except OSError as error:
            raise InputError(
                "a file that can be written", found=error.strerror or "none", where=str(self.path)
            ) from error

    def put(self, key: str, verdict: Verdict) -> None:
        """Write the verdict of every row with this key, and hand it to the system at once."""
        assert self._file is not None, "open() comes first"
        lines = "".join(_line(row, verdict) for row in self._by_key[key])
        try:
            with writing(self.path, fix=_MAKE_ROOM):
                self._file.write(lines.encode("utf-8"))
                self._file.flush()
        except DiskError:
            # What could not be written would be tried once more.
            with suppress(OSError):
                self.close()
            raise
        self.verdicts[key] = verdict

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def sort(self) -> None:
        """Bring the file into the input's order, each row once."""
        self.close()
        lines = [_line(row, self.verdicts[row.key]) for row in self.rows if row.key in self.verdicts]
        write_atomically(self.path, "".join(lines))


def _line(row: ResponseRow, verdict: Verdict) -> str:
    return json_line({**row.columns, "verdict": verdict.columns()})


def verdict_from_json(columns: Mapping[str, Any]) -> Verdict:
    """What `dataclasses.asdict` made of a verdict.

    Raises:
        ValueError, TypeError: it is none.
    """
    known = {part.name for part in fields(Verdict)}
    if columns["status"] not in get_args(Status) or not columns.keys() <= known:
        raise ValueError("no verdict")
    if any(type(columns.get(name)) not in (bool, type(None)) for name in _TOLD):
        raise ValueError("what a verdict says is neither true nor false nor null")
    usage = Usage(**columns.get("usage", {}))
    return Verdict(**{**columns, "usage": usage})
