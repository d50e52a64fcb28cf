"""`--column FIELD=COLUMN` and `--answer-type`: how a file's rows are read."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.data.answer_types import AUTO
from contextrl.data.columns import FIELDS
from contextrl.errors import InputError, nearest_key
from contextrl.records.example import ANSWER_TYPES


def given_columns(given: Sequence[str]) -> dict[str, str | list[str] | None]:
    """Field to column; for images also several columns, or None where rows have none.

    Raises:
        InputError: one is no such pair, names no field, or one that was named before.
    """
    columns: dict[str, str | list[str] | None] = {}
    for text in given:
        name, separator, column = text.partition("=")
        if name not in FIELDS and separator:
            raise InputError(
                f"one of {', '.join(FIELDS)}", found=f"{name}{nearest_key(name, FIELDS)}", where="--column"
            )
        if not separator or (not column and name != "images"):
            raise InputError("FIELD=COLUMN", found=repr(text), where="--column")
        before = columns.get(name)
        if name not in columns:
            columns[name] = column or None
        elif name == "images" and column and before:
            columns[name] = [before, column] if isinstance(before, str) else [*before, column]
        else:
            raise InputError(
                f"one column for {name!r}", found=f"{before or 'none'} and {column or 'none'}", where="--column"
            )
    return columns


def given_answer_type(given: str) -> str:
    """The type of answers in rows that name none.

    Raises:
        InputError: there is no such type.
    """
    known = (*ANSWER_TYPES, AUTO)
    if given not in known:
        found = f"{given!r}{nearest_key(given, known)}"
        raise InputError(f"one of {', '.join(known)}", found=found, where="--answer-type")
    return given
