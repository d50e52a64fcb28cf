"""Every reply is the one to its request, whatever else a server writes on the connection."""

from __future__ import annotations

import json
from typing import Any

import pytest
from raw_server import RawServer, Request, Script, chunked, plain, running_raw_server, verdict

from contextrl.judge.llm.building import llm_judge
from contextrl.judge.llm.judge import LLMJudge
from contextrl.judge.protocol import JudgeRequest
from contextrl.judge.settings import JudgeConfig
from contextrl.records.example import Example

EXAMPLE = Example("a", "What is the total?", "2 + 3 = 5. Answer: 5", "5", "number")
#: Different replies in no simple order; shifted by one, 14 of 24 would be another's.
TRUTHS = [n % 3 == 0 or n % 7 == 2 for n in range(24)]


def judge_at(url: str, **changes: Any) -> LLMJudge:
    settings: dict[str, Any] = {
        "kind": "llm",
        "base_url": url,
        "model": "m",
        "cache": False,
        "max_retries": 3,
        "timeouts": {"connect": 2.0, "read": 3.0, "total": 8.0},
        "max_concurrency": 1,
    }
    return llm_judge(JudgeConfig.model_validate(settings | changes), "none")


def judged(server: RawServer, count: int = len(TRUTHS), **changes: Any) -> list[bool | None]:
    """What the judge says of `number 0`, `number 1`, ... one after the other."""
    judge = judge_at(server.url, **changes)
    try:
        verdicts = judge.judge([JudgeRequest(EXAMPLE, f"It is 5, number {n}", "none") for n in range(count)])
    finally:
        judge.close()
    return [verdict.answer_correct for verdict in verdicts]


def names_nothing(request: Request) -> dict[str, Any]:
    return {}


def names_request(request: Request) -> dict[str, Any]:
    """As vLLM does."""
    return {"id": f"chatcmpl-{request.headers['x-request-id']}"}


def wrap_plain(body: bytes) -> bytes:
    return plain(body)


