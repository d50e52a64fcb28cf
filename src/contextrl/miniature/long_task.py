"""Questions with a longer way to the answer: six and more steps, each of which rests on the one before.

The digits of a picture are added and subtracted in turn, every intermediate result is stated, and the answer is the
last result or whether it is even. A misread digit spoils all that follows it, and often not the answer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from contextrl.miniature.classes import familiarity
from contextrl.miniature.digits import Split, compose, images_by_class
from contextrl.miniature.tasks import Voice, join, parity_word
from contextrl.records.example import AnswerType, Example

LongKind = Literal["running", "running_parity"]


@dataclass(frozen=True)
class LongInfo:
    """A kind of question.

    Attributes:
        digits: how many a picture may show, each equally likely.
    """

    question: str
    answer_type: AnswerType
    digits: tuple[int, ...]


LONG_KINDS: dict[LongKind, LongInfo] = {
    "running": LongInfo("Add and subtract in turn. What is the result?", "number", (5,)),
    "running_parity": LongInfo("Add and subtract in turn. Is the result even?", "yes_no", (4, 5)),
}


@dataclass(frozen=True)
class LongProblem:
    """A question before it becomes an Example."""

    kind: LongKind
    images: tuple[int, ...]
    digits: tuple[int, ...]

    @property
    def question(self) -> str:
        return LONG_KINDS[self.kind].question


def signs(digits: Sequence[int]) -> list[int]:
    """1 where a digit is added, -1 where it is subtracted: the second is added, the third subtracted, and so on."""
    return [1, *(1 if place % 2 else -1 for place in range(1, len(digits)))]


def running(digits: Sequence[int]) -> list[int]:
    """The first digit, and the result after each further one."""
    return list(accumulate(digit * sign for digit, sign in zip(digits, signs(digits), strict=True)))


def long_answer(kind: LongKind, value: int) -> str:
    """The answer that follows from the last result."""
    if kind == "running":
        return str(value)
    return "yes" if value % 2 == 0 else "no"


def long_solution(kind: LongKind, digits: Sequence[int], answer: str | None = None) -> str:
    """As the policy writes it: `Digits: 4, 8, 3, 5. 4 + 8 = 12. 12 - 3 = 9. 9 + 5 = 14. Sum: 14, even. Answer: yes`."""
    results = running(digits)
    steps = [
        f"{before} {'+' if sign > 0 else '-'} {digit} = {after}."
        for before, digit, sign, after in zip(results, digits[1:], signs(digits)[1:], results[1:], strict=False)
    ]
    if kind == "running_parity":
        steps.append(f"Sum: {results[-1]}, {parity_word(results[-1])}.")
    return f"Digits: {join(digits)}. {' '.join(steps)} Answer: {answer or long_answer(kind, results[-1])}"


def foreign_long_solution(kind: LongKind, digits: Sequence[int], rng: random.Random) -> str:
    """The same content in prose."""
    results = running(digits)
    listed = f"{join(digits[:-1])} and {digits[-1]}"
    seen = rng.choice(("From left to right the picture shows {}.", "Reading the image, I find {}."))
    steps = [
        f"{before} plus {digit} makes {after}." if sign > 0 else f"{before} minus {digit} leaves {after}."
        for before, digit, sign, after in zip(results, digits[1:], signs(digits)[1:], results[1:], strict=False)
    ]
    if kind == "running_parity":
        steps.append(f"The total is {results[-1]}, which is {parity_word(results[-1])}.")
    return f"{seen.replace('{}', listed)} {' '.join(steps)} Answer: {long_answer(kind, results[-1])}"


def draw_long(rng: random.Random, split: Split) -> LongProblem:
    """A problem with digits drawn uniformly, images from `split`."""
    pool = images_by_class(split)
    kind = rng.choice(list(LONG_KINDS))
    digits = tuple(rng.randrange(10) for _ in range(rng.choice(LONG_KINDS[kind].digits)))
    return LongProblem(kind, tuple(rng.choice(pool[digit]) for digit in digits), digits)


def long_example(problem: LongProblem, *, id: str, voice: Voice, rng: random.Random) -> Example:
    """The row that a problem is."""
    own = voice == "own"
    kind, digits = problem.kind, problem.digits
    return Example(
        id=id,
        question=problem.question,
        images=(compose(problem.images),),
        solution=long_solution(kind, digits) if own else foreign_long_solution(kind, digits, rng),
        answer=long_answer(kind, running(digits)[-1]),
        answer_type=LONG_KINDS[kind].answer_type,
        task="reasoning",
        source=f"miniature/{kind}/{familiarity(digits)}",
        image_ids=tuple(f"digit-{image}" for image in problem.images),
    )


def long_examples(split: Split, count: int, *, seed: int = 0, voice: Voice = "own") -> list[Example]:
    """`count` examples of `split`; the same arguments always give the same examples."""
    rng = random.Random(f"long-{split}-{seed}")
    problems = [draw_long(rng, split) for _ in range(count)]
    names = [f"miniature-long-{split}-{seed}-{number:05d}" for number in range(count)]
    return [
        long_example(problem, id=name, voice=voice, rng=random.Random(name))
        for problem, name in zip(problems, names, strict=True)
    ]
