"""Responses to the miniature's questions whose correctness is known because they are built that way.

No judge labels them. A true positive is written from the digits that are shown. A false positive reads other digits
that lead to the same answer, or goes wrong on the way and still ends with the right answer. A wrong answer follows from
other digits, from a wrong step, or does not follow from its own steps.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from contextrl.evaluation.judging.labelled import Labelled
from contextrl.evaluation.judging.measures import Label
from contextrl.miniature.digits import Split
from contextrl.miniature.tasks import (
    Kind,
    Problem,
    Voice,
    derived_value,
    draw_problem,
    final_answer,
    foreign_solution,
    own_solution,
    parity_word,
    to_example,
)

Case = Literal["right", "misread", "wrong_step", "contradiction"]
#: Of five responses in a row, two are true positives, two false positives and one a wrong answer.
_CYCLE: tuple[Label, ...] = (
    *("true_positive", "false_positive", "wrong_answer"),
    *("true_positive", "false_positive"),
)
#: The words before an intermediate value, in every template of both voices.
_BEFORE_VALUE = (
    r"(= |Largest: |Number of \d: |makes |leaves |exceeds |greatest one is |appears |turns up |comes to |remains is )"
)


@dataclass(frozen=True)
class LabelledResponse(Labelled):
    """A response to a question of the miniature, in either voice, as is the reference.

    Attributes:
        case: how it was built.
        problem: what the pictures show.
    """

    case: Case
    problem: Problem


def labelled_items(split: Split, count: int, *, seed: int = 0) -> list[LabelledResponse]:
    """`count` labelled responses on the images of `split`, in mixed order; the same arguments give the same ones.

    Two fifths are true positives, two fifths false positives, the rest wrong answers; each in both voices and in all
    the ways its question allows.
    """
    rng = random.Random(f"labelled-{split}-{seed}")
    items = [_item(split, seed, number, _CYCLE[number % len(_CYCLE)], rng) for number in range(count)]
    rng.shuffle(items)
    return items


def _item(split: Split, seed: int, number: int, label: Label, rng: random.Random) -> LabelledResponse:
    problem = draw_problem(rng, split)
    case, response = _response(problem, label, rng)
    voice: Voice = "own" if rng.random() < 0.5 else "foreign"
    example = to_example(problem, id=f"labelled-{split}-{seed}-{number:05d}", voice=voice, rng=rng)
    return LabelledResponse(example, response, label, case, problem)


def _response(problem: Problem, label: Label, rng: random.Random) -> tuple[Case, str]:
    """A response of the class, in a way that the question allows."""
    if label == "true_positive":
        return "right", written(problem.kind, problem.digits, problem.asked, rng)
    same = label == "false_positive"
    ways: list[tuple[Case, Callable[[], str | None]]] = [
        ("misread", lambda: _misread(problem, rng, same_answer=same)),
        ("wrong_step", lambda: _wrong_step(problem, rng, same_answer=same)),
        ("contradiction", lambda: _contradiction(problem, rng, same_answer=same)),
    ]
    rng.shuffle(ways)
    for case, write in ways:
        response = write()
        if response is not None:
            return case, response
    raise AssertionError("every question can be contradicted")


def written(kind: Kind, digits: Sequence[int], asked: int, rng: random.Random) -> str:
    """A solution from `digits`, in the policy's voice or a foreign one."""
    if rng.random() < 0.5:
        return own_solution(kind, digits, asked)
    return foreign_solution(kind, digits, asked, rng)


def _misread(problem: Problem, rng: random.Random, *, same_answer: bool) -> str | None:
    """Consistent, from other digits; as few of them differ as the answer allows. None where no others give it."""
    digits = other_digits(problem, rng, same_answer=same_answer)
    return None if digits is None else written(problem.kind, digits, problem.asked, rng)


def other_digits(problem: Problem, rng: random.Random, *, same_answer: bool) -> tuple[int, ...] | None:
    """Digits that differ from those shown, in as few places as can be, with the same answer or another one; or None."""
    by_changes: dict[int, list[tuple[int, ...]]] = {}
    for digits in product(range(10), repeat=len(problem.digits)):
        changes = sum(a != b for a, b in zip(digits, problem.digits, strict=True))
        same = final_answer(problem.kind, digits, problem.asked) == problem.answer
        if changes and same is same_answer:
            by_changes.setdefault(changes, []).append(digits)
    return rng.choice(by_changes[min(by_changes)]) if by_changes else None


def _wrong_step(problem: Problem, rng: random.Random, *, same_answer: bool) -> str | None:
    """The digits as shown, a wrong value from them; the answer right all the same, or what that value says."""
    if problem.kind == "read":
        return None
    value = derived_value(problem.kind, problem.digits, problem.asked)
    # Parity: an even error leaves the answer right, an odd one turns it over.
    step = (2 if same_answer else 1) if problem.kind == "parity" else rng.choice((1, 2))
    wrong = value + step if value < step else value + rng.choice((-step, step))
    text = written(problem.kind, problem.digits, problem.asked, rng)
    text = re.sub(rf"{_BEFORE_VALUE}{value}(?!\d)", lambda match: f"{match[1]}{wrong}", text)
    if same_answer:
        return text
    if problem.kind == "parity":
        text = re.sub(r"\b(even|odd)\b", parity_word(wrong), text)
        return _ending(text, "yes" if wrong % 2 == 0 else "no")
    return _ending(text, str(wrong))


def _contradiction(problem: Problem, rng: random.Random, *, same_answer: bool) -> str | None:
    """Steps that say one thing and an answer that says another: wrong steps before the right answer, or the reverse."""
    digits = other_digits(problem, rng, same_answer=False)
    if digits is None:
        return None
    other = final_answer(problem.kind, digits, problem.asked)
    if same_answer:
        return _ending(written(problem.kind, digits, problem.asked, rng), problem.answer)
    return _ending(written(problem.kind, problem.digits, problem.asked, rng), other)


def _ending(text: str, answer: str) -> str:
    return f"{text[: text.rindex('Answer: ')]}Answer: {answer}"
