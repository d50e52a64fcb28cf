"""Geometry3K (hiyouga/geometry3k): questions of plane geometry with final answers and no solutions.

A row has `images`, `problem` and `answer`. MathVista and MathVerse take questions from it.
"""

from __future__ import annotations

from collections.abc import Iterator

from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import pictures_of, text_of, without_markers
from contextrl.data.raw_rows import RawRow

NAME = "geometry3k"


class Geometry3K(Source):
    """Its split `train`."""

    hub = "hiyouga/geometry3k"

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        question = without_markers(text_of(row, "problem"))
        if question:
            yield Found(question, text_of(row, "answer"), pictures_of(row, "images"))
        else:
            yield Sick("an empty question")


def geometry3k(_config: str) -> Geometry3K:
    """The one that there is."""
    return Geometry3K()
