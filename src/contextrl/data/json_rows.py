"""Rows of JSON files: a line each, a list, a list within an object, a table of columns, one object after another.

What a file holds is read from the file: JSON lines are often named .json, and lists .jsonl.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from contextrl.data.json_lists import is_large_list, list_items
from contextrl.data.raw_rows import RawRow, describe
from contextrl.errors import InputError
from contextrl.records.jsonl import JsonLine, json_lines, parse_json

#: Files of other encodings say so in their first bytes. UTF-32 first: its mark begins as that of UTF-16.
_ENCODINGS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
#: Only rows have such fields; an object around rows has not.
_ROW_FIELDS = {"question", "answer", "solution", "images", "response"}
#: Lists of a row, not of rows.
_TURNS = {"messages", "conversations", "prompt", "completion"}
_SPACE = re.compile(r"\s*")
_ENCODING_FIX = "Save the file as UTF-8"


def text_of(path: Path, where: str) -> str:
    """A file's text: UTF-8 with or without a byte order mark, or what its mark says.

    Raises:
        InputError: it is none.
    """
    data = path.read_bytes()
    encoding = next((name for mark, name in _ENCODINGS.items() if data.startswith(mark)), "utf-8-sig")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _no_text(encoding.removesuffix("-sig").upper(), data[error.start], line, where) from error


def checked_utf8(path: Path, where: str) -> bool:
    """Whether a file is UTF-8, read line by line; False where its mark names another encoding.

    Raises:
        InputError: a line is none.
    """
    with path.open("rb") as file:
        head = file.read(4)
        if any(head.startswith(mark) for mark in _ENCODINGS):
            return False
        file.seek(0)
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _no_text("UTF-8", line[error.start], number, where) from error
    return True


def _no_text(encoding: str, byte: int, line: int, where: str) -> InputError:
    return InputError(f"{encoding} text", found=f"byte 0x{byte:02x} in line {line}", where=where, fix=_ENCODING_FIX)


def json_rows(path: Path, spec: str, split: str) -> Iterator[RawRow | InputError]:
    """Rows of a .jsonl or .json file; in place of a line that is none, what is wrong with it.

    Args:
        split: which one, of an object that holds a list of rows by split.

    Raises:
        InputError: the file as a whole cannot be read.
    """
    if is_large_list(path):
        yield from (
            _named_row(str(place), row, path, spec) for place, row in enumerate(list_items(path, spec), start=1)
        )
        return
    lines = _lines(path, spec)
    first = next(lines, None)
    alone = next(lines, None) is None
    if first is None or (first.object is not None and not alone):
        whole = None  # a line each
    elif first.object is not None and _ROW_FIELDS & first.object.keys() and not _columns_within(first.object):
        whole = None  # the only one
    else:
        whole = _whole(path, spec, split)
    if whole is None:
        yield from (_line_row(line, path, spec) for line in _lines(path, spec))
        return
    yield from (_named_row(name, row, path, spec) for name, row in whole)


def _named_row(name: str, row: object, path: Path, spec: str) -> RawRow | InputError:
    where = f"{spec}, row {name}"
    if isinstance(row, Mapping):
        return RawRow(where, f"{path.stem}-{name}", path.parent, row)
    return InputError("a JSON object", found=describe(row), where=where)


def json_objects(path: Path, spec: str) -> Iterator[tuple[int, dict[str, object]]]:
    """(line number, object) of a JSON lines file; empty lines are passed over.

    Raises:
        InputError: a line is no JSON object, naming it.
    """
    for line in _lines(path, spec):
        row = _line_row(line, path, spec)
        if isinstance(row, InputError):
            raise row
        yield line.number, cast(dict[str, object], row.columns)


def _lines(path: Path, spec: str) -> Iterator[JsonLine]:
    with path.open("rb") as file:
        head = file.read(4)
    if not any(head.startswith(mark) for mark in _ENCODINGS):
        return json_lines(path)
    lines = enumerate(text_of(path, spec).split("\n"), start=1)
    return (
        JsonLine(number, 0, 0, True, *parse_json(text.encode("utf-8", "surrogatepass")))
        for number, text in lines
        if text.strip()
    )


def _line_row(line: JsonLine, path: Path, spec: str) -> RawRow | InputError:
    where = f"{spec}, line {line.number}"
    if line.problem is not None:
        expected, found = line.problem
        fix = _ENCODING_FIX if expected == "UTF-8 text" else ""
        return InputError(expected, found=found, where=where, fix=fix)
    if line.object is None:
        return InputError("a JSON object", found=describe(line.value), where=where)
    return RawRow(where, f"{path.stem}-{line.number}", path.parent, line.object)


def _whole(path: Path, spec: str, split: str) -> list[tuple[str, object]] | None:
    """Named rows of a file that is one document, or several objects over many lines each; None: it has lines.

    Raises:
        InputError: a .json file that is neither.
    """
    lined = path.suffix.lower() == ".jsonl"
    try:
        text = text_of(path, spec)
    except InputError:
        if lined:
            return None  # whose lines say where
        raise
    value, problem = parse_json(text.encode("utf-8", "surrogatepass"))
    rows = None
    if problem is not None:
        rows = _one_after_another(text.strip())
        if rows is None and not lined:
            raise InputError(problem[0], found=problem[1], where=spec)
    elif isinstance(value, list):
        rows = _counted(value) if not lined or (value and isinstance(value[0], dict)) else None
    elif isinstance(value, dict):
        rows = _rows_within(value, spec, split)
    if rows is None and not lined:
        fix = "One object per line is JSONL: name the file .jsonl"
        raise InputError("a JSON list of rows", found=describe(value), where=spec, fix=fix)
    return rows


def _counted(rows: Iterable[object]) -> list[tuple[str, object]]:
    return [(str(number), row) for number, row in enumerate(rows, start=1)]


def _one_after_another(text: str) -> list[tuple[str, object]] | None:
    """Objects over several lines each, as `jq` prints them."""
    decoder, at = json.JSONDecoder(), 0
    rows: list[object] = []
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        if not isinstance(value, dict):
            return None
        rows.append(value)
        at = cast(re.Match[str], _SPACE.match(text, at)).end()
    return _counted(rows)


def _rows_within(value: dict[str, object], spec: str, split: str) -> list[tuple[str, object]] | None:
    """Rows of an object: `{"data": [...]}`, a list by split, rows by id, or a list by column."""
    if columns := _columns_within(value):
        return _counted(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    if len(value) > 1 and all(isinstance(row, dict) for row in value.values()):
        return [(repr(name), {"id": name, **cast(dict[str, object], row)}) for name, row in value.items()]
    lists = {
        name: rows
        for name, rows in value.items()
        if isinstance(rows, list) and rows and isinstance(rows[0], dict) and name not in _TURNS
    }
    if split in lists:
        return _counted(lists[split])
    if len(lists) > 1:
        raise InputError(f"rows of split {split!r}", found=f"lists named {', '.join(lists)}", where=spec)
    return _counted(next(iter(lists.values()))) if lists else None


def _columns_within(value: dict[str, object]) -> dict[str, list[object]]:
    """A table by column, empty where an object is none."""
    lists = {name: column for name, column in value.items() if isinstance(column, list)}
    same = len({len(column) for column in lists.values()}) == 1
    return lists if same and len(lists) == len(value) and {"question", "answer"} & value.keys() else {}
