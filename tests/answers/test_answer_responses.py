"""Whole responses: the tables of every kind, and how many of them are left to a judge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from answer_responses import NOT_FALSE, NOT_TRUE, RESPONSES
from answer_responses_math import RESPONSES_MATH
from answer_responses_numbers import RESPONSES_NUMBERS
from answer_responses_text import RESPONSES_TEXT

from contextrl.answers import check_answer, workers
from contextrl.records.example import AnswerType

CASES = [*RESPONSES, *RESPONSES_NUMBERS, *RESPONSES_MATH, *RESPONSES_TEXT]


@pytest.fixture(autouse=True, scope="module")
def _patience() -> Iterator[None]:
    """A busy machine is slow, not wrong: no pair here is meant to run into the time limit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "COMPARISON_SECONDS", 60.0)
        yield


@pytest.mark.parametrize(
    ("response", "reference", "answer_type", "expected"),
    CASES,
    ids=[f"{kind}:{a[-40:]!r} for {b[:24]!r}" for a, b, kind, _ in CASES],
)
def test_check_answer(response: str, reference: str, answer_type: AnswerType, expected: bool | str | None) -> None:
    outcome = check_answer(response, reference, answer_type)
    if expected == NOT_TRUE:
        assert outcome is not True
    elif expected == NOT_FALSE:
        assert outcome is not False
    else:
        assert outcome is expected


def test_the_tables_are_large_and_have_every_outcome() -> None:
    expected = [case[3] for case in CASES]
    assert len(set(CASES)) == len(CASES) > 500
    assert all(expected.count(outcome) > 30 for outcome in (True, False, None, NOT_TRUE, NOT_FALSE))
