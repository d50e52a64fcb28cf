"""A row as a file has it, before anything is known of its fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from contextrl.errors import InputError


class RawRow(NamedTuple):
    """Columns of one row and what is needed to name and read it.

    Attributes:
        where: its place: `file.jsonl, line 3`.
        default_id: the id it gets if it has none.
        base: the folder that its paths are relative to; None leaves them as they are.
        columns: by name.
        cells: the columns are cells of a table of text, which has no lists and no null.
    """

    where: str
    default_id: str
    base: Path | None
    columns: Mapping[str, object]
    cells: bool = False


def numbered(
    rows: Iterable[Mapping[str, object]], where: str, base: Path | None, stem: str | None = None
) -> Iterator[RawRow]:
    """Rows by their number, from 1.

    Args:
        stem: what ids begin with, by default the stem of `where`.
    """
    stem = Path(where).stem if stem is None else stem
    for number, columns in enumerate(rows, start=1):
        yield RawRow(f"{where}, row {number}", f"{stem}-{number}", base, columns)


def raised(rows: Iterable[RawRow | InputError]) -> Iterator[RawRow]:
    """Rows up to the first that is none, which is raised."""
    for row in rows:
        if isinstance(row, InputError):
            raise row
        yield row


def quoted(text: str, most: int = 120) -> str:
    """Text of a row in quotes, what cannot be seen escaped; a long one without its middle."""
    if len(text) <= most:
        return _in_quotes(text)
    return f"{_in_quotes(text[: most // 2])} ... {_in_quotes(text[-most // 2 :])} ({len(text):,} characters)"


def _in_quotes(text: str) -> str:
    """`repr` with the same quotes whatever the text holds: kinds of faults are told apart by what is before them."""
    return f"'{repr(chr(34) + text)[2:]}"


def describe(value: object) -> str:
    """Name a JSON value the way its author would."""
    names: dict[type, str] = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "text",
    }
    names |= {dict: "an object", list: "a list"}
    name = names.get(type(value), type(value).__name__)
    return name if value is None or isinstance(value, dict | list) else f"{name} ({str(value)[:60]!r})"
