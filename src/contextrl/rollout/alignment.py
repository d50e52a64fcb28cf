"""Where a step of a response begins, in its text and among its tokens."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence

#: `Step 2`, `2.`, `(2)` or `2)` at the beginning of a line.
_LABEL = re.compile(
    r"^[ \t*#]{0,8}(?:step\s{0,2}[#(]?(\d{1,3})\b|\(?(\d{1,3})[.):](?=\s))", re.IGNORECASE | re.MULTILINE
)
_LINE = re.compile(r"^.*\S", re.MULTILINE)
#: A full stop within a number or a name has no space after it.
_SENTENCE = re.compile(r"\S.*?(?:[.!?](?=\s|$)|[。！？]|$)", re.DOTALL)

Decode = Callable[[Sequence[int]], str]


def step_start(text: str, step: int) -> int | None:
    """Place of the first character of a step, counted from 1; None where there are fewer steps.

    Steps are what the response itself numbers, if it numbers its first; else its lines, if there are several; else its
    sentences.
    """
    labelled = {int(match[1] or match[2]): match.start() for match in reversed(list(_LABEL.finditer(text)))}
    if 1 in labelled and len(labelled) > 1:
        return labelled.get(step)
    lines = [match.start() for match in _LINE.finditer(text)]
    starts = lines if len(lines) > 1 else [match.start() for match in _SENTENCE.finditer(text)]
    return starts[step - 1] if 0 < step <= len(starts) else None


def tokens_before(ids: Sequence[int], place: int, decode: Decode) -> int:
    """How many tokens end before a character: the one that it is in is not among them.

    Args:
        decode: gives the text that `place` counts in; of more tokens never less of it.
    """
    # The first n for which n tokens reach beyond the character; the last of these has it.
    return bisect_right(range(len(ids) + 1), place, key=lambda count: len(decode(ids[:count]))) - 1 if ids else 0
