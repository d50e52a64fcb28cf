"""Rows of a file of results, whatever holds them: JSON lines, a JSON list, CSV, TSV, or an Excel workbook."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from contextrl.data.csv_rows import csv_rows
from contextrl.data.json_rows import json_rows
from contextrl.data.raw_rows import describe
from contextrl.errors import InputError
from contextrl.records.jsonl import JsonLine, json_lines

#: The longest text that a cell of Excel holds; what was longer has been cut there.
EXCEL_CELL = 32_767
_WORKBOOK, _PICKLE = b"PK\x03\x04", b"\x80"
#: Bytes that a workbook may unpack to: results of 10,000 rows have a few ten million.
_MOST_UNPACKED = 2_000_000_000
_BEFORE_TEXT = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"


@dataclass(frozen=True)
class ResultRow:
    """One row.

    Attributes:
        where: its place in words.
        columns: by name; a cell is text, or None where it is empty.
        cells: whether they are cells, which cannot tell no text from empty text.
        excel: whether they come from a workbook.
    """

    where: str
    columns: Mapping[str, object]
    cells: bool = False
    excel: bool = False


def result_rows(path: Path) -> Iterator[ResultRow | InputError]:
    """A file's rows, what holds them told by its first bytes; in place of a damaged row what is wrong with it.

    Raises:
        InputError: nothing is there, or the file as a whole cannot be read.
    """
    spec = str(path)
    if not path.is_file():
        raise InputError("a file of results", found="a folder" if path.is_dir() else "no such file", where=spec)
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.strip():
        raise InputError("at least one row", found="an empty file", where=spec)
    if head.startswith(_WORKBOOK):
        return _workbook_rows(path, spec)
    if head.startswith(_PICKLE):
        fix = "Write it as TSV, JSON or Excel (VLMEvalKit: PRED_FORMAT=tsv)"
        raise InputError("a file of text or a workbook", found="a pickle, which runs code", where=spec, fix=fix)
    if head.lstrip(_BEFORE_TEXT)[:1] in (b"{", b"["):
        return _json_result_rows(path, spec)
    return (
        row if isinstance(row, InputError) else ResultRow(row.where, row.columns, cells=True)
        for row in csv_rows(path, spec)
    )


def _json_result_rows(path: Path, spec: str) -> Iterator[ResultRow | InputError]:
    lines = json_lines(path)
    first, second = next(lines, None), next(lines, None)
    if first is not None and first.object is not None and (second is not None or _is_row(first.object)):
        return (_line_row(line, spec) for line in json_lines(path))
    return (
        row if isinstance(row, InputError) else ResultRow(row.where, row.columns)
        for row in json_rows(path, spec, "test")
    )


def _is_row(value: Mapping[str, object]) -> bool:
    """Whether a file's only object is a row, and not a table of rows."""
    return not all(isinstance(part, dict | list) for part in value.values())


def _line_row(line: JsonLine, spec: str) -> ResultRow | InputError:
    where = f"{spec}, line {line.number}"
    if line.problem is not None:
        return InputError(line.problem[0], found=line.problem[1], where=where)
    if line.object is None:
        return InputError("a JSON object", found=describe(line.value), where=where)
    return ResultRow(where, line.object)


def _workbook_rows(path: Path, spec: str) -> Iterator[ResultRow]:
    """Rows of a workbook's first sheet; of formulas, the values that were stored with them."""
    cells = _first_sheet(path, spec)
    names = ["" if name is None else name for name in (_cell(value) for value in cells[0])] if cells else []
    if not any(names):
        raise InputError("names of columns in the first row", found="none", where=spec)
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InputError("columns with names of their own", found=f"{twice[0]!r} twice", where=spec)
    for number, row in enumerate(cells[1:], start=2):
        values = [_cell(value) for value in row]
        if any(value is not None for value in values):
            columns = {name: value for name, value in zip(names, values, strict=False) if name}
            yield ResultRow(f"{spec}, row {number}", columns, cells=True, excel=True)


def _first_sheet(path: Path, spec: str) -> list[list[object]]:
    import python_calamine

    fix = "Save it as .xlsx, or write TSV or JSON"
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(part.file_size for part in packed.infolist()) > _MOST_UNPACKED:
                expected = f"a workbook of less than {_MOST_UNPACKED // 10**9} GB"
                raise InputError(expected, found="a larger one", where=spec, fix="Write TSV or JSON")
        with python_calamine.CalamineWorkbook.from_path(path) as book:
            return [list(row) for row in book.get_sheet_by_index(0).to_python(skip_empty_area=False)]
    except (python_calamine.CalamineError, zipfile.BadZipFile, OSError, IndexError) as error:
        raise InputError("an Excel workbook", found=str(error)[:160], where=spec, fix=fix) from error


def _cell(value: object) -> str | None:
    """A cell as text: whole numbers without a point, dates as ISO 8601."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    text = str(value)
    return text if text.strip() else None
