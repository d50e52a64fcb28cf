"""The miniature's judge as a chat model: the same verdicts as the step judge itself, by itself and over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from contextrl.judge.llm.prompts import PromptSet, Task
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.judge_server import MODEL, answer_chat, judge_app, serve
from contextrl.miniature.steps_judge import StepsJudge
from contextrl.miniature.tasks import miniature_examples
from contextrl.records.verdict import ReferenceContext

EXAMPLES = miniature_examples("dev", 12)
RESPONSES = [*(example.solution for example in EXAMPLES), *(EXAMPLES[n - 1].solution for n in range(len(EXAMPLES)))]


def ask(task: Task, request: JudgeRequest, **changes: Any) -> tuple[Any, int]:
    messages = PromptSet.load().messages(task, request, images=["data:image/png;base64,AA=="])
    return answer_chat({"model": MODEL, "messages": messages, "response_format": {}, **changes})


def content(reply: Any) -> str:
    return str(reply["choices"][0]["message"]["content"])


@pytest.mark.parametrize("context", ["none", "answer", "solution"])
def test_verdicts_are_those_of_the_step_judge(context: ReferenceContext) -> None:
    requests = [JudgeRequest(e, text, context) for e, text in zip(EXAMPLES * 2, RESPONSES, strict=True)]
    for request, verdict in zip(requests, StepsJudge(context).judge(requests), strict=True):
        reply, status = ask("verify", request)
        found = json.loads(content(reply))
        assert status == 200
        assert found["process_correct"] is verdict.process_correct
        if context != "none":
            assert found["answer_correct"] is verdict.answer_correct


@pytest.mark.parametrize("disclose", ["location", "hint", "correction", "answer"])
def test_reports_follow_the_level_of_disclosure(disclose: Any) -> None:
    wrong = "Digits: 0. Answer: 99"
    request = JudgeRequest(EXAMPLES[0], wrong, "solution", wants_report=True)
    messages = PromptSet.load().messages("report", request, disclose=disclose)
    reply, _ = answer_chat({"model": MODEL, "messages": messages, "response_format": {}})
    expected = StepsJudge("solution", disclose).judge([request])[0].mistake_report
    assert json.loads(content(reply))["mistake_report"] == expected


def test_what_speaks_of_a_report_is_not_self_consistent() -> None:
    example = EXAMPLES[0]
    for text, standalone in ((example.solution, True), (f"The mistake report says so. {example.solution}", False)):
        found = json.loads(content(ask("verify", JudgeRequest(example, text))[0]))
        assert (found["self_consistent"], found["process_correct"]) == (standalone, standalone)


def test_verdict_and_report_in_one_reply() -> None:
    example = EXAMPLES[0]
    for text, empty in ((example.solution, True), ("Digits: 0. Answer: 99", False), ("You are right. Answer: 1", True)):
        found = json.loads(content(ask("verify_and_report", JudgeRequest(example, text))[0]))
        assert (found["mistake_report"] == "") is empty
        assert (found["step"] == 0) is empty


def test_without_a_form_the_verdict_follows_some_prose() -> None:
    messages = PromptSet.load().messages("verify", JudgeRequest(EXAMPLES[0], EXAMPLES[0].solution))
    reply, _ = answer_chat({"model": MODEL, "messages": messages})
    assert content(reply).startswith("I compared")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"model": "gpt"}, 404),
        ({"messages": []}, 400),
        ({"messages": "x"}, 400),
        ({"messages": [{"role": "user"}]}, 400),
    ],
)
def test_what_it_cannot_read_is_an_error(changes: dict[str, Any], status: int) -> None:
    reply, found = ask("verify", JudgeRequest(EXAMPLES[0], "x"), **changes)
    assert found == status
    assert reply["error"]["message"]


def test_a_question_of_another_kind_is_refused() -> None:
    request = JudgeRequest(replace(EXAMPLES[0], question="What is shown?"), "x")
    reply, status = ask("verify", request)
    assert status == 400
    assert "What is shown?" in reply["error"]["message"]


# --- over HTTP ------------------------------------------------------------------------------------


def over_http(method: str, path: str, data: bytes | None = None, *, latency: float = 0.0) -> tuple[int, Any]:
    """Status and JSON of one request to the application."""

    async def request() -> tuple[int, Any]:
        async with (
            TestClient(TestServer(judge_app(latency))) as client,
            client.request(method, path, data=data) as reply,
        ):
            assert reply.content_type == "application/json"
            return reply.status, await reply.json()

    return asyncio.run(request())


def test_a_request_over_http_gets_what_answer_chat_says() -> None:
    messages = PromptSet.load().messages("verify", JudgeRequest(EXAMPLES[0], EXAMPLES[0].solution))
    body = {"model": MODEL, "messages": messages}
    assert over_http("POST", "/v1/chat/completions", json.dumps(body).encode()) == answer_chat(body)[::-1]


def test_the_model_is_listed() -> None:
    status, reply = over_http("GET", "/v1/models")
    assert (status, [model["id"] for model in reply["data"]]) == (200, [MODEL])


@pytest.mark.parametrize(
    ("method", "path", "data", "status", "message"),
    [
        pytest.param("GET", "/v1/completions", None, 404, "no GET /v1/completions", id="unknown-path"),
        pytest.param("GET", "/v1/chat/completions", None, 404, "no GET /v1/chat/completions", id="not-posted"),
        pytest.param("POST", "/v1/chat/completions", b"{", 400, "the body is no JSON object", id="no-json"),
        pytest.param("POST", "/v1/chat/completions", b"[]", 400, "the body is no JSON object", id="a-list"),
        pytest.param("POST", "/v1/chat/completions", b"\xff", 400, "the body is no JSON object", id="no-text"),
        pytest.param("POST", "/v1/chat/completions", b"[" * 10**5, 400, "the body is no JSON object", id="nested"),
        pytest.param("POST", "/v1/chat/completions", b"{}", 404, "The model 'None' does not exist", id="no-model"),
        pytest.param(
            "POST", "/v1/chat/completions", b" " * (64 * 2**20 + 1), 413, "at most 67108864 bytes", id="too-large"
        ),
    ],
)
def test_errors_have_openais_form(method: str, path: str, data: bytes | None, status: int, message: str) -> None:
    found, reply = over_http(method, path, data)
    assert found == status
    assert message in reply["error"]["message"]
    assert reply["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/v1/models", "/nothing"])
def test_every_reply_takes_the_latency(path: str) -> None:
    started = time.perf_counter()
    over_http("GET", path, latency=0.3)
    assert time.perf_counter() - started >= 0.3


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """The command, on a free port, with replies that take long."""
    command = [sys.executable, "-m", "contextrl.miniature.judge_server", "--port", "0", "--latency", "30"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()


def test_ctrl_c_ends_it_quietly_with_a_reply_under_way(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    first = rf"The miniature's judge: http://127\.0\.0\.1:(\d+)/v1, model {MODEL}\. Ctrl-C ends it\.\n"
    match = re.fullmatch(first, process.stdout.readline())
    assert match is not None
    with socket.create_connection(("127.0.0.1", int(match[1]))) as client:
        client.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0


def test_a_port_that_is_taken_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        serve(port=taken.getsockname()[1])
