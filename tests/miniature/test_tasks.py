"""Questions and reference solutions: right by hand, in both voices, and accepted by their own verifiers."""

from __future__ import annotations

import random
from typing import get_args

import pytest

from contextrl.answers import check_answer
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.classes import familiarity
from contextrl.miniature.steps_judge import StepsJudge, parse_steps, question_kind
from contextrl.miniature.tasks import (
    KINDS,
    Kind,
    Problem,
    Voice,
    derived_value,
    draw_problem,
    final_answer,
    foreign_solution,
    miniature_examples,
    own_solution,
    to_example,
)

ALL_KINDS: tuple[Kind, ...] = get_args(Kind)
VOICES: tuple[Voice, ...] = get_args(Voice)


@pytest.mark.parametrize(
    ("kind", "digits", "asked", "answer"),
    [
        pytest.param("read", (4, 8, 0), 0, "4, 8, 0", id="read"),
        pytest.param("largest", (4, 8, 0), 0, "8", id="largest"),
        pytest.param("count", (4, 8, 4), 4, "2", id="count"),
        pytest.param("count", (4, 8, 4), 5, "0", id="count-none"),
        pytest.param("sum", (4, 8, 9), 0, "21", id="sum"),
        pytest.param("parity", (4, 8), 0, "yes", id="even"),
        pytest.param("parity", (4, 7), 0, "no", id="odd"),
        pytest.param("parity", (0, 0), 0, "yes", id="zero-is-even"),
        pytest.param("difference", (8, 4), 0, "4", id="difference"),
        pytest.param("difference", (4, 8), 0, "-4", id="negative-difference"),
    ],
)
def test_answers_by_hand(kind: Kind, digits: tuple[int, ...], asked: int, answer: str) -> None:
    assert final_answer(kind, digits, asked) == answer


@pytest.mark.parametrize(
    ("kind", "digits", "asked", "solution"),
    [
        pytest.param("read", (4, 8), 0, "Digits: 4, 8. Answer: 4, 8", id="read"),
        pytest.param("largest", (4, 8), 0, "Digits: 4, 8. Largest: 8. Answer: 8", id="largest"),
        pytest.param("count", (4, 8), 8, "Digits: 4, 8. Number of 8: 1. Answer: 1", id="count"),
        pytest.param("sum", (4, 8), 0, "Digits: 4, 8. Sum: 4 + 8 = 12. Answer: 12", id="sum"),
        pytest.param("parity", (4, 7), 0, "Digits: 4, 7. Sum: 4 + 7 = 11, odd. Answer: no", id="parity"),
        pytest.param("difference", (4, 8), 0, "Digits: 4, 8. Difference: 4 - 8 = -4. Answer: -4", id="difference"),
    ],
)
def test_own_voice_by_hand(kind: Kind, digits: tuple[int, ...], asked: int, solution: str) -> None:
    assert own_solution(kind, digits, asked) == solution


def problems(kind: Kind, count: int = 60) -> list[Problem]:
    rng = random.Random(f"problems-{kind}")
    return [draw_problem(rng, "train", kind=kind) for _ in range(count)]


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("voice", VOICES)
def test_a_solution_states_its_content_and_ends_with_the_answer(kind: Kind, voice: Voice) -> None:
    rng = random.Random(0)
    for problem in problems(kind):
        example = to_example(problem, id="1", voice=voice, rng=rng)
        assert example.solution.endswith(f"Answer: {problem.answer}")
        assert check_answer(example.solution, example.answer, example.answer_type) is True
        steps = parse_steps(example.solution, example.answer_type)
        assert steps.readings == (problem.digits,)
        stated = {result for _, _, result in steps.equations} | set(steps.values)
        assert stated == (set() if kind == "read" else {derived_value(kind, problem.digits, problem.asked)})
        if kind in ("sum", "parity", "difference"):
            assert {operands for operands, _, _ in steps.equations} == {problem.digits}


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("response_voice", VOICES)
@pytest.mark.parametrize("reference_voice", VOICES)
def test_the_judge_accepts_each_voice_against_each_reference(
    kind: Kind, response_voice: Voice, reference_voice: Voice
) -> None:
    rng = random.Random(1)
    judge = StepsJudge("solution")
    for problem in problems(kind):
        response = to_example(problem, id="1", voice=response_voice, rng=rng).solution
        example = to_example(problem, id="1", voice=reference_voice, rng=rng)
        (verdict,) = judge.judge([JudgeRequest(example, response)])
        assert (verdict.status, verdict.answer_correct, verdict.process_correct) == ("correct", True, True), response


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_foreign_voice_uses_both_orders_and_several_templates(kind: Kind) -> None:
    rng = random.Random(2)
    texts = {foreign_solution(kind, (4, 8), 4, rng) for _ in range(100)}
    assert len(texts) == 6  # three ways to read, the result before or after
    assert own_solution(kind, (4, 8), 4) not in texts
    assert not any("{" in text for text in texts)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_judge_knows_each_question(kind: Kind) -> None:
    for problem in problems(kind, 20):
        assert question_kind(problem.question) == (kind, problem.asked)


def test_examples_are_deterministic() -> None:
    one, other = (miniature_examples("train", 30, seed=5, voice="foreign") for _ in range(2))
    assert [(e.id, e.question, e.solution, e.answer, e.image_ids) for e in one] == [
        (e.id, e.question, e.solution, e.answer, e.image_ids) for e in other
    ]
    assert [e.image_ids for e in one] != [e.image_ids for e in miniature_examples("train", 30, seed=6)]
    assert [e.image_ids for e in one] == [e.image_ids for e in miniature_examples("train", 30, seed=5)]
    assert len({e.id for e in one}) == 30


def test_a_picture_has_as_many_digits_as_its_kind_allows() -> None:
    for example in miniature_examples("train", 300):
        kind, _ = question_kind(example.question)
        assert len(example.image_ids) in KINDS[kind].digits
        needed = familiarity(parse_steps(example.solution, example.answer_type).readings[-1])
        assert (example.source, example.task) == (f"miniature/{kind}/{needed}", KINDS[kind].task)


def test_the_hardest_digit_decides_what_a_question_needs() -> None:
    assert [familiarity(digits) for digits in ((1, 2), (1, 8), (8, 7), (9, 0))] == [
        "known",
        "shaky",
        "misconceived",
        "misconceived",
    ]


def test_half_of_the_counting_questions_ask_about_a_digit_that_is_there() -> None:
    rng = random.Random(3)
    drawn = [draw_problem(rng, "train", kind="count") for _ in range(2000)]
    share = sum(problem.asked in problem.digits for problem in drawn) / len(drawn)
    # Half by design, and of the other half those that hit by chance (2 or 3 digits of 10 classes, about a fifth):
    # 0.5 + 0.5 * 0.21 = 0.605, standard error 0.011.
    assert share == pytest.approx(0.61, abs=0.04)
