"""ArXivQA as its authors publish it (MMInstruction/ArxivQA, arXiv 2403.00231): questions about figures of papers.

A line of `arxivqa.jsonl` has `id`, `image` (`images/0805.4509_1.jpg`, a file of the archive `images.tgz`), `options`,
`question`, `label` and `rationale`, all as GPT-4V wrote them: labels are letters (`B`, `[B]`, `C)`), options' texts, or
neither, and lists of options have rules and headings in them. FineVision's copy has dropped the figures' file names,
which tell the paper that they are of. Schema: the dataset's card at the pinned revision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from contextrl.answers import extract_answer
from contextrl.building.sources.options import TWO, is_two, letter_of, options_in, with_options
from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import list_of, text_of, without_markers
from contextrl.data.raw_rows import RawRow

NAME = "arxivqa"
NO_OPTION = "a label that is none of the options"
NO_OPTIONS = "options that their letters do not tell apart"
#: `1804.00103_0.jpg`, `cond-mat9901001_1.jpg`.
_PAPER = re.compile(r"(?:^|/)([a-z-]*\d{4}\.?\d{3,5})(?:v\d+)?_[^/]*$")


class ArXivQA(Source):
    """All of it, 100,000 rows; a rationale with the option that it leads to is the solution."""

    hub = "MMInstruction/ArxivQA"
    revision = "85a6dca0e2bdc6f0268ae519be8913f83a83cafd"
    licence = "cc-by-sa-4.0"
    task = "perception"
    needs_copy = "its pictures are in an archive beside arxivqa.jsonl, to be unpacked there: tar xzf images.tgz"

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        question, label = without_markers(text_of(row, "question")), text_of(row, "label")
        options = options_in(list_of(row, "options"))
        if options is None:
            yield Sick(NO_OPTIONS, str(row.columns["options"])[:200])
            return
        letter = letter_of(label, options)
        if letter is None:
            yield Sick(TWO if is_two(label, options) else NO_OPTION, label[:80])
            return
        rationale, image = text_of(row, "rationale", empty=True), text_of(row, "image")
        # Some rationales argue for another option than the label's.
        argues = rationale and extract_answer(rationale, "choice") in (None, letter)
        paper = _PAPER.search(image)
        yield Found(
            with_options(question, options),
            letter,
            [image],
            f"{rationale}\nAnswer: {letter}" if argues else "",
            answer_type="choice",
            row_id=text_of(row, "id", empty=True),
            origin={"paper": paper[1]} if paper else {},
        )


def arxivqa(_config: str) -> ArXivQA:
    """The one that there is."""
    return ArXivQA()
