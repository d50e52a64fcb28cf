"""What of a run's attempts is SFT data, and how a share of false positives is drawn."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from contextrl.building.from_run import Positives, Sampled, draw_rows, positives
from contextrl.errors import InputError

RIGHT = {"status": "correct", "answer_correct": True, "process_correct": True}
FALSE = {"status": "incorrect", "answer_correct": True, "process_correct": False}
WRONG = {"status": "incorrect", "answer_correct": False, "process_correct": False}
BY_ANSWER = {"status": "correct", "answer_correct": True, "process_correct": None}


def attempt(text: str, verdict: Any, audit: Any = None, **more: Any) -> dict[str, Any]:
    return {"stage": 1, "text": text, "truncated": False, "kept": None, "verdict": verdict, "audit": audit, **more}


def group(*attempts: Any, example: str = "q1", step: int = 3) -> dict[str, Any]:
    return {"example_id": example, "step": step, "attempts": list(attempts)}


# ---- which attempts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "right", "wrong", "left_out"),
    [
        (attempt("a", RIGHT), 1, 0, None),
        (attempt("a", FALSE), 0, 1, None),
        (attempt("a", BY_ANSWER, RIGHT), 1, 0, None),
        (attempt("a", BY_ANSWER, FALSE), 0, 1, None),
        (attempt("a", RIGHT, FALSE), 0, 1, None),
        (attempt("a", RIGHT, {"status": "unscored", "answer_correct": None, "process_correct": None}), 1, 0, None),
        (attempt("a", WRONG), 0, 0, "a wrong answer"),
        (attempt("a", BY_ANSWER), 0, 0, "nobody looked at the steps"),
        (attempt("a", None), 0, 0, "not judged"),
        (attempt("a", "correct"), 0, 0, "not judged"),
        (attempt("a", RIGHT, truncated=True), 0, 0, "cut at the length limit"),
        (attempt("a", RIGHT, stage=2, kept=True), 1, 0, None),
        (attempt("a", RIGHT, stage=2, kept=False), 0, 0, "a retry that was not kept"),
        (attempt(None, RIGHT), 0, 0, "damaged"),  # type: ignore[arg-type]
        ({}, 0, 0, "damaged"),
    ],
    ids=str,
)
def test_an_attempt_is_right_false_or_left_out(given: Any, right: int, wrong: int, left_out: str | None) -> None:
    found = positives([group(given)])
    assert (len(found.right), len(found.wrong)) == (right, wrong)
    assert found.left_out == Counter({left_out: 1} if left_out else {})


def test_a_text_counts_once_per_question_and_says_where_it_was_first() -> None:
    groups = [
        group(attempt("a", WRONG), attempt(" a ", RIGHT), attempt("a", RIGHT), step=1),
        group(attempt("a", RIGHT), step=2),
        group(attempt("a", RIGHT), example="q2", step=2),
        {"attempts": None},
    ]
    found = positives(groups)
    assert [(one.example_id, one.step, one.attempt, one.text) for one in found.right] == [
        ("q1", 1, 1, "a"),
        ("q2", 2, 0, "a"),
    ]
    assert found.left_out == Counter({"a wrong answer": 1, "said before": 2})


# ---- which of them are drawn -----------------------------------------------------------------------------------------


def responses(per_question: dict[str, int], *, right: bool) -> list[Sampled]:
    return [
        Sampled(question, 1, number, 1, f"{right} {number}", right, "audit")
        for question, count in per_question.items()
        for number in range(count)
    ]


FOUND = Positives(
    right=responses({"a": 50, "b": 3, **{f"r{n}": 1 for n in range(40)}}, right=True),
    wrong=responses({"a": 20, "b": 2, "c": 1}, right=False),
    left_out=Counter({"a wrong answer": 7}),
)


@pytest.mark.parametrize(("share", "false"), [(0.0, 0), (0.1, 4), (0.2, 8), (0.3, 12)])
def test_the_size_stays_and_the_share_is_of_it(share: float, false: int) -> None:
    drawn = draw_rows(FOUND, 40, share, seed=0)
    assert len(drawn) == len(set(drawn)) == 40
    assert sum(not one.process_correct for one in drawn) == false


def test_no_question_takes_over() -> None:
    drawn = draw_rows(FOUND, 48, 0.0, seed=0)
    counts = Counter(one.example_id for one in drawn)
    # 42 questions have one row each, and two of them a second and a third: a and b, in turns.
    assert len(counts) == 42
    assert sorted(counts.values())[-2:] == [3, 5]
    false = Counter(one.example_id for one in draw_rows(FOUND, 5, 1.0, seed=0))
    assert false == Counter({"a": 2, "b": 2, "c": 1})


def test_sets_of_two_shares_differ_in_as_few_rows_as_they_can() -> None:
    clean, some, more = (set(draw_rows(FOUND, 40, share, seed=5)) for share in (0.0, 0.1, 0.3))
    assert len(clean & some) == 36
    assert {one for one in some if not one.process_correct} < {one for one in more if not one.process_correct}


def test_the_draw_is_the_seeds() -> None:
    first, again, other = (draw_rows(FOUND, 30, 0.2, seed) for seed in (1, 1, 2))
    assert first == again
    assert set(first) != set(other)


@pytest.mark.parametrize(
    ("share", "rows"),
    # 93 right, 23 false: 23 / 0.2 = 115 rows would want 92 right ones; at 0.1, 93 / 0.9 = 103.3.
    [(0.0, 93), (0.1, 103), (0.2, 115), (1.0, 23)],
)
def test_by_default_as_many_as_there_are(share: float, rows: int) -> None:
    assert len(draw_rows(FOUND, None, share, seed=0)) == rows


def test_too_few_are_refused_with_how_many_there_are() -> None:
    with pytest.raises(InputError, match=r"at least 30 false positives.*23 with texts.*7 a wrong answer"):
        draw_rows(FOUND, 100, 0.3, seed=0)
    with pytest.raises(InputError, match=r"at least 100 right answers by right steps.*93"):
        draw_rows(FOUND, 100, 0.0, seed=0)
    with pytest.raises(InputError, match="at least one row"):
        draw_rows(Positives(), None, 0.0, seed=0)
