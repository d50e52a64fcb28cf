"""MMK12 (FanqingM/MMK12, of MM-Eureka, arXiv 2503.07365): school questions with final answers and no solutions.

A row has `id`, `question`, `answer`, `subject` and `image`. Train is 15,616 questions of mathematics; the split `test`,
2,000 choices of four subjects, is a benchmark of its own. The card states no licence. Schema: the dataset at the pinned
revision.
"""

from __future__ import annotations

from collections.abc import Iterator

from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import EMPTY_QUESTION, marked, pictures_of, text_of
from contextrl.data.raw_rows import RawRow

NAME = "mmk12"


class MMK12(Source):
    """Its split `train`."""

    hub = "FanqingM/MMK12"
    revision = "372a609268ea79b5e78d90ab173e02c37b486163"

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        images = pictures_of(row, "image")
        question = marked(text_of(row, "question"), len(images))
        if not question:
            yield Sick(EMPTY_QUESTION)
            return
        origin = {"subject": text_of(row, "subject", empty=True)}
        identity = text_of(row, "id", empty=True)
        yield Found(question, text_of(row, "answer"), images, row_id=identity, origin=origin)


def mmk12(_config: str) -> MMK12:
    """The one that there is."""
    return MMK12()
