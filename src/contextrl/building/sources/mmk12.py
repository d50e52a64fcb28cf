"""MMK12 (FanqingM/MMK12): school questions with final answers; no solutions, and no licence is stated.

A row has `id`, `question`, `answer`, `subject` and `image`. The split `test` is a benchmark of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import pictures_of, text_of, without_markers
from contextrl.data.raw_rows import RawRow

NAME = "mmk12"


class MMK12(Source):
    """Its split `train`, 15,616 rows."""

    hub = "FanqingM/MMK12"

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        question = without_markers(text_of(row, "question"))
        if not question:
            yield Sick("an empty question")
            return
        origin = {"subject": text_of(row, "subject", empty=True)}
        identity = text_of(row, "id", empty=True)
        yield Found(question, text_of(row, "answer"), pictures_of(row, "image"), row_id=identity, origin=origin)


def mmk12(_config: str) -> MMK12:
    """The one that there is."""
    return MMK12()
