"""The answer-only judge."""

from __future__ import annotations

import pytest

from contextrl.judge.protocol import Judge, JudgeRequest
from contextrl.judge.rules import RulesJudge, confident_rule
from contextrl.records.example import Example
from contextrl.records.verdict import Verdict

EXAMPLE = Example(id="1", question="4 + 8?", solution="4 + 8 = 12. Answer: 12", answer="12", answer_type="number")


def judge_one(response: str, *, wants_report: bool = False) -> Verdict:
    judge: Judge = RulesJudge()
    (verdict,) = judge.judge([JudgeRequest(EXAMPLE, response, "answer", wants_report)])
    return verdict


@pytest.mark.parametrize(
    ("response", "correct", "confident"),
    [
        pytest.param("4 + 8 = 12. Answer: 12", True, True, id="right"),
        pytest.param("Digits: 5, 7. Answer: 12", True, True, id="right-answer-wrong-steps"),
        pytest.param("Answer: 13", False, False, id="wrong"),
        pytest.param("Answer: 12 or 13", False, None, id="doubtful"),
        pytest.param("I cannot see the picture", False, None, id="no-answer"),
        pytest.param("", False, None, id="empty"),
        pytest.param("Answer: 12. No: Answer: 13", False, False, id="last-statement-counts"),
    ],
)
def test_verdict(response: str, correct: bool, confident: bool | None) -> None:
    verdict = judge_one(response)
    assert verdict == Verdict("correct" if correct else "incorrect", answer_correct=correct)
    assert verdict.process_correct is None
    assert confident_rule(EXAMPLE, response) is confident


@pytest.mark.parametrize(
    ("response", "wants_report", "report"),
    [
        pytest.param("Answer: 13", True, "The final answer is wrong.", id="wrong"),
        pytest.param("no idea", True, "The final answer is wrong.", id="no-answer"),
        pytest.param("Answer: 13", False, None, id="not-asked"),
        pytest.param("Answer: 12", True, None, id="right"),
    ],
)
def test_report_says_only_that_the_answer_is_wrong(response: str, wants_report: bool, report: str | None) -> None:
    assert judge_one(response, wants_report=wants_report).mistake_report == report


def test_verdicts_keep_the_order_of_requests() -> None:
    requests = [JudgeRequest(EXAMPLE, f"Answer: {value}") for value in (11, 12, 13)]
    judge = RulesJudge()
    assert [verdict.status for verdict in judge.judge(requests)] == ["incorrect", "correct", "incorrect"]
    assert judge.judge([]) == []
    assert (judge.name, judge.context) == ("rules", "answer")
