"""Rows of tables of text: CSV and TSV files whose first line names the columns."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from contextrl.data.json_rows import checked_utf8, text_of
from contextrl.data.raw_rows import RawRow
from contextrl.errors import InputError

#: Spreadsheets of many countries write semicolons.
_DELIMITERS = ",;\t"
#: Cells may hold a picture as text.
_LONGEST_CELL = 2**30


def csv_rows(path: Path, spec: str) -> Iterator[RawRow | InputError]:
    """Rows of a .csv or .tsv file, each named by the line that it begins in; in place of a wrong one what is wrong.

    After a wrong one reading goes on with the line after its first: a quote that is never closed costs its own line.

    Raises:
        InputError: no names of columns, or two that are equal.
    """
    with _opened(path, spec) as file:
        head = file.readline()
        file.seek(0)
        delimiter = "\t" if path.suffix == ".tsv" else max(_DELIMITERS, key=head.count)
        names: list[str] = []
        for line, cells in _rows(file, delimiter):
            where = f"{spec}, line {line}"
            if isinstance(cells, csv.Error):
                fix = "Close its quotes, and write a quote within quotes twice"
                yield InputError("a row of a table", found=str(cells), where=where, fix=fix)
                if not names:
                    return  # whatever follows is under no names
            elif not any(cell.strip() for cell in cells):
                continue
            elif not names:
                names = _checked_names(cells, where)
            elif len(cells) > len(names):
                found, fix = f"{len(cells)} cells", "Put text with commas in quotes"
                yield InputError(f"at most {len(names)} cells", found=found, where=where, fix=fix)
            else:
                columns = {name: cell if cell.strip() else None for name, cell in zip(names, cells, strict=False)}
                yield RawRow(where, f"{path.stem}-{line}", path.parent, dict.fromkeys(names) | columns, cells=True)


def _opened(path: Path, spec: str) -> TextIO:
    """The file's text, line by line, so that memory does not grow with the file; of other encodings whole.

    Raises:
        InputError: it is no text.
    """
    if checked_utf8(path, spec):
        return path.open(encoding="utf-8-sig", newline="")
    return io.StringIO(text_of(path, spec), newline="")


def _rows(file: TextIO, delimiter: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """(line that a row begins in, its cells or what is wrong)."""
    csv.field_size_limit(_LONGEST_CELL)
    lines = _Lines(file)
    while True:
        begins = lines.number + 1
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                yield begins, cells
                lines.passed()
                begins = lines.number + 1
            return
        except csv.Error as error:
            yield begins, error
            lines.back_to(begins)


class _Lines:
    """A file's lines, of which those since the last whole row can be read again."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._since: list[str] = []
        self._again: deque[str] = deque()
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._file)
        self._since.append(line)
        self.number += 1
        return line

    def passed(self) -> None:
        """A row is whole."""
        self._since.clear()

    def back_to(self, line: int) -> None:
        """Read what comes after a line once more."""
        self._again.extendleft(reversed(self._since[1:]))
        self._since.clear()
        self.number = line


def _checked_names(cells: list[str], where: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError("columns with names of their own", found=f"{twice[0]!r} twice", where=where)
    return names
