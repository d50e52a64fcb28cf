"""What the learned judge is taught: responses to the miniature's questions, and what it should write about each.

A reply writes down, step by step, what is true and what the response says, whether the two agree, and only then the
verdict. A model of this size learns that; it does not learn to jump to a verdict, nor to compare two long lists.

    Truth/said: 4/4 right, 8/5 wrong; 12/9 wrong; 12/9 wrong. Verdict: incorrect
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import get_args

from contextrl.judge.llm.prompts import Task
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.digits import Images
from contextrl.miniature.facts import stated_facts
from contextrl.miniature.steps_judge import Steps, StepsJudge, parse_steps
from contextrl.miniature.tasks import (
    KINDS,
    Kind,
    Problem,
    derived_value,
    draw_problem,
    final_answer,
    foreign_solution,
    join,
    own_solution,
    to_example,
)
from contextrl.records.example import Example
from contextrl.records.verdict import Disclosure, ReferenceContext
from contextrl.rollout.standalone import standalone_problem

#: How often each kind is drawn; parity and its like hold the false positives.
_KIND_WEIGHTS: dict[Kind, int] = {"read": 2, "largest": 3, "count": 3, "sum": 3, "parity": 3, "difference": 3}
_TRIES = 60
#: What learned judges are taught to judge with, and what some of them are taught beside.
CONTEXTS: tuple[ReferenceContext, ...] = ("none", "answer", "solution")
FACTS: ReferenceContext = "documents"
#: Longest part of a response that a comparison repeats.
_MAX_ELEMENT = 16


@dataclass(frozen=True)
class Lesson:
    """One training item: what the judge is shown and what it should reply.

    Attributes:
        problem: the question with its images.
        request: as the judge gets it.
        task: what it is asked to do.
        disclose: how much a report may say.
        reply: the right reply.
    """

    problem: Problem
    request: JudgeRequest
    task: Task
    disclose: Disclosure
    reply: str


def elements(steps: Steps, kind: Kind) -> list[list[str]]:
    """What a text states, in three steps: the digits, the value derived from them, the answer."""
    reading = [str(digit) for digit in steps.readings[-1]] if steps.readings else []
    results = [str(result) for _, _, result in steps.equations] + [str(value) for value in steps.values]
    value = [" ".join([*dict.fromkeys(results), *dict.fromkeys(steps.parities)])] if results else []
    answer = [] if steps.answer is None else steps.answer.split(", ") if kind == "read" else [steps.answer]
    return [reading, value, answer]


def compare(problem: Problem, response: str) -> tuple[str, bool]:
    """What is true beside what the response says, one by one, and whether all of it agrees."""
    answer_type = KINDS[problem.kind].answer_type
    solution = own_solution(problem.kind, problem.digits, problem.asked)
    truth, said = (elements(parse_steps(text, answer_type), problem.kind) for text in (solution, response))
    pairs = [
        [(right[:_MAX_ELEMENT], stated[:_MAX_ELEMENT]) for right, stated in zip_longest(*step, fillvalue="none")]
        for step in zip(truth, said, strict=True)
    ]
    steps = [", ".join(f"{a}/{b} {'right' if a == b else 'wrong'}" for a, b in step) for step in pairs if step]
    return f"Truth/said: {'; '.join(steps)}.", all(a == b for step in pairs for a, b in step)


def write_reply(problem: Problem, example: Example, response: str, task: Task, disclose: Disclosure) -> str | None:
    """What the judge should reply: the step judge's verdict, with the comparison that leads to it."""
    request = JudgeRequest(example, response, "solution", wants_report=True)
    verdict = StepsJudge("solution", disclose).judge([request])[0]
    compared, agrees = compare(problem, response)
    if agrees != (verdict.status == "correct"):
        return None
    if task == "report":
        return f"{compared} Mistake report: {verdict.mistake_report}"
    alone = standalone_problem(response, question=example.question) is None
    right = alone and verdict.status == "correct"
    reply = f"{compared} Self-consistent: {'yes' if alone else 'no'}. Verdict: {'correct' if right else 'incorrect'}"
    if task == "verify_and_report" and alone and not right:
        return f"{reply}. Mistake report: {verdict.mistake_report}"
    return reply


def draw_lesson(rng: random.Random, split: Images = "train", contexts: Sequence[ReferenceContext] = CONTEXTS) -> Lesson:
    """A lesson on the images of `split`: any of the contexts, any task; a report is asked for on wrong responses only.

    Half of the lessons with documents state every digit, half some.
    """
    tasks: tuple[Task, ...] = get_args(Task)
    task = rng.choices(tasks, [6, 3, 1])[0]
    context = rng.choice(contexts)
    levels: list[Disclosure] = ["hint", "location", "correction", "answer"]
    disclose = "hint" if task == "verify" else rng.choices(levels, [7, 1, 1, 1])[0]
    while True:
        problem = draw_problem(rng, split, kind=rng.choices(list(_KIND_WEIGHTS), list(_KIND_WEIGHTS.values()))[0])
        example = to_example(problem, id="", voice=rng.choice(["own", "foreign"]), rng=rng)
        if context == FACTS:
            example = replace(example, documents=_drawn_facts(problem.digits, rng))
        response = draw_response(problem, rng, quoting=task != "report" and rng.random() < 0.06)
        reply = write_reply(problem, example, response, task, disclose)
        if reply is not None and not (task == "report" and reply.endswith("None")):
            return Lesson(problem, JudgeRequest(example, response, context, task != "verify"), task, disclose, reply)


