"""ThinkLite-VL (russwang/ThinkLite-VL-70k and its part -hard-11k, arXiv 2504.07934): questions of other sets.

A row has `id`, `image` (bytes), `problem` (which begins with `<image>`), `answer`, in places `ground_truth` and
`choices`; there are no solutions. The questions are of Geometry3K, GeoQA, Geos, FigureQA, ScienceQA, OK-VQA, IconQA and
TabMWP. Schema: the datasets at the pinned revisions.
"""

from __future__ import annotations

from collections.abc import Iterator

from contextrl.building.sources.choices import with_choice
from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import EMPTY_QUESTION, marked, pictures_of, text_of
from contextrl.data.raw_rows import RawRow
from contextrl.errors import InputError, nearest_key

NAME = "thinklite"
_SETS = {
    "70k": ("russwang/ThinkLite-VL-70k", "5c86ea41d624e27e53002af47b8cf4538aa2c88f"),
    "hard-11k": ("russwang/ThinkLite-VL-hard-11k", "541f7f463815467f80866e887e82c6e398837a08"),
}


class ThinkLite(Source):
    """One of its two sets.

    Args:
        part: `70k` or `hard-11k`.
    """

    licence = "mit"
    task = "perception"

    def __init__(self, part: str) -> None:
        self.hub, self.revision = _SETS[part]

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        images = pictures_of(row, "image")
        question = marked(text_of(row, "problem"), len(images))
        if not question:
            yield Sick(EMPTY_QUESTION)
            return
        answer = text_of(row, "answer", empty=True) or text_of(row, "ground_truth")
        # The row's own id is kept, but is no id here: each of the sets that it was made of counts from its beginning.
        origin = {"id": identity} if (identity := text_of(row, "id", empty=True)) else {}
        found = Found(question, answer, images, origin=origin)
        choices = row.columns.get("choices")
        yield with_choice(found, choices) if choices else found


def thinklite(part: str) -> ThinkLite:
    """One of the two.

    Raises:
        InputError: it is neither.
    """
    if part not in _SETS:
        found = f"{part!r}{nearest_key(part, _SETS)}" if part else "none"
        raise InputError(" or ".join(_SETS), found=found, where="sources.config of kind thinklite")
    return ThinkLite(part)
