"""Rows of tables of text: CSV and TSV files whose first line names the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from contextrl.data.json_rows import text_of
from contextrl.data.raw_rows import RawRow
from contextrl.errors import InputError

#: Spreadsheets of many countries write semicolons.
_DELIMITERS = ",;\t"
#: Cells may hold a picture as text.
_LONGEST_CELL = 2**30


def csv_rows(path: Path, spec: str) -> Iterator[RawRow | InputError]:
    """Rows of a .csv or .tsv file, each named by the line that it begins in; in place of a wrong one what is wrong.

    Raises:
        InputError: no names of columns, or two that are equal.
    """
    text = text_of(path, spec)
    delimiter = "\t" if path.suffix == ".tsv" else max(_DELIMITERS, key=text.partition("\n")[0].count)
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    before = 0
    try:
        for cells in reader:
            where, line = f"{spec}, line {before + 1}", before + 1
            before = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = _checked_names(cells, where)
            elif len(cells) > len(names):
                found = f"{len(cells)} cells"
                yield InputError(
                    f"at most {len(names)} cells", found=found, where=where, fix="Put text with commas in quotes"
                )
            else:
                columns = {name: cell if cell.strip() else None for name, cell in zip(names, cells, strict=False)}
                yield RawRow(where, f"{path.stem}-{line}", path.parent, dict.fromkeys(names) | columns, cells=True)
    except csv.Error as error:
        yield InputError("a row of a table", found=str(error), where=f"{spec}, line {reader.line_num}")


def _checked_names(cells: list[str], where: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError("columns with names of their own", found=f"{twice[0]!r} twice", where=where)
    return names
