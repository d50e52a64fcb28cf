"""MM_Math (THU-KEG/MM_Math, arXiv 2404.05091): 5,929 exam questions of Chinese middle schools, in English, solved.

A line of `MM_Math/MM_Math.jsonl` has `question`, `file_name` (a picture of `MM_Math/MM_Math.zip`; the card calls it
Image.zip), `solution`, `year` (the grade), `difficult` and `knowledge` (text, or an object of levels). The solution
ends with the answer in a box. Its rows were uploaded anew after the last commit whose hash is known in full, so no
revision is pinned here. Schema: the dataset's card.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import EMPTY_QUESTION, stated, text_of, without_markers
from contextrl.data.raw_rows import RawRow

NAME = "mm_math"
NO_ANSWER = "no final answer in the solution"
#: Where the archive's pictures may be once it is unpacked.
_FOLDERS = ("MM_Math", "Image", "images", "Images", ".")


class MMMath(Source):
    """All of it."""

    hub = "THU-KEG/MM_Math"
    licence = "mit"
    rows_in = "MM_Math"
    needs_copy = "its pictures are in an archive beside MM_Math.jsonl, to be unpacked there: unzip MM_Math.zip"

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        question = without_markers(text_of(row, "question"))
        worked = text_of(row, "solution")
        found = stated(worked)
        # Without a box a short solution is no answer.
        if found is None or not question or ("\\boxed" not in worked and not found[0]):
            yield Sick(NO_ANSWER, worked[-120:]) if question else Sick(EMPTY_QUESTION)
            return
        solution, answer = found
        name = text_of(row, "file_name", empty=True)
        origin = {field: _label(row.columns.get(field)) for field in ("year", "difficult", "knowledge")}
        yield Found(question, answer, [_place(row, name)] if name else [], solution, origin=origin)


def _label(value: object) -> str:
    """Text, or the values of an object or a list, from the widest."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return " / ".join(filter(None, map(_label, value)))
    return "" if value is None else str(value).strip()


def _place(row: RawRow, name: str) -> str:
    """A picture's path from the rows' folder; the archive's own folder has had several names."""
    if row.base is None:
        return name
    # A name of a stranger may be too long for a file system; that is no error of this function.
    return next((f"{folder}/{name}" for folder in _FOLDERS if os.path.isfile(row.base / folder / name)), name)


def mm_math(_config: str) -> MMMath:
    """The one that there is."""
    return MMMath()
