"""From readings to one verdict."""

from __future__ import annotations

import pytest

from contextrl.judge.llm.parsing import Reading
from contextrl.judge.llm.verdicts import Vote, decide, is_decided
from contextrl.records.verdict import Usage

#: + right, - wrong answer, x right answer with a wrong process, ? unreadable.
READINGS = {
    "+": Reading(True, True),
    "-": Reading(False, False),
    "x": Reading(True, False),
    "?": Reading(failure="refusal", detail="no"),
}


def votes(outcomes: str) -> list[Vote]:
    return [Vote(READINGS[outcome], Usage(calls=1, tokens=10)) for outcome in outcomes]


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ("+", "correct"),
        ("-", "incorrect"),
        ("x", "incorrect"),
        ("?", "refusal"),
        ("++-", "correct"),
        ("+-x", "incorrect"),
        ("+-", "tie"),
        ("+?-", "tie"),
        ("+??", "correct"),
        ("???", "refusal"),
        ("++xx", "tie"),
    ],
)
def test_majority(outcomes: str, status: str) -> None:
    verdict = decide(votes(outcomes), None, cut=False)
    assert (verdict.error_kind or verdict.status) == status
    assert verdict.usage == Usage(calls=len(outcomes), tokens=10 * len(outcomes))


def test_flags_come_from_the_winning_side() -> None:
    verdict = decide(votes("+xx"), None, cut=False)
    assert (verdict.answer_correct, verdict.process_correct, verdict.false_positive) == (True, False, True)


@pytest.mark.parametrize(
    ("outcome", "rule", "status", "answer"),
    [
        ("-", True, "incorrect", True),  # the process is wrong all the same
        ("+", False, "incorrect", False),
        ("x", True, "incorrect", True),
        ("+", None, "correct", True),
    ],
)
def test_the_rule_knows_the_answer_better(outcome: str, rule: bool | None, status: str, answer: bool) -> None:
    verdict = decide(votes(outcome), rule, cut=False)
    assert (verdict.status, verdict.answer_correct) == (status, answer)


def test_a_response_that_was_cut_can_be_wrong_but_not_right() -> None:
    assert decide(votes("+"), None, cut=True).error_kind == "too_long"
    assert decide(votes("-"), None, cut=True).status == "incorrect"


@pytest.mark.parametrize(
    ("outcomes", "total", "decided"),
    [("++", 3, True), ("+-", 3, False), ("+?", 3, False), ("-x", 3, True), ("++-", 5, False), ("+++", 5, True)],
)
def test_votes_that_cannot_change_anything_are_not_asked_for(outcomes: str, total: int, decided: bool) -> None:
    assert is_decided(votes(outcomes), None, total) is decided
