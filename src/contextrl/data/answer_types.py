"""How an answer is to be compared, by its look: for rows that do not say."""

from __future__ import annotations

import re

from contextrl.answers import check_answer
from contextrl.answers.numbers import parse_number
from contextrl.records.example import AnswerType

#: In place of a type: by the look of each answer.
AUTO = "auto"
_YES_NO = re.compile(r"(?:yes|no|true|false)\.?", re.IGNORECASE)
_LETTER = re.compile(r"\(?([A-J])\)?[.:]?")
_OPTION = re.compile(r"\(?([A-J])[).:]\s*\S.*")
_MATHEMATICS = re.compile(r"\\[A-Za-z]|\^|\$|\w\s*[+*/=]\s*\w|[<>≤≥√π]")


def guessed_type(answer: str, question: str, solution: str) -> AnswerType:
    """The type that an answer has by its look and that its own solution confirms; `text` where no other does.

    Args:
        question: lists options where a letter is a choice.
        solution: ends with the answer.
    """
    short = answer.strip()
    candidates: list[AnswerType] = []
    if _YES_NO.fullmatch(short):
        candidates.append("yes_no")
    elif _LETTER.fullmatch(short) or ((option := _OPTION.fullmatch(short)) and _lists(question, option[1])):
        candidates.append("choice")
    elif any(character.isdigit() for character in short) and parse_number(short) is not None:
        candidates.append("number")
    elif _MATHEMATICS.search(short):
        candidates.append("math")
    return next((kind for kind in candidates if check_answer(solution, short, kind) is True), "text")


def _lists(question: str, letter: str) -> bool:
    """Whether a question has an option of that letter."""
    return re.search(rf"(?:^|[\s(]){letter}[).:]\s*\S", question) is not None
