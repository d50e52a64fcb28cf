"""The gate: sure that an answer is wrong, or not asked."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from contextrl.judge.gate import GatedJudge
from contextrl.judge.protocol import JudgeRequest
from contextrl.records.example import Example
from contextrl.records.verdict import ReferenceContext, Usage, Verdict

EXAMPLE = Example("a", "How many?", "There are 5. Answer: 5", "5", "number")


class Lenient:
    """Finds everything right and remembers what it saw."""

    name = "lenient"

    def __init__(self, context: ReferenceContext = "solution") -> None:
        self.context: ReferenceContext = context
        self.asked: list[JudgeRequest] = []

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        self.asked += requests
        return [self._verdict(request) for request in requests]

    def _verdict(self, request: JudgeRequest) -> Verdict:
        if request.known_verdict is not None:
            return Verdict(
                "incorrect", False, request.known_verdict.process_correct, None, "a report", usage=Usage(calls=1)
            )
        return Verdict("correct", True, True, usage=Usage(calls=1))


def ask(gate: GatedJudge, *responses: str, wants_report: bool = False) -> list[Verdict]:
    return gate.judge([JudgeRequest(EXAMPLE, text, "solution", wants_report) for text in responses])


def test_only_what_a_rule_is_sure_of_is_stopped() -> None:
    judge = Lenient()
    verdicts = ask(GatedJudge(judge, 0.0), "Answer: 5", "Answer: 6", "I do not know", "Answer: five", "Answer: 12")
    assert [request.response for request in judge.asked] == ["Answer: 5", "I do not know", "Answer: five"]
    assert [verdict.status for verdict in verdicts] == ["correct", "incorrect", "correct", "correct", "incorrect"]
    stopped = verdicts[1]
    assert (stopped.answer_correct, stopped.process_correct, stopped.usage) == (False, None, Usage(gated=1))


def test_a_stopped_response_gets_its_report_without_being_verified() -> None:
    judge = Lenient()
    verdict = ask(GatedJudge(judge, 0.0), "Answer: 6", wants_report=True)[0]
    assert verdict.mistake_report == "a report"
    assert judge.asked[0].known_verdict is not None
    assert judge.asked[0].known_verdict.answer_correct is False


def test_reports_on_what_was_stopped_can_wait() -> None:
    """Where verdict and report come in one call: whether the group needs them is not known yet."""
    judge = Lenient()
    gated = GatedJudge(judge, 0.0, defer_reports=True)
    verdict = ask(gated, "Answer: 6", wants_report=True)[0]
    assert (verdict.status, verdict.mistake_report, judge.asked) == ("incorrect", None, [])
    known = JudgeRequest(EXAMPLE, "Answer: 6", wants_report=True, known_verdict=verdict)
    assert gated.judge([known])[0].mistake_report == "a report"


def test_the_audited_share_is_judged_all_the_same_and_counted() -> None:
    verdicts = ask(GatedJudge(Lenient(), 1.0), "Answer: 6")
    assert verdicts[0].status == "correct"
    assert verdicts[0].usage == Usage(calls=1, gate_audited=1, gate_overruled=1)


def test_the_share_is_a_share_and_the_same_every_time() -> None:
    """0.2 of 500 responses: 100, give or take four standard errors of sqrt(500 * 0.2 * 0.8) = 8.9."""
    responses = [f"Answer: {n}" for n in range(100, 600)]
    audited = []
    for _ in range(2):
        judge = Lenient()
        ask(GatedJudge(judge, 0.2), *responses)
        audited.append([request.response for request in judge.asked])
    assert audited[0] == audited[1]
    assert 64 <= len(audited[0]) <= 136


def test_no_gate_before_a_judge_that_must_not_know_the_answer() -> None:
    with pytest.raises(ValueError, match="context"):
        GatedJudge(Lenient("none"))
