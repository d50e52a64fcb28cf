"""The process verifier of the longer questions: each step is held to the one before, the reading to the reference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from contextrl.answers import check_answer, extract_answer
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.long_task import LONG_KINDS, LongKind, long_answer, signs
from contextrl.miniature.steps_judge import Mistake, StepsJudge, Truth, misread_digits, read_digits
from contextrl.miniature.tasks import parity_word

# Responses are hostile: every repetition is bounded.
_STEP = re.compile(
    r"(?<![\d.])(-?\d{1,4})\s?(\+|-|plus|minus)\s?(\d{1,4})\s?(?:=|makes|leaves)\s?(-?\d{1,4})(?!\d|\.\d)"
)
_PARITY = re.compile(r"\b(?:Sum:|total is)\s?(-?\d{1,4}),? (?:which is )?(even|odd)\b")


@dataclass(frozen=True)
class Chain:
    """What a text states.

    Attributes:
        steps: (before, sign, digit, after) in the order of the text.
        parities: (value, even or odd).
    """

    readings: tuple[tuple[int, ...], ...]
    steps: tuple[tuple[int, int, int, int], ...]
    parities: tuple[tuple[int, str], ...]
    answer: str | None


def parse_chain(text: str, kind: LongKind) -> Chain:
    """Read the content of a solution or a response in either voice."""
    plain = text.replace("\u2212", "-")
    return Chain(
        readings=read_digits(plain),
        steps=tuple(
            (int(before), 1 if sign in ("+", "plus") else -1, int(digit), int(after))
            for before, sign, digit, after in _STEP.findall(plain)
        ),
        parities=tuple((int(value), word) for value, word in _PARITY.findall(plain)),
        answer=extract_answer(text, LONG_KINDS[kind].answer_type),
    )


def long_kind(question: str) -> LongKind:
    """Kind of a question.

    Raises:
        ValueError: it is none of these.
    """
    for kind, info in LONG_KINDS.items():
        if question == info.question:
            return kind
    raise ValueError(f"the judge of long questions knows only the miniature's, found {question!r}")


def long_mistakes(chain: Chain, kind: LongKind, truth: Truth | None) -> list[Mistake]:
    """Mistakes in the order of the steps; a step is right if it does what is asked with what was found so far."""
    if not chain.readings:
        return [Mistake(1, "it does not say which digits are shown", "step 1 should say which digits are shown")]
    read = chain.readings[-1]
    mistakes = []
    if len(set(chain.readings)) > 1:
        mistakes.append(Mistake(1, "it reads the digits in two ways", "step 1 should read the digits once"))
    if truth is not None and read != truth:
        mistakes += misread_digits(read, truth)
    if not read:
        return mistakes or [Mistake(1, "the reading is not a list of digits", "step 1 should list the digits")]
    return [*mistakes, *_wrong_steps(chain, read), *_wrong_end(chain, kind, read)]


def _wrong_steps(chain: Chain, read: Sequence[int]) -> list[Mistake]:
    value = read[0]
    mistakes: list[Mistake] = []
    expected = list(zip(signs(read)[1:], read[1:], strict=True))
    for number, (sign, digit) in enumerate(expected, start=2):
        if number - 2 >= len(chain.steps):
            return [*mistakes, Mistake(number, f"step {number} is missing", f"step {number} is to be written")]
        right = value + sign * digit
        stated = chain.steps[number - 2]
        if stated != (value, sign, digit, right):
            should = f"step {number} should find {right}"
            mistakes.append(Mistake(number, f"step {number} does not follow", should))
        # What follows is held to what the response has found, so that one slip is one mistake.
        value = stated[3]
    if len(chain.steps) > len(expected):
        last = len(expected) + 2
        mistakes.append(Mistake(last, "there are steps too many", f"step {last} should be the last"))
    return mistakes


def _wrong_end(chain: Chain, kind: LongKind, read: Sequence[int]) -> list[Mistake]:
    value = chain.steps[-1][3] if chain.steps else read[0]
    last, mistakes = len(read) + 1, []
    if kind == "running_parity":
        if not chain.parities:
            mistakes.append(Mistake(last, "even or odd is missing", f"step {last} should say even or odd"))
        elif any(stated != (value, parity_word(value)) for stated in chain.parities):
            mistakes.append(Mistake(last, f"step {last} does not follow", f"step {last} is about {value}"))
        last += 1
    if chain.answer is None:
        mistakes.append(Mistake(last, "the final answer is missing", f"step {last} should state the answer"))
    elif check_answer(f"Answer: {chain.answer}", long_answer(kind, value), LONG_KINDS[kind].answer_type) is not True:
        mistakes.append(Mistake(last, "the answer does not follow", f"step {last} should follow from the last result"))
    return mistakes


class LongStepsJudge(StepsJudge):
    """Process verifier for the longer questions; see `StepsJudge`."""

    name = "long-steps"

    @staticmethod
    def reads(question: str) -> object:
        return long_kind(question)

    def mistakes(self, request: JudgeRequest, truth: Truth | None) -> list[Mistake]:
        kind = long_kind(request.example.question)
        return long_mistakes(parse_chain(request.response, kind), kind, truth)
