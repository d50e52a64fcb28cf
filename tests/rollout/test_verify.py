"""Judging attempts through the verifier."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_fakes import (
    CORRECT,
    FALSE_POSITIVE,
    INCORRECT,
    UNSCORED,
    FakeJudge,
    completion,
    example,
)

from contextrl.judge.protocol import JudgeRequest
from contextrl.records.example import Example
from contextrl.records.verdict import Usage, Verdict
from contextrl.rollout.groups import Attempt
from contextrl.rollout.verify import Verifier

BY_TEXT = {"right": CORRECT, "wrong": INCORRECT, "lucky": FALSE_POSITIVE, "lost": UNSCORED}


def judge_by_text(request: JudgeRequest) -> Verdict:
    """A verdict for the text's first word; a report if it was asked for."""
    verdict = BY_TEXT[request.response.split()[0]]
    if request.wants_report and verdict.status == "incorrect":
        return replace(verdict, mistake_report=f"report on {request.response}")
    return verdict


def attempts(*texts: str, of: Example | None = None, truncated: bool = False) -> list[tuple[Example, Attempt]]:
    return [(of or example(), Attempt(completion(text, truncated=truncated))) for text in texts]


def statuses(judged: list[tuple[Example, Attempt]]) -> list[str]:
    return [one.verdict.status for _, one in judged if one.verdict is not None]


def test_verdicts_go_to_their_attempts_in_order() -> None:
    rows = attempts("right", "wrong", "lost", "right")
    Verifier(FakeJudge(judge_by_text)).verify(rows)
    assert statuses(rows) == ["correct", "incorrect", "unscored", "correct"]


def test_identical_responses_of_a_group_are_judged_once_and_of_two_examples_twice() -> None:
    judge = FakeJudge(judge_by_text)
    rows = [*attempts("right", "wrong", "right", of=example("a")), *attempts("right", of=example("b"))]
    verifier = Verifier(judge)
    verifier.verify(rows)
    assert judge.asked == [("a", "right"), ("a", "wrong"), ("b", "right")]
    assert statuses(rows) == ["correct", "incorrect", "correct", "correct"]
    # Three calls for four verdicts.
    assert verifier.tally.usage == Usage(calls=3, tokens=30)
    assert verifier.tally.verdicts == 4


def test_one_batch_per_call_and_none_for_nothing() -> None:
    judge = FakeJudge(judge_by_text)
    Verifier(judge).verify(attempts("right", "wrong"))
    assert len(judge.batches) == 1
    Verifier(judge).verify([])
    assert len(judge.batches) == 1


def test_request_carries_what_the_judge_may_see() -> None:
    judge = FakeJudge(judge_by_text)
    judge.context = "answer"
    Verifier(judge).verify(attempts("right"), wants_standalone=True)
    assert judge.batches == [[JudgeRequest(example(), "right", "answer", False, True)]]


@pytest.mark.parametrize("text", ["right", "lucky", "wrong"])
def test_truncated_is_never_positive(text: str) -> None:
    rows = attempts(text, truncated=True)
    Verifier(FakeJudge(judge_by_text)).verify(rows)
    verdict = rows[0][1].verdict
    assert verdict is not None
    assert (verdict.status, verdict.answer_correct, verdict.process_correct) == ("incorrect", False, False)


def test_the_same_text_is_positive_where_it_was_not_truncated() -> None:
    rows = [*attempts("right", truncated=True), *attempts("right")]
    Verifier(FakeJudge(judge_by_text)).verify(rows)
    assert statuses(rows) == ["incorrect", "correct"]


@pytest.mark.parametrize("truncated", [False, True], ids=["whole", "truncated"])
def test_unscored_stays_unscored_and_is_counted(truncated: bool) -> None:
    verifier = Verifier(FakeJudge(judge_by_text))
    rows = [*attempts("lost", "lost", truncated=truncated), *attempts("wrong")]
    verifier.verify(rows)
    assert statuses(rows) == ["unscored", "unscored", "incorrect"]
    assert rows[0][1].reward is None
    assert (verifier.tally.unscored, verifier.tally.verdicts) == (2, 3)


def test_audit_is_recorded_and_never_rewarded() -> None:
    judge, audit = FakeJudge(lambda _: CORRECT), FakeJudge(lambda _: FALSE_POSITIVE)
    rows = attempts("right", "right")
    verifier = Verifier(judge, audit)
    verifier.verify(rows)
    one = rows[0][1]
    assert one.audit is not None
    assert one.audit.false_positive
    assert one.reward == 1.0
    assert len(audit.asked) == 1
    assert audit.batches[0][0].context == audit.context
    assert verifier.tally.verdicts == 2


def test_an_unscored_audit_is_not_an_unscored_reward() -> None:
    verifier = Verifier(FakeJudge(lambda _: CORRECT), FakeJudge(lambda _: UNSCORED))
    verifier.verify(attempts("right"))
    assert verifier.tally.unscored == 0


def test_audit_of_truncated_text_is_not_positive() -> None:
    rows = attempts("right", truncated=True)
    Verifier(FakeJudge(judge_by_text), FakeJudge(judge_by_text)).verify(rows)
    assert rows[0][1].audit is not None
    assert rows[0][1].audit.status == "incorrect"


def test_without_audit_there_is_none() -> None:
    rows = attempts("right")
    Verifier(FakeJudge(judge_by_text)).verify(rows)
    assert rows[0][1].audit is None


