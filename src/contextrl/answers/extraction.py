"""What a response states last."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from contextrl.answers.mathematics import is_prose
from contextrl.answers.numbers import parse_number
from contextrl.answers.options import YES_NO, choice_in, parse_choice, parse_yes_no
from contextrl.answers.wrapping import MAX_ANSWER_CHARS, boxed, unwrap, visible
from contextrl.records.example import AnswerType

#: Characters searched for a statement, from the end: the last statement counts, and the cost stays bounded.
_TAIL_CHARS = 20_000
#: Statements that are tried, from the last, until one is of the answer's type.
_MAX_STATEMENTS = 20
_VERB = r"(?:is|are|should be|must be|would be|equals)\b(?!\s+not\b)\s*[:：]?"
_STATEMENT = re.compile(
    r"(?<![A-Za-z])(?:ans(?:wers?)?|(?:correct|right|best|final) (?:option|choice|result|value))"
    r"(?:\s+to\s+(?:\w+\s+){1,4}?)?(?:\s*\([^()\n]{0,40}\))?[\"'”]?\s*(?:" + _VERB + r"|[:：=])",
    re.IGNORECASE,
)
_STATEMENT_ZH = re.compile(r"答案(?:应该|应|就)?(?:是|为|[:：])[:：]?")
_HEADING = re.compile(r"^#+[ \t]*(?:final[ \t]+)?answer[ \t]*$|^####(?=[ \t]*[^#\s])", re.IGNORECASE | re.MULTILINE)
_ANSWER_TAG = re.compile(r"<answer>([^<]*)</answer>", re.IGNORECASE)
_CHOICE_IS_RIGHT = re.compile(
    r"(?<![A-Za-z])[(\[]?([A-J])[)\].]?\s+is\s+(?:therefore\s+)?(?:the\s+)?"
    r"(?:(?:correct|right|best|final)(?:\s+(?:answer|option|choice))?|answer)\b"
)
_CHOICE_ZH = re.compile(r"(?:故选|应选|答案选|选择|选)(?!项)\s*[:：]?\s*[(（]?\s*([A-J])(?![A-Za-z])")
_BOLD = re.compile(r"(?<![\w)*])\*\*(?=\S)([^*\n]+)\*\*(?!\w)")
_VALUE = re.compile(r"\s*(?:(?:\$\$|\\\[|```)[ \t]*\n\s*)?([^\n]{1,2000})")
_CLAUSE = re.compile(r"[,;，；]?\s+(?:because|since|which|as shown|based on|given that)\b|因为", re.IGNORECASE)
# A period ends a sentence unless it follows an initial or a title; a decimal point has no space after it.
_SENTENCE_END = re.compile(
    r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bMrs)(?<!\bSt)(?<!\bNo)(?<!\bvs)(?<!\b[A-Z])[.!?](?=\s)|[。！？]"
)


def extract_answer(text: str, answer_type: AnswerType) -> str | None:
    """Return the final answer that `text` states last, without its wrapping, or None if it states none.

    A statement is `Answer: X`, `the answer is X`, `答案是X`, `\\boxed{X}`, `<answer>X</answer>`,
    or a bare answer on its own. One whose value cannot be of the type ("the answer is clear" for a
    number) is passed over. Choices come back as letters (`C`, or `B, D`). Never raises.
    """
    return _extract_answer(text[-_TAIL_CHARS:], answer_type)


@lru_cache(maxsize=4096)  # samples of a group repeat each other, and the rule check and a judge read the same text
def _extract_answer(text: str, answer_type: AnswerType) -> str | None:
    # Runs of white space are where the patterns below would backtrack.
    text = re.sub(r"\n\s*\n", "\n\n", re.sub(r"[^\S\n]+", " ", visible(text)))
    text = _BOLD.sub(r"\1", text)
    for _, value in sorted(_statements(text, answer_type), reverse=True)[:_MAX_STATEMENTS]:
        answer = _typed(value, answer_type)
        if answer is not None:
            return answer
    return _bare_answer(text, answer_type)


def _statements(text: str, answer_type: AnswerType) -> Iterator[tuple[int, str]]:
    """Yield (position, raw value) of everything that states an answer."""
    for pattern in (_STATEMENT, _STATEMENT_ZH, _HEADING):
        for match in pattern.finditer(text):
            value = _VALUE.match(text, match.end())
            if value:
                yield match.start(), value[1]
    yield from boxed(text)
    yield from ((match.start(), match[1][:MAX_ANSWER_CHARS]) for match in _ANSWER_TAG.finditer(text))
    if answer_type == "choice":
        for pattern in (_CHOICE_IS_RIGHT, _CHOICE_ZH):
            yield from ((match.start(), match[1]) for match in pattern.finditer(text))


def _typed(value: str, answer_type: AnswerType) -> str | None:
    """Return the part of a statement's value that is the answer, or None if it cannot be of the type."""
    value = unicodedata.normalize("NFKC", value) if answer_type in ("choice", "yes_no") else value
    if answer_type == "choice":
        return choice_in(unwrap(value))
    value = _CLAUSE.split(value, maxsplit=1)[0]
    value = unwrap(_SENTENCE_END.split(value, maxsplit=1)[0])
    if answer_type == "yes_no":
        word = YES_NO.match(value)
        return word[0] if word and parse_yes_no(value) is not None else None
    if answer_type in ("number", "math") and value.startswith("$") and value.count("$") == 2:
        inner, _, after = value[1:].partition("$")
        value = unwrap(inner if answer_type == "math" else f"{inner} {after}")
    if answer_type == "number" and not re.search(r"\d|[½¼¾⅓⅔]", value) and parse_number(value) is None:
        return None
    return value or None


def _bare_answer(text: str, answer_type: AnswerType) -> str | None:
    """Return the answer of a text that is nothing but an answer, or whose last line is."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    last, whole = unwrap(lines[-1]), len(lines) == 1
    if answer_type == "choice":
        letters = parse_choice(last)
        alone = letters is not None and (whole or re.fullmatch(r"[^A-Za-z]*(?:[A-J][^A-Za-z]*)+", last))
        return ", ".join(sorted(letters)) if letters and alone else None
    if answer_type == "yes_no":
        if parse_yes_no(last) is not None and len(last) <= 5:
            return last
        return _typed(lines[0], "yes_no")
    if answer_type == "number":
        return last if parse_number(last) is not None else None
    if answer_type == "math":
        return last if last and len(last) <= 100 and not is_prose(last) else None
    return last if whole and last and len(last) <= 80 and not last.endswith(":") else None
