"""MM_Math (THU-KEG/MM_Math): 5,929 exam questions of Chinese middle schools with solutions.

A line of `MM_Math.jsonl` has `question`, `file_name` (a picture of `Image.zip`), `solution`, `year` (the grade),
`difficult` and `knowledge`. The solution ends with the answer in a box.
"""

from __future__ import annotations

from collections.abc import Iterator

from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import stated, text_of, without_markers
from contextrl.data.raw_rows import RawRow

NAME = "mm_math"
NO_ANSWER = "no final answer in the solution"
#: Where the archive's pictures may be once it is unpacked.
_FOLDERS = ("Image", "images", "Images", ".")


class MMMath(Source):
    """All of it."""

    hub = "THU-KEG/MM_Math"
    revision = "1b8f0f7cdd99b1a0d565a01b29d0b86faa9c1746"
    licence = "mit"
    needs_copy = "its pictures are in an archive, Image.zip, that is to be unpacked beside MM_Math.jsonl"

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        question = without_markers(text_of(row, "question"))
        found = stated(text_of(row, "solution"))
        if found is None or not question:
            yield Sick(NO_ANSWER if question else "an empty question")
            return
        solution, answer = found
        name = text_of(row, "file_name", empty=True)
        origin = {field: text_of(row, field, empty=True) for field in ("year", "difficult", "knowledge")}
        yield Found(question, answer, [_place(row, name)] if name else [], solution, origin=origin)


def _place(row: RawRow, name: str) -> str:
    """A picture's path from the rows' folder; the archive's own folder has had several names."""
    if row.base is None:
        return name
    return next((f"{folder}/{name}" for folder in _FOLDERS if (row.base / folder / name).is_file()), name)


def mm_math(_config: str) -> MMMath:
    """The one that there is."""
    return MMMath()
