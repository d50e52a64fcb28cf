"""Final numbers, lists and short texts as a response states them, compared within a tolerance."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction

from contextrl.answers import answers_equal
from contextrl.answers.extraction import read_answer
from contextrl.answers.numbers import parse_number
from contextrl.answers.wrapping import unwrap, visible
from contextrl.evaluation.benchmarks.choices import CUT_OFF, TURN, spoken
from contextrl.evaluation.benchmarks.items import Response
from contextrl.records.example import AnswerType

#: What comes last states the answer; only where it does not, all is searched.
_TAIL_CHARS = 1_000
#: Longer answers are no short ones.
_MAX_CHARS = 200
_FLOAT = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})")
#: What most responses end with, read without the whole grammar of answers: nothing after it can take it back.
_ENDING = re.compile(
    r"(?:(?:\b(?:the|final|correct) answer(?: is|:)|\banswer:|答案(?:是|为|：|:))\s?(?:\*\*|\$)?|^)"
    r"(-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d{1,20}(?:\.\d{1,20})?)(?:\*\*|\$)?[.。]?\Z"
    r"|\\boxed\{(-?\d{1,20}(?:\.\d{1,20})?)\}\$?\.?\Z",
    re.IGNORECASE,
)
_ENDING_CHARS = 80
_NOTATION = re.compile(r"[0-9π]|\\pi|\bpi\b")
_NUMBER = re.compile(r"-?(?:\d+(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|-?\.\d+")
#: One of them, or so many times π.
_VALUE = re.compile(rf"(?:{_NUMBER.pattern})(?:\s?\*?\s?(?:\\pi|pi|π)(?![A-Za-z]))?")
#: What follows a number in brackets is said beside it: `14 (in 2020)`.
_ASIDE = re.compile(r"(?<=\w)\s?\([^()\n]{0,80}\)")
#: `14, not 15`
_NOT_ANOTHER = re.compile(
    r"\s{0,3}[,;，；]?\s{0,3}(?:\b(?:but\s+|and\s+)?not\b|\brather\s+than\b|\binstead\s+of\b|而?不是)", re.IGNORECASE
)
_PI = re.compile(r"\s{0,3}(?:\*|×|·|\\times|\\cdot)?\s{0,3}(?:\\?(?<![A-Za-z])pi(?![A-Za-z])|π)")
_SENTENCE = re.compile(r"[.!?](?=\s|$)|[。！？\n]")
_REFUSED = re.compile(
    r"\b(?:cannot|can not|unable|sorry|unclear|impossible|not|neither|nor|maybe|perhaps|or"
    r"|either|between|without|if|too (?:blurry|small|dark|unclear)|no (?:image|picture|figure|chart|graph))\b"
    r"|n['’]t\b|无法|不能|不确定|或|如果",
    re.IGNORECASE,
)
_PLEASANTRY = re.compile(r"\b(?:hope|let me know|feel free|thank|happy to)\b", re.IGNORECASE)
_LIST = re.compile(r"\[([^\[\]\n]{0,400})\]")
_PART = re.compile(r"\d+(?:\.\d+)?|\.\d+|[^\W\d_]+|[^\s\w]|_")
_OPEN = re.compile(
    r"\b(?:or|and|not|neither|nor|either|maybe|perhaps|if|but|unless)\b|n['’]t\b|或|和|不", re.IGNORECASE
)


def stated(response: Response, answer_type: AnswerType) -> str | None:
    """The answer that a response finally states, several boxes of one statement joined; None where it states none.

    A response that was cut off states what stands before its last word. A number may be the only one of the last
    sentence ("There are 4 apples."). Never raises.
    """
    text = spoken(response)
    if text is None:
        return None
    ending = _ENDING.search(text[-_ENDING_CHARS:]) if answer_type == "number" else None
    if ending is not None and (ending[1] or text.count("\\boxed") == 1):
        return ending[1] or ending[2]
    if text.endswith(CUT_OFF):  # its last word may be half a number
        text = text.removesuffix(CUT_OFF)
        text = text[: max(text.rfind(" "), text.rfind("\n"), 0)] + CUT_OFF
    tail = TURN.sub(". ", text[-_TAIL_CHARS:])
    said = read_answer(tail, answer_type)
    if said is None and len(text) > _TAIL_CHARS:
        said = read_answer(TURN.sub(". ", text), answer_type)
    if said is not None:
        value = ", ".join(said.boxes) if len(set(said.boxes)) > 1 else said.value
        return _NOT_ANOTHER.split(value, maxsplit=1)[0] if answer_type == "number" else value
    if answer_type == "number" and not text.endswith(CUT_OFF):
        return _only_number(visible(tail))
    return None


def _only_number(text: str) -> str | None:
    """The only number of the last sentence, or what it comes to (`= 12`)."""
    sentences = [one for one in _SENTENCE.split(text) if one.strip() and not _PLEASANTRY.search(one)]
    if not sentences or _REFUSED.search(sentences[-1]):
        return None
    result = re.split(r"[=≈]", sentences[-1])[-1]
    for part in (result, _ASIDE.sub(" ", result)):
        found = {match[0] for match in _VALUE.finditer(part)}
        if len(found) == 1:
            return found.pop()
    return None


def value_of(said: str) -> Fraction | None:
    """The value of a number with or without a unit: `1,200`, `$14`, `3/4`, `12 cm`, `\\frac{1}{2}`, `twelve`."""
    plain = said.strip().strip("*$ ").rstrip(".")
    if _FLOAT.fullmatch(plain):
        return Fraction(plain)
    number = parse_number(said)
    return None if number is None else number.value


def near(said: str, truth: str, tolerance: Fraction) -> bool:
    """Whether a stated number is the true one, within a tolerance in its own unit: 50 % is 0.5 and 50, 2π/3 is 2.0944.

    Never raises.
    """
    said = _PI.sub("π", said) if "π" in said or "pi" in said else said
    value, true = value_of(said), value_of(truth)
    if value is not None and true is not None:
        shares = (value, value / 100) if "%" in said or "percent" in said.lower() else (value,)
        return any(abs(share - true) <= tolerance for share in shares)
    if not _NOTATION.search(said):
        return False
    return answers_equal(said, truth, "number", tolerance=float(tolerance)) is True


def numbers_of(said: str) -> list[Fraction]:
    """All numbers of a list, the last one in square brackets where there is one."""
    lists = _LIST.findall(said)
    inner = lists[-1] if lists else said
    return [Fraction(number.replace(",", "")) for number in _NUMBER.findall(re.sub(r",\s*", " , ", inner)[:4_000])]


def same_text(said: str, truth: str, tolerance: Fraction) -> bool:
    """Whether two short texts are one: letter case, space, closing marks and rounded numbers aside."""
    if len(said) > _MAX_CHARS:
        return False
    one, other = _parts(said), _parts(truth)
    if not one or not other:
        return False
    if len(one) == len(other) and all(_same_part(*pair, tolerance) for pair in zip(one, other, strict=True)):
        return True
    return answers_equal(said, truth, "text") is True or _within(said, truth)


def _parts(text: str) -> Sequence[str]:
    """Numbers, words and marks; brackets around the whole and a period after it are no part of it."""
    text = unwrap(visible(text)).strip().rstrip(".").replace("−", "-").casefold()
    return _PART.findall(text.strip("[]()"))


def _same_part(one: str, other: str, tolerance: Fraction) -> bool:
    if one == other:
        return True
    try:
        values = Fraction(one), Fraction(other)
    except ValueError:
        return False
    return abs(values[0] - values[1]) <= tolerance


def _within(said: str, truth: str) -> bool:
    """Whether a sentence says the true words and leaves nothing open: `4:45` is not in `14:45`."""
    edges = rf"(?<![\w:./-]){re.escape(truth.strip().casefold())}(?![\w/]|[:.-]\w)"
    rest, count = re.subn(edges, " ", said.casefold())
    return count > 0 and not re.search(r"\d", rest) and not _OPEN.search(rest)


def number(text: str) -> float | None:
    """What Python reads as a number, as the protocols' scripts do; None for anything else."""
    try:
        return float(text)
    except (ValueError, OverflowError):
        return None


def whole(text: str | float) -> int | None:
    """The same of an integer."""
    try:
        return int(text)
    except (ValueError, OverflowError):
        return None


def is_close(value: float | None, truth: float | None, tolerance: float) -> bool:
    """Within a tolerance in floating point; never where a side is no number."""
    return value is not None and truth is not None and math.fabs(value - truth) <= tolerance
