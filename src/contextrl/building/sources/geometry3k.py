"""Geometry3K (hiyouga/geometry3k, made from InterGPS, arXiv 2105.04165): plane geometry with final answers.

A row has `images`, `problem` (which begins with `<image>`) and `answer`, as LaTeX; there are no solutions. Splits:
train 2,101, validation 300, test 601. MathVista and MathVerse take questions from it. Schema: the dataset's card at
the pinned revision.
"""

from __future__ import annotations

from collections.abc import Iterator

from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import EMPTY_QUESTION, marked, pictures_of, text_of
from contextrl.data.raw_rows import RawRow

NAME = "geometry3k"


class Geometry3K(Source):
    """Its split `train`."""

    hub = "hiyouga/geometry3k"
    revision = "fd21e533e1e50d0662a2bf7b223e60511bd5f8b7"
    licence = "mit"

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        images = pictures_of(row, "images")
        question = marked(text_of(row, "problem"), len(images))
        if question:
            yield Found(question, text_of(row, "answer"), images)
        else:
            yield Sick(EMPTY_QUESTION)


def geometry3k(_config: str) -> Geometry3K:
    """The one that there is."""
    return Geometry3K()
