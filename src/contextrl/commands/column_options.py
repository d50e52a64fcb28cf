"""`--column FIELD=COLUMN`: which column of a file holds which field of a row."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.data.columns import FIELDS
from contextrl.errors import InputError, nearest_key


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
