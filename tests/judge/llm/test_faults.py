"""One test per fault, through the whole client, against a server in its own process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fault_server import FaultServer, running_fault_server

from contextrl.errors import InputError, ServiceError
from contextrl.judge.llm.building import llm_judge
from contextrl.judge.llm.judge import LLMJudge
from contextrl.judge.protocol import JudgeRequest
from contextrl.judge.settings import JudgeConfig
from contextrl.records.example import Example
from contextrl.records.verdict import Usage, Verdict

EXAMPLE = Example("a", "What is the total?", "2 + 3 = 5. Answer: 5", "5", "number")


@pytest.fixture(scope="module")
def shared() -> Iterator[FaultServer]:
    with running_fault_server() as server:
        yield server


@pytest.fixture
def server(shared: FaultServer) -> FaultServer:
    shared.reset()
    shared.control(fault=None, latency=0.0)
    return shared


def judge_at(*urls: str, **changes: Any) -> LLMJudge:
    """A judge that loses patience quickly."""
    settings: dict[str, Any] = {
        "kind": "llm",
        "base_url": list(urls),
        "model": "m",
        "cache": False,
        "max_retries": 3,
        "timeouts": {"connect": 1.0, "read": 0.5, "total": 8.0},
        "patience": 1.0,
    }
    return llm_judge(JudgeConfig.model_validate(settings | changes), "none")


def ask(judge: LLMJudge, *responses: str, **wants: bool) -> list[Verdict]:
    try:
        return judge.judge([JudgeRequest(EXAMPLE, f"It is 5. {text}", "none", **wants) for text in responses])
    finally:
        judge.close()


RECOVERABLE = {
    # fault: (calls until the verdict, of these retries)
    "status_429x2": (3, 2),
    "status_429_retry_afterx1": (2, 1),
    "status_500x1": (2, 1),
    "status_503x1": (2, 1),
    "status_408x1": (2, 1),
    "cut_beforex1": (2, 1),
    "cut_middlex1": (2, 1),
    "html_200x1": (2, 1),
    "no_choicesx1": (2, 1),
    "empty_choicesx1": (2, 1),
    "huge_lengthx1": (2, 1),
    "read_hangx1": (2, 1),
    "truncated": (2, 0),
    "schema_refused": (3, 0),
    "schema_ignored": (1, 0),
    "think_tags": (1, 0),
    "reasoning_content": (1, 0),
    "no_usage": (1, 0),
    "huge_usage": (1, 0),
}


@pytest.mark.parametrize("truth", ["correct", "incorrect", "false_positive"])
@pytest.mark.parametrize(("fault", "cost"), RECOVERABLE.items(), ids=RECOVERABLE.keys())
def test_faults_that_pass(server: FaultServer, fault: str, cost: tuple[int, int], truth: str) -> None:
    """The verdict is the one that the judge gave in the end, at the price of so many calls."""
    verdict = ask(judge_at(server.url), f"FAULT={fault} TRUTH={truth}")[0]
    assert verdict.status == ("correct" if truth == "correct" else "incorrect"), verdict.error
    assert verdict.false_positive is (truth == "false_positive")
    assert (verdict.usage.calls, verdict.usage.retries) == cost
    assert server.log()["requests"] == cost[0]


LASTING = {
    "status_429": ("rate_limited", 4),
    "status_500": ("server_error", 4),
    "cut_before": ("connection", 4),
    "cut_middle": ("connection", 4),
    "html_200": ("malformed", 4),
    "read_hang": ("timeout", 4),
    "slow_bytes": ("timeout", 1),  # every byte is in time, the whole is not
    "status_400": ("rejected", 1),
    "status_413": ("rejected", 1),
    "missing": ("missing", 1),
    "off_menu": ("off_menu", 1),
    "contradictory": ("contradictory", 1),
    "truncated_always": ("truncated", 2),
    "empty": ("empty", 1),
    "null": ("null", 1),
    "reasoning_only": ("null", 1),
    "refusal_field": ("refusal", 1),
    "refusal_prose": ("refusal", 1),
    "content_filter": ("refusal", 1),
    "wrong_language": ("wrong_language", 1),
}


@pytest.mark.parametrize(("fault", "outcome"), LASTING.items(), ids=LASTING.keys())
def test_faults_that_stay_are_unscored_by_name(server: FaultServer, fault: str, outcome: tuple[str, int]) -> None:
    kind, calls = outcome
    total = 1.5 if fault == "slow_bytes" else 30.0
    judge = judge_at(server.url, timeouts={"connect": 1.0, "read": 0.5, "total": total})
    verdict = ask(judge, f"FAULT={fault}", wants_report=True)[0]
    assert (verdict.status, verdict.error_kind) == ("unscored", kind), verdict.error
    assert (verdict.answer_correct, verdict.process_correct, verdict.mistake_report) == (None, None, None)
    assert verdict.usage.calls == calls


def test_a_failed_report_leaves_the_verdict_and_no_report(server: FaultServer) -> None:
    """Never a fallback that makes a report up, or gives the answer away."""
    found = Verdict("incorrect", answer_correct=False, process_correct=False)
    request = JudgeRequest(EXAMPLE, "It is 6. FAULT=refusal_prose", "none", wants_report=True, known_verdict=found)
    judge = judge_at(server.url)
    try:
        verdict = judge.judge([request])[0]
    finally:
        judge.close()
    assert (verdict.status, verdict.mistake_report) == ("incorrect", None)
    assert verdict.usage.parse_failures == 1


def test_retry_after_is_kept(server: FaultServer) -> None:
    """0.3 s, by the server; our own first pause would be 0.25 to 0.5 s, so look at the pool, not the clock."""
    judge = judge_at(server.url)
    pauses = []
    release = judge.members[0].client.pool.release
    judge.members[0].client.pool.release = lambda slot, health, retry_after=None: (  # type: ignore[method-assign]
        pauses.append(retry_after),
        release(slot, health, retry_after=retry_after),
    )[1]
    ask(judge, "FAULT=status_429_retry_afterx1")
    assert pauses == [0.3, None]


def test_one_dead_server_among_three_costs_nothing_but_retries(server: FaultServer) -> None:
    with running_fault_server() as other, running_fault_server() as dead:
        dead.kill()
        judge = judge_at(server.url, dead.url, other.url, max_concurrency=4)
        verdicts = ask(judge, *(f"number {n}" for n in range(60)))
        assert [verdict.status for verdict in verdicts] == ["correct"] * 60
        shares = [one.log()["requests"] for one in (server, other)]
        assert sum(shares) == 60
        assert min(shares) >= 15


def test_a_server_that_dies_in_the_middle_is_replaced_by_the_other(server: FaultServer) -> None:
    with running_fault_server() as mortal:
        judge = judge_at(server.url, mortal.url, max_concurrency=2)
        stream = judge.stream([JudgeRequest(EXAMPLE, f"It is 5, number {n}", "none") for n in range(60)])
        first = [next(stream) for _ in range(10)]
        mortal.kill()
        verdicts = dict([*first, *stream])
        judge.close()
    assert sorted(verdicts) == list(range(60))
    assert {verdict.status for verdict in verdicts.values()} == {"correct"}


def test_a_judge_that_cannot_be_reached_is_gone(server: FaultServer) -> None:
    with running_fault_server() as dead:
        dead.kill()
        judge = judge_at(dead.url)
        with pytest.raises(ServiceError, match=r"could not be reached for 1 s.*go on"):
            ask(judge, *(f"number {n}" for n in range(100)))


def test_so_many_failures_in_a_row_end_it(server: FaultServer) -> None:
    server.control(fault="status_500")
    judge = judge_at(server.url, max_retries=0, max_failures=5, max_concurrency=1)
    with pytest.raises(ServiceError, match=r"5 requests in a row failed, the last one: HTTP 500"):
        ask(judge, *(f"number {n}" for n in range(100)))
    assert server.log()["requests"] == 5


def test_what_was_answered_before_the_end_is_handed_out(server: FaultServer) -> None:
    judge = judge_at(server.url, max_retries=0, max_failures=3, max_concurrency=1)
    texts = [*(f"number {n}" for n in range(7)), *(f"FAULT=status_500 {n}" for n in range(9))]
    stream = judge.stream([JudgeRequest(EXAMPLE, f"It is 5. {text}", "none") for text in texts])
    first = dict(next(stream) for _ in range(7))
    assert {index: verdict.status for index, verdict in first.items()} == dict.fromkeys(range(7), "correct")
    with pytest.raises(ServiceError):
        list(stream)
    judge.close()


def test_a_judge_that_is_gone_is_gone_for_all_who_are_asking(server: FaultServer) -> None:
    """It is tried again when nobody asks any more; before, a caller could miss that it was gone."""
    judge = judge_at(server.url, max_retries=0, max_failures=3, max_concurrency=1)
    requests = [JudgeRequest(EXAMPLE, f"It is 5, number {n}", "none") for n in range(9)]
    early = judge.stream(requests[:2])
    next(early)
    server.control(fault="status_500")
    with pytest.raises(ServiceError):
        judge.judge(requests[2:])
    server.control(fault=None)
    with pytest.raises(ServiceError):
        judge.judge(requests[2:])
    early.close()
    assert {verdict.status for verdict in judge.judge(requests[2:])} == {"correct"}
    judge.close()


def test_the_judge_can_be_asked_again_when_it_is_back(server: FaultServer) -> None:
    server.control(fault="status_500")
    judge = judge_at(server.url, max_retries=0, max_failures=2)
    request = [JudgeRequest(EXAMPLE, f"It is 5, number {n}", "none") for n in range(4)]
    with pytest.raises(ServiceError):
        judge.judge(request)
    server.control(fault=None)
    assert [verdict.status for verdict in judge.judge(request)] == ["correct"] * 4
    judge.close()


@pytest.mark.parametrize(
    ("budget", "most", "named"),
    [
        ({"calls": 7}, 7, "calls of 7"),
        ({"tokens": 1000}, 12, "tokens of 1000"),
        ({"money": 0.001}, 12, "money of 0.001"),
    ],
    ids=["calls", "tokens", "money"],
)
def test_a_budget_stops_cleanly(server: FaultServer, budget: dict[str, float], most: int, named: str) -> None:
    """A reply is 100 prompt tokens and a few words: ten reach 1,000 tokens, or 0.001 at a price of 1 per million."""
    judge = judge_at(server.url, budget=budget, prices={"prompt": 1.0}, max_concurrency=2)
    with pytest.raises(ServiceError, match=rf"judge\.budget\.{named} is spent.*raise the budget"):
        ask(judge, *(f"number {n}" for n in range(100)))
    assert server.log()["requests"] <= most


def test_a_wrong_key_or_model_is_no_fault_of_the_responses(server: FaultServer) -> None:
    for status in (401, 404):
        server.control(fault=f"status_{status}")
        with pytest.raises(ServiceError, match=f"HTTP {status}"):
            ask(judge_at(server.url), "a", "b")


def test_the_check_names_a_missing_model_and_a_dead_server(server: FaultServer) -> None:
    judge = judge_at(server.url, model="other")
    with pytest.raises(InputError, match=r"expected the model 'other', found m"):
        judge.check()
    judge.close()
    with running_fault_server() as dead:
        dead.kill()
        judge = judge_at(dead.url)
        with pytest.raises(ServiceError, match=r"no judge can be reached"):
            judge.check()
        judge.close()


def test_the_key_is_sent_and_shown_nowhere(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-very-secret")
    with caplog.at_level(logging.DEBUG):
        verdict = ask(judge_at(server.url, api_key_env="JUDGE_KEY"), "FAULT=leaks_key")[0]
    assert verdict.error == "rejected: HTTP 400: bad request with Bearer ***"
    assert "sk-very-secret" not in caplog.text


@pytest.mark.parametrize("place", ["analysis", "mistake_report", "value", "text", "refusal", "escaped"])
def test_a_key_that_a_reply_repeats_is_kept_nowhere(
    place: str, server: FaultServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-very-secret")
    judge = judge_at(server.url, api_key_env="JUDGE_KEY", cache=str(tmp_path / "cache.sqlite"))
    with caplog.at_level(logging.DEBUG):
        verdict = ask(judge, f"FAULT=echo_key_{place}", wants_report=True)[0]
    assert "sk-very-secret" not in repr(verdict)
    assert "sk-very-secret" not in caplog.text
    for file in tmp_path.iterdir():
        assert b"sk-very-secret" not in file.read_bytes()
    if place in ("mistake_report", "escaped"):
        assert verdict.mistake_report is not None
        assert "***" in verdict.mistake_report


def test_a_slow_server_gets_fewer_requests_at_once(server: FaultServer) -> None:
    """Eight refusals under way at once are one signal: the limit is halved, and halved again by the next round."""
    server.control(fault=None, latency=0.05)
    judge = judge_at(server.url, max_concurrency=8)
    ask(judge, *(f"FAULT=status_429x1 number {n}" for n in range(8)))
    limit = judge.members[0].client.pool.endpoints[0].limit
    # 8 -> 4, then at most 8 successes at 1/4 each or less.
    assert 4 <= limit <= 6


def test_concurrency_is_used_and_kept(server: FaultServer) -> None:
    server.control(fault=None, latency=0.05)
    ask(judge_at(server.url, max_concurrency=6), *(f"number {n}" for n in range(40)))
    assert server.log()["most_in_flight"] == 6


def test_equal_requests_are_asked_once(server: FaultServer) -> None:
    verdicts = ask(judge_at(server.url), *["the same"] * 5, "another")
    assert [verdict.status for verdict in verdicts] == ["correct"] * 6
    assert sum((verdict.usage for verdict in verdicts), Usage()).calls == 2
    assert server.log()["requests"] == 2


def test_a_second_judge_over_the_same_input_makes_no_calls(server: FaultServer, tmp_path: Any) -> None:
    texts = [f"number {n} TRUTH={truth}" for n in range(10) for truth in ("correct", "incorrect")]
    runs = [ask(judge_at(server.url, cache=tmp_path / "c.sqlite"), *texts, wants_report=True) for _ in range(2)]
    assert [v.status for v in runs[0]] == [v.status for v in runs[1]]
    assert [v.mistake_report for v in runs[0]] == [v.mistake_report for v in runs[1]]
    spent = [sum((verdict.usage for verdict in run), Usage()) for run in runs]
    assert (spent[0].calls, spent[1].calls, spent[1].cache_hits) == (30, 0, 30)  # 20 verdicts, 10 reports


def test_failures_are_not_kept(server: FaultServer, tmp_path: Any) -> None:
    settings = {"cache": tmp_path / "c.sqlite"}
    assert ask(judge_at(server.url, **settings), "FAULT=missingx1")[0].error_kind == "missing"
    assert ask(judge_at(server.url, **settings), "FAULT=missingx1")[0].status == "correct"


@pytest.mark.parametrize("wants_report", [False, True])
def test_reports_are_asked_for_only_where_they_are_wanted(server: FaultServer, wants_report: bool) -> None:
    verdicts = ask(judge_at(server.url), "TRUTH=correct", "TRUTH=incorrect", wants_report=wants_report)
    assert [v.mistake_report for v in verdicts] == [None, "Step 2 adds wrongly." if wants_report else None]
    assert server.log()["requests"] == 2 + wants_report


def test_what_is_not_self_consistent_is_incorrect_and_gets_no_report(server: FaultServer) -> None:
    verdicts = ask(judge_at(server.url), "ALONE=no", "ALONE=yes", wants_report=True)
    assert [(v.self_consistent, v.status, v.process_correct) for v in verdicts] == [
        (False, "incorrect", False),
        (True, "correct", True),
    ]
    assert [verdict.mistake_report for verdict in verdicts] == [None, None]
    assert server.log()["requests"] == 2


@pytest.mark.parametrize(("reports", "calls"), [("lazy", 6), ("with_verdict", 4)])
def test_a_report_comes_alone_or_with_its_verdict(server: FaultServer, reports: str, calls: int) -> None:
    """Two incorrect responses of four: a call more each, or none. A leak is asked for again either way."""
    texts = ["TRUTH=incorrect 1", "TRUTH=false_positive 2", "3", "ALONE=no 4"]
    verdicts = ask(judge_at(server.url, reports=reports), *texts, wants_report=True)
    assert [v.status for v in verdicts] == ["incorrect", "incorrect", "correct", "incorrect"]
    assert [v.mistake_report for v in verdicts] == ["Step 2 adds wrongly."] * 2 + [None] * 2
    assert server.log()["requests"] == calls
    without = ask(judge_at(server.url, reports=reports), "TRUTH=incorrect 5", wants_report=False)
    assert without[0].mistake_report is None


def test_an_unreadable_reply_is_asked_for_in_other_words_the_next_time(server: FaultServer) -> None:
    judge = judge_at(server.url)
    request = JudgeRequest(EXAMPLE, "FAULT=missingx1 a")
    assert judge.judge([request])[0].error_kind == "missing"
    # Another conversation: the server's count begins anew, so only a note in the prompt can have changed it.
    assert judge.judge([replace(request, attempt=1)])[0].error_kind == "missing"
    assert judge.judge([replace(request, attempt=1)])[0].status == "correct"
    judge.close()


def test_a_response_without_content_is_incorrect_without_a_call(server: FaultServer) -> None:
    judge = judge_at(server.url)
    verdict = judge.judge([JudgeRequest(EXAMPLE, " : ", "none", wants_report=True)])[0]
    judge.close()
    assert (verdict.status, verdict.mistake_report) == ("incorrect", "Mistake: the response gives no answer.")
    assert server.log()["requests"] == 0


@pytest.mark.parametrize(
    ("disclose", "report", "calls"),
    [
        ("location", "Mistake: step 2 is wrong.", 3),  # asked for again, leaks again, cut
        ("hint", "Mistake: step 2 is wrong.", 3),
        ("correction", "It should be 5.", 2),
        ("answer", "It should be 5.", 2),
    ],
)
def test_a_leaking_report_is_asked_for_again_and_then_cut(
    server: FaultServer, disclose: str, report: str, calls: int
) -> None:
    judge = judge_at(server.url, report={"disclose": disclose})
    request = JudgeRequest(EXAMPLE, "It is 6. TRUTH=incorrect LEAK=yes", "solution", wants_report=True)
    verdict = judge.judge([request])[0]
    judge.close()
    assert (verdict.mistake_report, verdict.usage.calls) == (report, calls)


def test_two_votes_that_agree_make_the_third_unnecessary(server: FaultServer) -> None:
    judge = judge_at(server.url, votes=3, sampling={"temperature": 1.0})
    assert ask(judge, "a")[0].usage.calls == 2


def test_looks_at_one_response_are_drawn_apart_and_each_is_kept(server: FaultServer, tmp_path: Path) -> None:
    judge = judge_at(server.url, sampling={"temperature": 1.0}, cache=tmp_path / "replies.sqlite")
    looks = [replace(JudgeRequest(EXAMPLE, "It is 5. a", "none"), vote=vote) for vote in range(3)]
    usages = [[verdict.usage for verdict in judge.judge(looks)] for _ in range(2)]
    judge.close()
    assert [usage.calls for usage in usages[0]] == [1, 1, 1], "no answer of one look serves another"
    assert [(usage.calls, usage.cache_hits) for usage in usages[1]] == [(0, 1)] * 3


def test_mixed_faults_lose_and_repeat_nothing(server: FaultServer) -> None:
    """1,000 requests: each ends in one verdict or one counted unscored; benchmarks/judge_client.py does 10,000."""
    server.control(fault="mixed")
    judge = judge_at(
        server.url, max_concurrency=64, max_failures=1000, timeouts={"connect": 2.0, "read": 0.5, "total": 3.0}
    )
    seen = [index for index, _ in judge.stream([JudgeRequest(EXAMPLE, f"It is 5, {n}", "none") for n in range(1000)])]
    judge.close()
    assert sorted(seen) == list(range(1000))
    assert max(server.log()["delivered"].values()) == 1
