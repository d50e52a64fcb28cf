"""Options that stand in a question's own text: `Options: A: cat, B: dog` and `Choices:\\n(A) 3\\n(B) 4`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from contextrl.evaluation.benchmarks.choices import LETTERS

_HEADER = re.compile(r"(?:\b(?:options|choices)|选项)\s*[:：]", re.IGNORECASE)
#: What stands around a letter, by style: an opening and what closes it. A list keeps to one style.
_STYLES = (("[(（]", "[)）]"), ("", "[:：]"), ("", "[.．]"), ("", "[)）]"), ("", "、"))
#: No letter, number, bracket or backslash before: `(A:`, `1A.` and `\\A` begin no option; nor does one without a text
#: before the next, `to shape C.; D. ...`.
_BEFORE = r"(?<![A-Za-z0-9(\\])"
_MARKERS = {
    letter: tuple(re.compile(rf"{_BEFORE}{opening}{letter}{closing}(?!\s*[;；])") for opening, closing in _STYLES)
    for letter in LETTERS
}
#: Questions are short: nothing is looked for beyond.
_MAX_CHARS = 20_000


@dataclass(frozen=True)
class Asked:
    """A question in two parts.

    Attributes:
        stem: what comes before the options, as it is written.
        tail: the options, as they are written, with their heading; `stem + tail` is the whole.
        options: their texts by letter; empty where none were found.
    """

    stem: str
    tail: str = ""
    options: dict[str, str] = field(default_factory=dict)


def split_options(question: str) -> Asked:
    """Find the options in a question's text; the whole is the stem where there are none."""
    text = question[:_MAX_CHARS]
    headers = [*_HEADER.finditer(text)]
    places = [(header.start(), header.end()) for header in reversed(headers)] + [(-1, 0)]
    for begin, start in places:
        for style in range(len(_STYLES)):
            spans = [*_in_order(text, start, style)]
            if len(spans) >= 2:
                cut = begin if begin >= 0 else spans[0][0]
                return Asked(question[:cut], question[cut:], _texts(question, spans))
    return Asked(question)


def _in_order(text: str, start: int, style: int) -> Iterator[tuple[int, int]]:
    """(start, end) of the marks of A, B, C ... in one style, each after the one before."""
    for letter in LETTERS:
        match = _MARKERS[letter][style].search(text, start)
        if match is None:
            return
        yield match.span()
        start = match.end()


def _texts(question: str, spans: list[tuple[int, int]]) -> dict[str, str]:
    ends = [start for start, _ in spans[1:]] + [len(question)]
    return {
        letter: question[begin:end].strip(" \t\r\n,;，；")
        for letter, (_, begin), end in zip(LETTERS, spans, ends, strict=False)
    }
