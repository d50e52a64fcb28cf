"""ArXivQA as its authors publish it (MMInstruction/ArxivQA): questions about figures of papers, with a rationale.

A line of `arxivqa.jsonl` has `id`, `image` (a file within the archive of pictures), `options`, `question`, `label` and
`rationale`. FineVision's copy has dropped the figures' file names, which tell the paper that they are of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import LETTERS, list_of, text_of, with_options, without_markers
from contextrl.data.raw_rows import RawRow

NAME = "arxivqa"
NO_OPTION = "a label that is none of the options"
#: `1804.00103_0.jpg`, `cond-mat9901001_1.jpg`.
_PAPER = re.compile(r"(?:^|/)([a-z-]*\d{4}\.?\d{3,5})_[^/]*$")


class ArXivQA(Source):
    """All of it, 100,000 rows; a rationale with the option that it leads to is the solution."""

    hub = "MMInstruction/ArxivQA"
    licence = "cc-by-sa-4.0"
    needs_copy = "its pictures are in an archive, images.tgz, that is to be unpacked beside arxivqa.jsonl"

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        options = [option for option in list_of(row, "options") if isinstance(option, str) and option.strip()]
        question, label = without_markers(text_of(row, "question")), text_of(row, "label")
        letter = _letter(label, options)
        if letter is None:
            yield Sick(NO_OPTION, label[:80])
            return
        rationale, image = text_of(row, "rationale", empty=True), text_of(row, "image")
        paper = _PAPER.search(image)
        yield Found(
            with_options(question, options),
            letter,
            [image],
            f"{rationale}\nAnswer: {letter}" if rationale else "",
            answer_type="choice",
            row_id=text_of(row, "id", empty=True),
            origin={"paper": paper[1]} if paper else {},
        )


def _letter(label: str, options: Sequence[str]) -> str | None:
    """The option that a label names by its letter, or whose text it repeats."""
    known = LETTERS[: len(options)]
    if (match := re.match(r"[\[('\"]*([A-Ja-j])(?![A-Za-z])", label)) and match[1].upper() in known:
        return match[1].upper()
    same = [n for n, option in enumerate(options) if _bare(option) == _bare(label)]
    return known[same[0]] if len(same) == 1 and same[0] < len(known) else None


def _bare(text: str) -> str:
    return re.sub(r"^\(?[A-J][).:]\s*", "", text.strip()).casefold().rstrip(".")


def arxivqa(_config: str) -> ArXivQA:
    """The one that there is."""
    return ArXivQA()