def _drawn_facts(digits: Sequence[int], rng: random.Random) -> tuple[str, ...]:
    """Of every digit, or of some and never all."""
    places = list(range(len(digits)))
    if rng.random() < 0.5:
        places = sorted(rng.sample(places, rng.randint(1, len(places) - 1)))
    return stated_facts(digits, places)


def draw_response(problem: Problem, rng: random.Random, *, quoting: bool = False) -> str:
    """A response of any quality; with `quoting` it begins by quoting a mistake report, as a bad retry does."""
    kinds: list[Callable[[Problem, random.Random], str]] = [
        _right,
        _misread_same,
        _misread,
        _mixed,
        _bad_step,
        _malformed,
    ]
    response = rng.choices(kinds, [35, 18, 15, 14, 10, 8])[0](problem, rng)
    if quoting:
        digits = problem.digits if rng.random() < 0.8 else _other_digits(problem, rng)
        response = f"The report says step 1 should say Digits: {join(digits)}. {response}"
    return response


def _written(problem: Problem, digits: Sequence[int], rng: random.Random) -> str:
    if rng.random() < 0.7:
        return own_solution(problem.kind, digits, problem.asked)
    return foreign_solution(problem.kind, digits, problem.asked, rng)


def _right(problem: Problem, rng: random.Random) -> str:
    return _written(problem, problem.digits, rng)


def _other_digits(problem: Problem, rng: random.Random) -> tuple[int, ...]:
    """One or more digits replaced; now and then one left out or added."""
    digits = list(problem.digits)
    if rng.random() < 0.05:
        return tuple(digits[:-1]) if len(digits) > 2 else (*digits, rng.randrange(10))
    for place in rng.sample(range(len(digits)), rng.choice((1, 2, len(digits)))):
        digits[place] = rng.choice([k for k in range(10) if k != digits[place]])
    return tuple(digits)


def _misread(problem: Problem, rng: random.Random) -> str:
    return _written(problem, _other_digits(problem, rng), rng)


def _misread_same(problem: Problem, rng: random.Random) -> str:
    """The right answer from wrong digits, where that is possible."""
    for _ in range(_TRIES):
        digits = _other_digits(problem, rng)
        if final_answer(problem.kind, digits, problem.asked) == problem.answer:
            return _written(problem, digits, rng)
    return _misread(problem, rng)


def _mixed(problem: Problem, rng: random.Random) -> str:
    """Sentences from the right solution and from one of other digits: what one says does not follow from the others."""
    state = rng.getstate()
    right = _right(problem, rng).split(". ")
    other = _other_digits(problem, rng)
    rng.setstate(state)
    wrong = _written(problem, other, rng).split(". ")
    return ". ".join(rng.choice(pair) for pair in zip(right, wrong, strict=True))


def _bad_step(problem: Problem, rng: random.Random) -> str:
    """Digits read rightly; the value between, the answer, or both are wrong."""
    value = derived_value(problem.kind, problem.digits, problem.asked)
    wrong = max(0, value + rng.choice((-2, -1, 1, 2)))
    response = _right(problem, rng)
    head, marker, answer = response.rpartition("Answer: ")
    # The answer alone, the step alone, or the step and what follows from it.
    change = rng.choice(("answer", "step", "both"))
    if change != "answer":
        before, number, after = head.rpartition(str(value))
        head = f"{before}{wrong}{after}" if number else head
    if change != "step":
        flipped = "no" if answer == "yes" else "yes"
        answer = flipped if problem.kind == "parity" else str(wrong)
    return f"{head}{marker}{answer}"


def _malformed(problem: Problem, rng: random.Random) -> str:
    """Cut, with a sentence missing, twice over, or not an answer at all; the step judge says what of it is wrong."""
    response = _written(problem, problem.digits if rng.random() < 0.7 else _other_digits(problem, rng), rng)
    sentences = response.split(". ")
    place = rng.randrange(len(sentences))
    other = _written(problem, _other_digits(problem, rng), rng)
    return rng.choice(
        (
            response[: rng.randrange(3, len(response))],
            ". ".join(sentences[:place] + sentences[place + 1 :]) or "Digits",
            ". ".join(sentences[: place + 1] + sentences[place:]),
            f"{other.split('. ')[0]}. {response}",
            f"{response}. {other}"[:90],
            f"Answer: {problem.answer}",
            " ".join(rng.choice(sentences) for _ in range(rng.randrange(1, 5))),
        )
    )