def test_reports_come_only_on_request() -> None:
    judge = FakeJudge(judge_by_text)
    verifier = Verifier(judge)
    rows = attempts("wrong one", "lucky two")
    verifier.verify(rows)
    assert [request.wants_report for request in judge.batches[0]] == [False, False]
    assert [one.verdict.mistake_report for _, one in rows if one.verdict] == [None, None]
    verifier.add_reports(rows)
    assert [request.wants_report for request in judge.batches[1]] == [True, True]
    reports = [one.verdict.mistake_report for _, one in rows if one.verdict]
    assert reports == ["report on wrong one", "report on lucky two"]
    # The verdict itself is still the first one's.
    assert rows[1][1].verdict is not None
    assert rows[1][1].verdict.false_positive
    assert verifier.tally.reports == 2
    # Two verdicts and two reports; a report is no further verdict.
    assert (verifier.tally.usage.calls, verifier.tally.verdicts) == (4, 2)


def test_a_report_that_does_not_come_is_not_counted() -> None:
    judge = FakeJudge(lambda request: UNSCORED if request.wants_report else INCORRECT)
    verifier = Verifier(judge)
    rows = attempts("wrong")
    verifier.verify(rows)
    verifier.add_reports(rows)
    assert statuses(rows) == ["incorrect"]
    assert verifier.tally.reports == 0


def test_a_judge_that_loses_a_verdict_is_remembered_and_asked_no_more() -> None:
    """Not raised: generation is collective, so processes stop together."""
    judge = FakeJudge(judge_by_text)
    judge.judge = lambda requests: []  # type: ignore[method-assign]
    verifier = Verifier(judge)
    rows = attempts("right")
    verifier.verify(rows)
    assert statuses(rows) == ["unscored"]
    assert "found 0 for 1 requests" in str(verifier.failure)


# ---- reports with the verdict, and what is not self-consistent --------------------------------------------------


def test_a_report_that_came_with_the_verdict_is_not_asked_for_again() -> None:
    judge = FakeJudge(judge_by_text)
    verifier = Verifier(judge, reports="with_verdict")
    rows = attempts("wrong a", "wrong b")
    verifier.verify(rows, wants_report=True)
    verifier.add_reports(rows)
    assert [one.verdict and one.verdict.mistake_report for _, one in rows] == ["report on wrong a", "report on wrong b"]
    assert len(judge.asked) == 2
    assert verifier.tally.reports == 2


def test_what_is_not_self_consistent_gets_no_report() -> None:
    judge = FakeJudge(judge_by_text)
    verifier = Verifier(judge)
    rows = attempts("wrong", "wrong too")
    verifier.verify(rows)
    assert rows[0][1].verdict is not None
    rows[0][1].verdict = replace(rows[0][1].verdict, self_consistent=False)
    verifier.add_reports(rows)
    assert [one.verdict and one.verdict.mistake_report for _, one in rows] == [None, "report on wrong too"]
    assert verifier.tally.reports == 1


# ---- replies that cannot be read --------------------------------------------------------------------------------

MUTE = Verdict("unscored", error="contradictory: two verdicts")
DOWN = Verdict("unscored", error="timeout: nothing came")


def unreadable(kind: Verdict, until: int) -> FakeJudge:
    """A judge that finds everything right but `flood`, about which its first `until` replies cannot be read."""

    def judge(request: JudgeRequest) -> Verdict:
        return kind if request.response.startswith("flood") and request.attempt < until else CORRECT

    return FakeJudge(judge)


def test_a_response_that_nobody_can_give_a_verdict_on_is_incorrect_in_the_end() -> None:
    """Being unscored would spare it the penalty."""
    judge = unreadable(MUTE, until=9)
    verifier = Verifier(judge, unreadable_attempts=3)
    rows = attempts("right", "flood", "flood", "right")
    verifier.verify(rows)
    assert statuses(rows) == ["correct", "incorrect", "incorrect", "correct"]
    assert [request.attempt for batch in judge.batches for request in batch] == [0, 0, 1, 2]
    assert (verifier.tally.unreadable, verifier.tally.unscored) == (2, 0)
    assert rows[1][1].verdict is not None
    assert rows[1][1].verdict.error_kind == "contradictory"
    # Nobody can say what is wrong with it either.
    verifier.add_reports(rows[1:3])
    assert rows[1][1].verdict.mistake_report is None


def test_a_reply_that_can_be_read_the_second_time_counts() -> None:
    verifier = Verifier(unreadable(MUTE, until=1), unreadable_attempts=2)
    rows = attempts("right", "flood")
    verifier.verify(rows)
    assert statuses(rows) == ["correct", "correct"]
    assert verifier.tally.unreadable == 0


@pytest.mark.parametrize(
    ("kind", "texts", "attempts_allowed"),
    [
        pytest.param(DOWN, ("right", "flood"), 2, id="the-services-failure"),
        pytest.param(MUTE, ("right", "flood a", "flood b"), 2, id="most-replies-are-unreadable"),
        pytest.param(MUTE, ("right", "flood"), None, id="switched-off"),
    ],
)
def test_a_failure_that_is_not_the_responses_own_stays_unscored(
    kind: Verdict, texts: tuple[str, ...], attempts_allowed: int | None
) -> None:
    judge = unreadable(kind, until=9)
    verifier = Verifier(judge, unreadable_attempts=attempts_allowed)
    rows = attempts(*texts)
    verifier.verify(rows)
    assert statuses(rows) == ["correct", *["unscored"] * (len(texts) - 1)]
    assert len(judge.batches) == 1
    assert verifier.tally.unreadable == 0
