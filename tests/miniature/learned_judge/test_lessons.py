"""What the learned judge is taught is right, readable by the judge's parser, and drawn from train images only."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from contextrl.judge.llm.parsing import parse_reply, parse_report
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.digits import SPLITS
from contextrl.miniature.facts import told_digits
from contextrl.miniature.learned_judge.lessons import (
    CONTEXTS,
    FACTS,
    Lesson,
    compare,
    draw_lesson,
    draw_response,
    write_reply,
)
from contextrl.miniature.steps_judge import StepsJudge
from contextrl.miniature.tasks import Problem, to_example
from contextrl.rollout.standalone import standalone_problem


@pytest.fixture(scope="module")
def lessons() -> list[Lesson]:
    rng = random.Random(0)
    return [draw_lesson(rng) for _ in range(600)]


SUM = Problem("sum", (0, 1), (4, 8))
PARITY = Problem("parity", (0, 1), (4, 8))
LARGEST = Problem("largest", (0, 1), (4, 8))


@pytest.mark.parametrize(
    ("problem", "response", "expected"),
    [
        pytest.param(
            SUM,
            "Digits: 4, 8. Sum: 4 + 8 = 12. Answer: 12",
            "Truth/said: 4/4 right, 8/8 right; 12/12 right; 12/12 right.",
            id="right",
        ),
        pytest.param(
            PARITY,
            "Digits: 4, 6. Sum: 4 + 6 = 10, even. Answer: yes",
            "Truth/said: 4/4 right, 8/6 wrong; 12 even/10 even wrong; yes/yes right.",
            id="false-positive",
        ),
        pytest.param(
            LARGEST,
            "The greatest one is 8. It shows 4 and 8. Answer: 8",
            "Truth/said: 4/4 right, 8/8 right; 8/8 right; 8/8 right.",
            id="foreign-voice",
        ),
        pytest.param(
            SUM,
            "Digits: 4. Answer: 12",
            "Truth/said: 4/4 right, 8/none wrong; 12/none wrong; 12/12 right.",
            id="digit-and-step-missing",
        ),
        pytest.param(
            SUM,
            "12",
            "Truth/said: 4/none wrong, 8/none wrong; 12/none wrong; 12/none wrong.",
            id="nothing-that-can-be-read",
        ),
    ],
)
def test_a_comparison_says_what_is_true_and_what_is_said(problem: Problem, response: str, expected: str) -> None:
    text, agrees = compare(problem, response)
    if response == "12":
        # Whether a bare number counts as an answer is the answer rules' business.
        expected, text = expected.rpartition(";")[0], text.rpartition(";")[0]
    assert text == expected
    assert agrees is ("wrong" not in text)


def test_verdicts_and_reports_are_the_step_judges(lessons: list[Lesson]) -> None:
    for lesson in lessons:
        request = JudgeRequest(lesson.request.example, lesson.request.response, "solution", wants_report=True)
        truth = StepsJudge("solution", lesson.disclose).judge([request])[0]
        if lesson.task == "report":
            assert parse_report(lesson.reply).report == truth.mistake_report
            continue
        reading = parse_reply(lesson.reply, response=lesson.request.response)
        assert reading.failure is None
        alone = standalone_problem(lesson.request.response, question=lesson.request.example.question) is None
        assert (reading.self_consistent, reading.process_correct) == (alone, alone and truth.status == "correct")
        wants = lesson.task == "verify_and_report" and alone and truth.status == "incorrect"
        assert reading.report == (truth.mistake_report if wants else None)
        # `Answer:` in the comparison would be read as a verdict on the answer.
        assert reading.answer_correct is None


def test_lessons_show_train_images_every_context_and_both_verdicts(lessons: list[Lesson]) -> None:
    assert {image for lesson in lessons for image in lesson.problem.images} <= set(SPLITS["train"])
    assert {lesson.request.context for lesson in lessons} == {"none", "answer", "solution"}
    verdicts = Counter(lesson.reply.rpartition("Verdict: ")[2] for lesson in lessons if lesson.task == "verify")
    assert 0.25 < verdicts["correct"] / (verdicts["correct"] + verdicts["incorrect"]) < 0.6
    assert any(lesson.reply.count("none") > 1 for lesson in lessons)
    alone = Counter("Self-consistent: yes" in lesson.reply for lesson in lessons if lesson.task != "report")
    assert min(alone[True], alone[False]) >= 10


def test_a_quoting_retry_is_not_standalone() -> None:
    rng = random.Random(1)
    response = draw_response(SUM, rng, quoting=True)
    example = to_example(SUM, id="", voice="own", rng=rng)
    assert response.startswith("The report says")
    replies = [write_reply(SUM, example, draw_response(SUM, rng, quoting=True), "verify", "correction")]
    assert all("Self-consistent: no" in reply for reply in replies if reply is not None)


def test_the_same_seed_gives_the_same_lessons(lessons: list[Lesson]) -> None:
    rng = random.Random(0)
    assert [draw_lesson(rng).reply for _ in range(20)] == [lesson.reply for lesson in lessons[:20]]


def test_lessons_of_facts_state_what_is_shown_half_of_them_all_of_it() -> None:
    rng = random.Random(1)
    drawn = [draw_lesson(rng, contexts=(*CONTEXTS, FACTS)) for _ in range(400)]
    with_facts = [lesson for lesson in drawn if lesson.request.context == "documents"]
    assert 60 < len(with_facts) < 140
    told = [told_digits(lesson.request.example.documents) for lesson in with_facts]
    for lesson, digits in zip(with_facts, told, strict=True):
        assert digits is not None
        assert all(one in (None, shown) for one, shown in zip(digits, lesson.problem.digits, strict=True))
        assert any(one is not None for one in digits)
    whole = sum(None not in (digits or ()) for digits in told)
    assert 0.35 < whole / len(told) < 0.65
    assert not any(lesson.request.example.documents for lesson in drawn if lesson not in with_facts)
