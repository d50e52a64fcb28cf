"""Adaptive context: the reference is shown where votes part, reports have it, and what was saved is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from pydantic import ValidationError

from contextrl.commands.judges import judge_from_config
from contextrl.errors import InputError
from contextrl.judge.adaptive import AdaptiveJudge
from contextrl.judge.protocol import JudgeRequest, ask
from contextrl.judge.settings import AdaptiveConfig, JudgeConfig
from contextrl.plugins import JUDGES, NamedJudge
from contextrl.records.example import Example
from contextrl.records.verdict import ReferenceContext, Status, Usage, Verdict

EXAMPLE = Example("sum", "What is 4 + 8?", "4 + 8 = 12. Answer: 12", "12", "number")


class Voting:
    """Votes as each response spells them, a letter a vote; with the reference it goes by the last letter."""

    name = "voting"
    context: ReferenceContext = "solution"
    LETTERS: dict[str, Status] = {"r": "correct", "w": "incorrect", "u": "unscored"}  # noqa: RUF012

    def __init__(self) -> None:
        self.asked: list[JudgeRequest] = []

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        self.asked += requests
        return [self._one(request) for request in requests]

    def _one(self, request: JudgeRequest) -> Verdict:
        letter = request.response[-1 if request.context == "solution" else request.vote]
        status = self.LETTERS[letter]
        report = "Mistake: step 1." if request.wants_report and status == "incorrect" else None
        return Verdict(status, mistake_report=report, usage=Usage(calls=1))


def asked_about(
    *responses: str, wants_report: bool = False, change: Callable[[JudgeRequest], JudgeRequest] = lambda one: one
) -> tuple[list[Verdict], list[JudgeRequest]]:
    voting = Voting()
    judge = AdaptiveJudge(voting, AdaptiveConfig(votes=3, first="none"))
    requests = [change(JudgeRequest(EXAMPLE, text, "solution", wants_report)) for text in responses]
    return ask(judge, requests), voting.asked


def test_where_votes_agree_the_reference_stays_hidden() -> None:
    verdicts, asked = asked_about("rrr", "www")
    assert [verdict.status for verdict in verdicts] == ["correct", "incorrect"]
    assert {request.context for request in asked} == {"none"}
    assert [request.vote for request in asked] == [0, 1, 2] * 2
    assert [verdict.usage for verdict in verdicts] == [Usage(calls=3, unaided=1)] * 2


@pytest.mark.parametrize(
    ("response", "status"),
    [
        pytest.param("rrw", "incorrect", id="two-to-one"),
        pytest.param("wrr", "correct", id="one-to-two"),
        pytest.param("uur", "correct", id="most-without-a-verdict"),
        pytest.param("uuu", "unscored", id="no-verdict-is-no-agreement"),
    ],
)
def test_where_votes_part_it_is_shown(response: str, status: Status) -> None:
    (verdict,), asked = asked_about(response)
    assert verdict.status == status
    assert [request.context for request in asked] == ["none"] * 3 + ["solution"]
    assert verdict.usage == Usage(calls=4, unaided=1, escalated=1)


def test_verdicts_stay_with_their_requests() -> None:
    responses = ["rrr", "rww", "www", "wrr", "rrr", "uww"]
    verdicts, _ = asked_about(*responses)
    assert [verdict.status == "correct" for verdict in verdicts] == [True, False, False, True, True, False]
    assert sum((verdict.usage for verdict in verdicts), Usage()).escalated == 3


def test_a_report_is_written_with_the_reference_on_what_was_found_without() -> None:
    (verdict,), asked = asked_about("www", wants_report=True)
    assert verdict.mistake_report == "Mistake: step 1."
    assert [(request.context, request.wants_report) for request in asked] == [("none", False)] * 3 + [
        ("solution", True)
    ]
    assert asked[-1].known_verdict is not None
    assert verdict.usage == Usage(calls=4, unaided=1)
    (right,), asked = asked_about("rrr", wants_report=True)
    assert right.mistake_report is None
    assert len(asked) == 3


def test_what_is_known_or_asked_with_another_context_passes() -> None:
    known = Verdict("incorrect")
    for change in (
        lambda one: replace(one, known_verdict=known, wants_report=True),
        lambda one: replace(one, context="answer"),
    ):
        (verdict,), asked = asked_about("wrw", change=change)
        assert len(asked) == 1
        assert verdict.usage == Usage(calls=1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"kind": "rules"}, "rules always say the same", id="rules"),
        pytest.param({"kind": "llm", "base_url": "http://a/v1", "model": "m"}, "temperature 0", id="greedy"),
        pytest.param({"kind": "steps", "context": "answer"}, "more than answer, found answer", id="no-more-context"),
        pytest.param({"kind": "steps", "context": "none"}, "more than answer, found none", id="less-context"),
        pytest.param({"kind": "steps", "adaptive": {"votes": 1}}, "greater than 1", id="one-vote"),
    ],
)
def test_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        JudgeConfig.model_validate({"adaptive": {}} | settings)


def test_the_setting_puts_it_before_the_judge_and_behind_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    voting = Voting()
    drawn = NamedJudge(lambda *_: voting, lambda _: None, sampled=lambda judge, *_: judge)
    monkeypatch.setitem(JUDGES, "voting", drawn)
    section = {"kind": "voting", "adaptive": {"votes": 2, "first": "none"}, "sampling": {"temperature": 0.7}}
    config = JudgeConfig.model_validate(section)
    judge = judge_from_config(config)
    assert isinstance(judge, AdaptiveJudge)
    (verdict,) = ask(judge, [JudgeRequest(EXAMPLE, "wwr")])
    assert (verdict.status, verdict.usage.unaided, verdict.usage.escalated) == ("incorrect", 1, 0)
    gated = judge_from_config(config, gate=True)
    assert isinstance(gated.judge_, AdaptiveJudge)  # type: ignore[attr-defined]
    plain = JudgeConfig.model_validate({name: value for name, value in section.items() if name != "adaptive"})
    assert judge_from_config(plain) is voting


def test_a_judge_in_this_process_that_always_says_the_same_is_refused() -> None:
    config = JudgeConfig.model_validate({"kind": "steps", "adaptive": {}, "sampling": {"temperature": 0.7}})
    with pytest.raises(InputError, match=r"judge\.adaptive: .*votes can part, found steps"):
        judge_from_config(config)
