"""Solutions that stand in their own question."""

from __future__ import annotations

import re

from contextrl.answers.wrapping import unwrap

_HEADER = re.compile(
    r"(?:^|[\n.?!。？！(（\[])\s?[*#_]{0,4}[ \t]?(?:(?:worked\s+|reference\s+|step[- ]by[- ]step\s+)?"
    r"solution|explanation|rationale|reasoning|proof|解|解答|解析|解法|分析|详解)"
    r"[ \t]?[*_]{0,3}[ \t]?[:：][ \t]?[*_]{0,3}(?P<text>.+)",
    re.IGNORECASE | re.DOTALL,
)
_DERIVES = re.compile(
    r"\b(?:so|therefore|thus|hence|because|since|we\s+(?:get|have|find|obtain|see)|gives|it\s+follows)\b|=|所以|因为|因此|故|∴|∵",
    re.IGNORECASE,
)
_TOKENS = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_\u3400-\u9fff]+|[\u3400-\u9fff]|\\[A-Za-z]+|[^\w\s]")
_SHINGLE, _LEAST_TOKENS, _COVERED = 5, 14, 0.85


def pasted(question: str, answer: str, solution: str) -> str | None:
    """The solution stands in the question, or one that ends with the answer under a heading of its own."""
    header = _HEADER.search(question)
    if header is not None and len(header["text"].split()) + len(re.findall("[\u4e00-\u9fff]", header["text"])) > 4:
        text = header["text"]
        if _DERIVES.search(text) and _contains(text, answer):
            return text.strip()[:120]
    # Statements of the answer at its end are the product's own.
    worked = re.sub(r"\s?(?:Answer|答案)\s?[:：][^\n]*$", "", solution)
    own, there = _TOKENS.findall(worked.casefold()), _TOKENS.findall(question.casefold())
    if len(own) < _LEAST_TOKENS or not _contains(question, answer):
        return None
    known = {tuple(there[start : start + _SHINGLE]) for start in range(len(there) - _SHINGLE + 1)}
    shingles = [tuple(own[start : start + _SHINGLE]) for start in range(len(own) - _SHINGLE + 1)]
    covered = sum(shingle in known for shingle in shingles) / len(shingles)
    # A solution may repeat the question; its last sentence is its own.
    end = all(shingle in known for shingle in shingles[-3:])
    return worked.strip()[:120] if covered >= _COVERED and end else None


def _contains(text: str, answer: str) -> bool:
    """Whether an answer occurs in a text as a whole word or number."""
    bare = unwrap(answer).casefold()
    if not bare:
        return False
    before = r"(?<![A-Za-z0-9.])" if bare[0].isalnum() and bare[0].isascii() else ""
    after = r"(?![A-Za-z0-9]|\.\d)" if bare[-1].isalnum() and bare[-1].isascii() else ""
    return re.search(f"{before}{re.escape(bare)}{after}", text.casefold()) is not None
