"""Whether an answer is one that a rule can verify."""

from __future__ import annotations

import re
from functools import lru_cache

from contextrl.answers import check_answer
from contextrl.answers.options import parse_choice
from contextrl.building.candidates import Candidate
from contextrl.building.filter_settings import FilterSettings
from contextrl.evaluation.benchmarks.inline_options import split_options
from contextrl.records.example import AnswerType

EMPTY, ELSEWHERE, TYPE, LONG, UNVERIFIABLE, NOT_LISTED, NO_OPTIONS = (
    "an empty answer",
    "an answer that says where it is, or that it was left out",
    "an answer type that is not asked for",
    "a text answer that is too long to verify",
    "an answer that the verifier does not accept",
    "a choice that is none of the options",
    "a choice without options",
)
#: What worksheets print in place of answers to proofs and drawings: `Omitted`, `See solution`, `见解析`.
_ELSEWHERE = re.compile(
    r"[(（]?(?:answer\s+)?(?:is\s+)?(?:omitted|see\s+(?:the\s+)?(?:above|below|solutions?|explanations?|analysis|details?"
    r"|proof)|(?:详)?见(?:解析|详解|解答|答案|试题解析|证明)|略|证明略|解析略|答案略)[)）]?[.。．]?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\u3041-\u30fa\u3400-\u9fff\uac00-\ud7a3]|[^\s\u3041-\u30fa\u3400-\u9fff\uac00-\ud7a3]+")


def words(text: str) -> int:
    """Words, two characters of a script without spaces as one, rounded up."""
    found: list[str] = _WORD.findall(text)
    without_spaces = sum("\u3041" <= one <= "\ud7a3" for one in found)
    return len(found) - without_spaces + (without_spaces + 1) // 2


def answer_fault(one: Candidate, settings: FilterSettings) -> tuple[str, str] | None:
    """(reason, detail) where an answer cannot be used; None where it can."""
    answer = one.answer.strip()
    if not answer:
        return EMPTY, ""
    if _ELSEWHERE.fullmatch(answer):
        return ELSEWHERE, answer[:80]
    if one.answer_type not in settings.answer_types:
        return TYPE, one.answer_type
    if one.answer_type == "text" and words(answer) > settings.text_words:
        return LONG, f"{words(answer)} words: {answer[:80]}"
    if not accepts_itself(answer, one.answer_type):
        return UNVERIFIABLE, f"{one.answer_type}: {answer[:80]}"
    return _choice_fault(one, answer) if one.answer_type == "choice" else None


@lru_cache(maxsize=65_536)
def accepts_itself(answer: str, answer_type: AnswerType) -> bool:
    """Whether the verifier finds a response right that states the answer as it is, in words or in a box."""
    return any(
        check_answer(said, answer, answer_type) is True for said in (f"Answer: {answer}", f"\\boxed{{{answer}}}")
    )


def _choice_fault(one: Candidate, answer: str) -> tuple[str, str] | None:
    letters = parse_choice(answer)
    if not letters:
        return UNVERIFIABLE, f"choice: {answer[:80]}"
    asked = split_options(one.question)
    if asked.options:
        # A later option in another style than the first ones is one too.
        others = {letter for letter in letters - asked.options.keys() if _stands_alone(letter, asked.tail)}
        if strange := sorted(letters - asked.options.keys() - others):
            return NOT_LISTED, f"{', '.join(strange)} of {', '.join(asked.options)}"
        return None
    if one.images or all(_stands_alone(letter, one.question) for letter in letters):
        return None  # options may be in the picture, or named without texts: `A, B, C or D?`
    return NO_OPTIONS, ""


def _stands_alone(letter: str, text: str) -> bool:
    """Whether a letter stands by itself somewhere: `(b)`, `B`, `B:`."""
    return (
        re.search(rf"(?<![A-Za-z0-9]){letter}(?![A-Za-z0-9'’])|(?:^|[\s(（]){letter.lower()}[.)）:]", text) is not None
    )
