"""ThinkLite-VL (russwang/ThinkLite-VL-70k and its part -hard-11k): questions of other sets.

A row has `image`, `problem` and `answer`; there are no solutions.
"""

from __future__ import annotations

from collections.abc import Iterator

from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import pictures_of, text_of, without_markers
from contextrl.data.raw_rows import RawRow
from contextrl.errors import InputError, nearest_key

NAME = "thinklite"
_HUBS = {"70k": "russwang/ThinkLite-VL-70k", "hard-11k": "russwang/ThinkLite-VL-hard-11k"}


class ThinkLite(Source):
    """One of its two sets.

    Args:
        part: `70k` or `hard-11k`.
    """

    licence = "mit"

    def __init__(self, part: str) -> None:
        self.hub = _HUBS[part]

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        question = without_markers(text_of(row, "problem"))
        if question:
            yield Found(question, text_of(row, "answer"), pictures_of(row, "image"))
        else:
            yield Sick("an empty question")


def thinklite(part: str) -> ThinkLite:
    """One of the two.

    Raises:
        InputError: it is neither.
    """
    if part not in _HUBS:
        found = f"{part!r}{nearest_key(part, _HUBS)}" if part else "none"
        raise InputError(" or ".join(_HUBS), found=found, where="sources.config of kind thinklite")
    return ThinkLite(part)
