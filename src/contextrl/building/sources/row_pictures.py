"""Pictures of a row of one's own, whatever their columns are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contextrl.data.columns import FIELDS, KNOWN_AS, Renaming, picture_columns
from contextrl.data.pictures import looks_like_picture
from contextrl.data.raw_rows import RawRow
from contextrl.errors import InputError

#: Columns that hold something else, though it may look like a picture's name: an id, a question about a file.
_OTHERS = {*FIELDS, *(name for field, names in KNOWN_AS.items() if field != "images" for name in names)}
#: Names that say it, whatever a picture's value looks like.
_DECODED = "decoded_image"
_STEMS = ("image", "img", "picture", _DECODED)


def with_pictures(row: RawRow, columns: Renaming) -> RawRow:
    """A row that has its pictures in `images`, whatever their columns are called; none where it has no picture.

    Args:
        columns: what the recipe says; where it says which column has pictures, no other is looked at.

    Raises:
        InputError: a column whose name does not say that it holds the row's pictures looks as if it did.
    """
    fields = row.columns
    if isinstance(fields.get("image"), str) and fields.get(_DECODED) is not None and _DECODED not in columns.sources():
        # `image` is then a path on the disk of those who made the set.
        row = row._replace(columns=(fields := {**fields, "image": fields[_DECODED]}))
    if "images" in columns.columns or any(fields.get(name) is not None for name in ("images", "image")):
        return row
    others = {
        name: value
        for name, value in fields.items()
        if isinstance(name, str) and name not in _OTHERS | columns.sources()
    }
    found = picture_columns(list(others), lambda name: _is_picture(name, others[name]))
    if len(found) == 1:
        return _with(row, others[found[0]])
    if found:
        return _with(row, [others[name] for name in found if others[name] not in (None, "")])
    unknown = next((name for name, value in others.items() if _is_shown(value)), None)
    if unknown is not None:
        raise InputError(
            "columns of pictures by a known name",
            found=f"what looks like one in {unknown!r}",
            where=row.where,
            fix=f"Set columns: {{images: {unknown}}} of the source; {{images: null}} where rows have no pictures",
        )
    # `images: null` alone is told as a fault: nobody knows whether a picture is missing.
    return row if "image" in fields or "images" in fields else _with(row, [])


def _with(row: RawRow, images: object) -> RawRow:
    return row._replace(columns={**row.columns, "images": images})


def _is_picture(name: str, value: Any) -> bool:
    if value is None or (isinstance(value, str | list | tuple) and not value):
        return False
    return name.casefold().startswith(_STEMS) or looks_like_picture(value)


def _is_shown(value: Any) -> bool:
    """Whether a value looks like a picture, and like nothing else: any object may have a `path`."""
    if isinstance(value, Mapping) and value.get("bytes") is None:
        value = value.get("path")
    return value is not None and looks_like_picture(value)