SCRIPTS: dict[str, Any] = {
    "once": lambda reply: [(0, reply)],
    "twice in one segment": lambda reply: [(0, reply + reply)],
    "twice at once": lambda reply: [(0, reply), (0, reply)],
    "twice, 5 ms": lambda reply: [(0, reply), (0.005, reply)],
    "twice, 50 ms": lambda reply: [(0, reply), (0.05, reply)],
    "three times": lambda reply: [(0, reply), (0.002, reply), (0.02, reply)],
    "half a copy": lambda reply: [(0, reply + reply[: len(reply) // 2])],
    "blank lines": lambda reply: [(0, reply + b"\r\n\r\n")],
    "junk": lambda reply: [(0, reply), (0.003, b"junk\r\n\r\n" + reply)],
}


@pytest.mark.parametrize("naming", [names_nothing, names_request])
@pytest.mark.parametrize("framing", [wrap_plain, chunked], ids=["length", "chunked"])
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_copies_of_a_reply_answer_no_other_request(script: Any, framing: Any, naming: Any) -> None:
    def answer(request: Request) -> Script:
        written: Script = script(framing(verdict(correct=TRUTHS[request.asked], **naming(request))))
        return written

    with running_raw_server(answer) as server:
        assert judged(server) == TRUTHS


@pytest.mark.parametrize("naming", [names_nothing, names_request])
@pytest.mark.parametrize("delay", [0.0, 0.005, 0.05])
def test_copies_of_errors_answer_no_other_request(delay: float, naming: Any) -> None:
    """Every third request is refused, and the refusal comes twice."""

    def answer(request: Request) -> Script:
        if request.asked % 3 == 0:
            refusal = plain(b'{"error": {"message": "too long"}}', "400 Bad Request")
            return [(0, refusal), (delay, refusal)]
        return [(0, plain(verdict(correct=True, **naming(request))))]

    with running_raw_server(answer) as server:
        assert judged(server) == [None if n % 3 == 0 else True for n in range(24)]


@pytest.mark.parametrize("naming", [names_nothing, names_request])
@pytest.mark.parametrize("missing", [1, 30, 100])
def test_what_lies_beyond_the_announced_length_is_no_reply(missing: int, naming: Any) -> None:
    """The body is cut, so there is no verdict; what is left of it spoils no other one."""

    def answer(request: Request) -> Script:
        body = verdict(correct=TRUTHS[request.asked], **naming(request))
        short = request.asked % 4 == 1
        return [(0, plain(body, length=len(body) - missing if short else None))]

    with running_raw_server(answer) as server:
        expected = [None if n % 4 == 1 else truth for n, truth in enumerate(TRUTHS)]
        assert judged(server, max_retries=0) == expected


def test_a_reply_that_was_there_before_the_connection_was_used_again_is_dropped() -> None:
    """The server names requests, so connections are kept: the copy is another's, and the request is sent again."""

    def answer(request: Request) -> Script:
        reply = plain(verdict(correct=TRUTHS[request.asked], **names_request(request)))
        return [(0, reply), (0.05, reply)] if request.number == 5 else [(0, reply)]

    with running_raw_server(answer) as server:
        assert judged(server) == TRUTHS
        assert len(server.requests) <= 25


@pytest.mark.parametrize("header", ["X-Request-Id: {id}\r\n", "x-request-id: req-{id}-0\r\n"])
def test_connections_are_kept_where_the_server_repeats_the_header(header: str) -> None:
    def answer(request: Request) -> Script:
        headers = header.format(id=request.headers["x-request-id"])
        return [(0, plain(verdict(correct=TRUTHS[request.asked]), headers=headers))]

    with running_raw_server(answer) as server:
        assert judged(server) == TRUTHS
        # The first reply shows that the server names requests; all others share a connection.
        assert server.connections == 2


def test_connections_are_kept_where_the_completion_is_named_after_the_request() -> None:
    with running_raw_server(
        lambda request: [(0, plain(verdict(correct=TRUTHS[request.asked], **names_request(request))))]
    ) as server:
        assert judged(server) == TRUTHS
        assert server.connections == 2


def test_a_server_that_names_no_request_gets_a_connection_for_each() -> None:
    ids = [{}, {"id": "chatcmpl-1"}, {"id": "x" * 34}, {"id": None}]
    with running_raw_server(
        lambda request: [(0, plain(verdict(correct=TRUTHS[request.asked], **ids[request.asked % 4])))]
    ) as server:
        assert judged(server) == TRUTHS
        assert server.connections == len(server.requests) == 24
        assert {request.headers["connection"] for request in server.requests} == {"close"}
        assert len({request.headers["x-request-id"] for request in server.requests}) == 24


def test_a_proxy_that_mixes_replies_up_is_found_out_by_their_names() -> None:
    """Two requests under way get each other's replies, on connections of their own; sent again, they get theirs."""
    last: list[Request] = []

    def answer(request: Request) -> Script:
        other = last[-1] if last and request.number % 5 == 4 else request
        last.append(request)
        return [(0, plain(verdict(correct=TRUTHS[other.asked], **names_request(other))))]

    with running_raw_server(answer) as server:
        assert judged(server) == TRUTHS
        assert len(server.requests) > 24


def test_a_server_that_stops_naming_requests_is_asked_again_on_a_connection_of_its_own() -> None:
    with running_raw_server(
        lambda request: [
            (0, plain(verdict(correct=TRUTHS[request.asked], **(names_request(request) if request.number < 9 else {}))))
        ]
    ) as server:
        assert judged(server) == TRUTHS
        assert len(server.requests) == 25


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("stop", None),
        ("", None),
        (None, "malformed"),
        ("length", "truncated"),
        ("content_filter", "refusal"),
        ("tool_calls", "malformed"),
        ("error", "malformed"),
        ("abort", "malformed"),
        ("Stop", "malformed"),
        (5, "malformed"),
        (["stop"], "malformed"),
    ],
)
def test_a_verdict_counts_only_where_the_reply_has_come_to_its_end(reason: Any, kind: str | None) -> None:
    body = json.loads(verdict(correct=True))
    body["choices"][0]["finish_reason"] = reason
    with running_raw_server(lambda _: [(0, plain(json.dumps(body).encode()))]) as server:
        judge = judge_at(server.url)
        found = judge.judge([JudgeRequest(EXAMPLE, "It is 5, number 0", "none")])[0]
        judge.close()
    assert (found.error_kind, found.status) == (kind, "unscored" if kind else "correct")
