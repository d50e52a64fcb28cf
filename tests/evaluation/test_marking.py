"""Marks by rules and by a judge model, and what a judge that fails leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from raw_server import Request, completion, plain, running_raw_server

from contextrl.errors import ServiceError
from contextrl.evaluation.benchmarks.items import Mark
from contextrl.evaluation.benchmarks.steps import NO_JUDGE, Ask, Step
from contextrl.evaluation.marking import mark_all
from contextrl.judge.llm.completions import Completions, completions_of
from contextrl.judge.llm.naming import Naming
from contextrl.judge.settings import ServerConfig

RIGHT = Mark(1.0, "B", "rule")


def judge_at(url: str, **changes: Any) -> Completions:
    settings: dict[str, Any] = {
        "base_url": url,
        "model": "m",
        "max_retries": 1,
        "timeouts": {"connect": 1.0, "read": 0.5, "total": 2.0},
        "patience": 1.0,
    }
    return completions_of(ServerConfig.model_validate(settings | changes), Naming())


def ask(number: int, **changes: Any) -> Ask:
    return Ask(f"number {number}", lambda text: Mark(float(text == "yes"), text, "judge"), **changes)


def marks(url: str, steps: list[tuple[str, Step]], **changes: Any) -> dict[str, Mark]:
    judge = judge_at(url, **changes)
    try:
        found = list(mark_all(steps, judge))
    finally:
        judge.close()
    assert len(dict(found)) == len(found) == len(steps)
    return dict(found)


def says(answer: Callable[[Request], bytes]) -> Any:
    return running_raw_server(lambda request: [(0.0, answer(request))])


def test_without_a_judge_each_question_has_its_own_mark() -> None:
    fallen_back = Mark(0.0, how="unresolved")
    steps: list[tuple[str, Step]] = [("a", RIGHT), ("b", ask(1)), ("c", ask(2, without=fallen_back))]
    assert list(mark_all(steps, None)) == [("a", RIGHT), ("b", NO_JUDGE), ("c", fallen_back)]


def test_rules_pass_through_and_the_judge_is_asked_the_rest() -> None:
    with says(lambda r: plain(completion("yes" if r.asked == 1 else "no"))) as server:
        found = marks(server.url, [("a", RIGHT), ("b", ask(1)), ("c", ask(2)), ("d", RIGHT)])
    assert found == {"a": RIGHT, "b": Mark(1.0, "yes", "judge"), "c": Mark(0.0, "no", "judge"), "d": RIGHT}
    assert len(server.requests) == 2


def test_rules_do_not_wait_for_the_judge() -> None:
    with running_raw_server(lambda _: [(0.4, plain(completion("yes")))]) as server:
        judge = judge_at(server.url)
        found = [key for key, _ in mark_all([("slow", ask(1)), ("a", RIGHT), ("b", RIGHT)], judge)]
        judge.close()
    assert found == ["a", "b", "slow"]


def test_a_question_carries_system_and_settings() -> None:
    with says(lambda _: plain(completion("yes"))) as server:
        marks(server.url, [("a", ask(1, system="Extract.", temperature=0.5, max_tokens=128, seed=3))])
    body = server.requests[0].body
    assert body.pop("messages") == [{"role": "system", "content": "Extract."}, {"role": "user", "content": "number 1"}]
    assert body == {"model": "m", "temperature": 0.5, "max_tokens": 128, "seed": 3}


def test_a_reply_may_lead_to_other_questions() -> None:
    """Extraction, then a judgement of what was extracted; unreadable ones are asked again with another seed."""

    def extract(seed: int) -> Ask:
        return Ask(
            "number 0",
            lambda text: judged(text) if text.isdigit() else extract(seed + 1) if seed < 3 else Mark(0.0),
            seed=seed,
        )

    def judged(extracted: str) -> Ask:
        return Ask(f"number {extracted}", lambda text: Mark(float(text), extracted, "judge"))

    def reply(request: Request) -> bytes:
        if request.asked == 0:
            return plain(completion("42" if request.body["seed"] == 2 else "hm"))
        return plain(completion("1"))

    with says(reply) as server:
        found = marks(server.url, [("a", extract(0)), ("b", extract(2))])
    assert found == {"a": Mark(1.0, "42", "judge"), "b": Mark(1.0, "42", "judge")}
    assert len(server.requests) == 4 + 2


def message(content: str | None, finish: str = "stop", **more: Any) -> bytes:
    said = {"content": content, **more}
    return plain(json.dumps({"choices": [{"finish_reason": finish, "message": said}]}).encode())


FAILURES = [
    (plain(b"{}", "500 Internal Server Error"), "server_error: HTTP 500"),
    (plain(b"{}", "400 Bad Request"), "rejected: HTTP 400"),
    (plain(b"<html>"), "malformed: a body that is no completion"),
    (b"", "timeout: "),
    (message(""), "empty: "),
    (message(" \n"), "empty: "),
    (message(None), "empty: "),
    (message(None, reasoning_content="x"), "null: only reasoning"),
    (message(None, refusal="I can't."), 'refusal: the judge refuses: "I can\'t."'),
    (message("ye", "content_filter"), "refusal: "),
]


@pytest.mark.parametrize(("body", "detail"), FAILURES, ids=[detail for _, detail in FAILURES])
def test_a_failed_judgement_is_no_mark_of_the_response(body: bytes, detail: str) -> None:
    def reply(request: Request) -> Any:
        return [(0.0, body)] if request.asked == 1 and body else [(0.0 if body or request.asked == 2 else 9.0, YES)]

    with running_raw_server(reply) as server:
        found = marks(server.url, [("a", ask(1)), ("b", ask(2)), ("c", RIGHT)])
    assert (found["a"].score, found["a"].how) == (None, "failed")
    assert found["a"].detail.startswith(detail)
    assert (found["b"].score, found["c"]) == (1.0, RIGHT)


YES = plain(completion("yes"))


def test_a_cut_reply_is_read_as_it_is() -> None:
    """Some protocols leave their judges few tokens."""
    with says(lambda _: message("yes", "length")) as server:
        assert marks(server.url, [("a", ask(1))])["a"].score == 1.0


def test_a_scorer_that_raises_costs_its_own_mark_only() -> None:
    def broken(text: str) -> Mark:
        raise IndexError(text)

    with says(lambda _: YES) as server:
        found = marks(server.url, [("a", Ask("number 1", broken)), ("b", ask(2))])
    assert (found["a"].score, found["a"].detail) == (None, "malformed: IndexError while the reply was read")
    assert found["b"].score == 1.0


def test_steps_are_pulled_as_they_are_needed() -> None:
    pulled = 0

    def steps() -> Iterator[tuple[str, Step]]:
        nonlocal pulled
        for number in range(60):
            pulled += 1
            yield str(number), ask(number)

    with says(lambda _: YES) as server:
        judge = judge_at(server.url, max_concurrency=2)
        stream = mark_all(steps(), judge)
        next(stream)
        assert pulled < 40
        assert len(list(stream)) == 59
        judge.close()


def test_a_spent_budget_stops_and_is_gone_on_with(tmp_path: Path) -> None:
    """Five calls of twelve, then five of the rest, then the last two: nothing is asked twice."""
    steps: list[tuple[str, Step]] = [(str(n), ask(n)) for n in range(12)]
    changes = {"budget": {"calls": 5}, "cache": tmp_path / "replies.sqlite"}
    with says(lambda _: YES) as server:
        for known in (5, 10):
            judge, found = judge_at(server.url, **changes), []
            with pytest.raises(ServiceError, match="calls of 5 is spent"):
                found.extend(mark_all(steps, judge))
            judge.close()
            assert len(found) == known
        assert len(marks(server.url, steps, **changes)) == 12
    assert sorted(request.asked for request in server.requests) == list(range(12))


def test_a_judge_that_is_gone_stops_after_what_is_known() -> None:
    judge = judge_at("http://127.0.0.1:9/v1", max_failures=3, max_concurrency=8)
    found: list[tuple[str, Mark]] = []
    with pytest.raises(ServiceError, match="the judge stops"):
        found.extend(mark_all([("a", RIGHT), *((str(n), ask(n)) for n in range(200)), ("c", RIGHT)], judge))
    judge.close()
    assert found[0] == ("a", RIGHT)
    assert all(mark.how == "failed" for key, mark in found if key not in "ac")
    assert len(found) < 150
