"""`--column FIELD=COLUMN` and `--answer-type`: how a file's rows are read."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.data.answer_types import AUTO
from contextrl.data.columns import FIELDS
from contextrl.errors import InputError, nearest_key
from contextrl.records.example import ANSWER_TYPES


def given_columns(given: Sequence[str]) -> dict[str, str]:
    """Field to column.

    Raises:
        InputError: one is no such pair, or names no field.
    """
    columns = {}
    for text in given:
        name, separator, column = text.partition("=")
        if not separator or not column:
            raise InputError("--column FIELD=COLUMN", found=repr(text), where="--column")
        if name not in FIELDS:
            raise InputError(
                f"one of {', '.join(FIELDS)}", found=f"{name}{nearest_key(name, FIELDS)}", where="--column"
            )
        columns[name] = column
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
