"""A server that refuses for good stops the run with its cause; one bad request among good ones does not."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from raw_server import Request, Script, plain, running_raw_server, verdict

from contextrl.errors import ServiceError
from contextrl.judge.llm.building import llm_judge
from contextrl.judge.llm.judge import LLMJudge
from contextrl.judge.protocol import JudgeRequest
from contextrl.judge.settings import JudgeConfig
from contextrl.records.example import Example
from contextrl.records.verdict import Verdict

EXAMPLE = Example("a", "What is the total?", "2 + 3 = 5. Answer: 5", "5", "number")


def judge_at(url: str, **changes: Any) -> LLMJudge:
    settings: dict[str, Any] = {
        "kind": "llm",
        "base_url": url,
        "model": "m",
        "cache": False,
        "max_retries": 1,
        "max_concurrency": 4,
        "patience": 0.5,
        "timeouts": {"connect": 2.0, "read": 2.0, "total": 8.0},
    }
    return llm_judge(JudgeConfig.model_validate(settings | changes), "none")


def ask(judge: LLMJudge, count: int = 200) -> list[Verdict]:
    try:
        return judge.judge([JudgeRequest(EXAMPLE, f"It is 5, number {n}", "none") for n in range(count)])
    finally:
        judge.close()


def refusal(status: int, headers: str = "", message: str = "no, thank you") -> bytes:
    return plain(json.dumps({"error": {"message": message}}).encode(), f"{status} Whatever", headers)


def refused_where(is_refused: Callable[[int], int | None]) -> Callable[[Request], Script]:
    """A script: the status for each number, or a good verdict."""

    def answer(request: Request) -> Script:
        status = is_refused(request.asked)
        return [(0, plain(verdict(correct=True)) if status is None else refusal(status))]

    return answer


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (400, "judge.max_response_chars"),
        (402, "account"),
        (405, "/v1"),
        (406, "judge.base_url"),
        (407, "proxy"),
        (410, "judge.base_url"),
        (411, "judge.base_url"),
        (413, "judge.max_response_chars"),
        (415, "chat completions"),
        (418, "judge.base_url"),
        (421, "judge.base_url"),
        (422, "judge.sampling"),
        (426, "judge.base_url"),
        (431, "judge.base_url"),
        (451, "judge.base_url"),
        (501, "chat completions"),
        (505, "judge.base_url"),
        (511, "login"),
        (206, "judge.base_url"),
    ],
)
def test_the_same_refusal_of_every_request_stops_the_run(status: int, remedy: str) -> None:
    with running_raw_server(refused_where(lambda n: status)) as server:
        with pytest.raises(
            ServiceError, match=f"20 requests in a row were refused alike.*HTTP {status}: no, thank"
        ) as e:
            ask(judge_at(server.url))
        assert 20 <= len(server.requests) <= 24
    assert remedy in str(e.value)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://other.example/v1/chat/completions", "redirect to https://other.example/v1/chat/completions ("),
        ("https://user:sk-secret@other.example:8/v1?api_key=sk-secret#sk-secret", "to https://other.example:8/v1 ("),
        ("/login/sk-secret?next=sk-secret", "redirect to /login/*** ("),
        ("http://[broken", "redirect to nowhere ("),
    ],
)
def test_a_redirect_says_where_to_and_shows_no_key(
    status: int, location: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with (
        running_raw_server(lambda _: [(0, refusal(status, f"Location: {location}\r\n"))]) as server,
        pytest.raises(ServiceError, match=r"change judge\.base_url to the address") as stopped,
    ):
        ask(judge_at(server.url))
    assert shown in str(stopped.value)
    assert "sk-secret" not in str(stopped.value)


@pytest.mark.parametrize("status", [301, 400, 402, 405, 413, 415, 422, 501])
@pytest.mark.parametrize(
    "bad", [{5}, {0}, {199}, set(range(0, 200, 2)), set(range(50, 60))], ids=["one", "first", "last", "half", "ten"]
)
def test_requests_that_are_refused_among_good_ones_are_rejected(status: int, bad: set[int]) -> None:
    with running_raw_server(refused_where(lambda n: status if n in bad else None)) as server:
        verdicts = ask(judge_at(server.url))
    assert {n for n, found in enumerate(verdicts) if found.error_kind == "rejected"} == bad
    assert all(found.status == "correct" for n, found in enumerate(verdicts) if n not in bad)


def test_a_server_that_begins_to_refuse_stops_the_run() -> None:
    with running_raw_server(refused_where(lambda n: 402 if n >= 100 else None)) as server:
        with pytest.raises(ServiceError, match="HTTP 402"):
            ask(judge_at(server.url))
        assert len(server.requests) <= 124


def test_refusals_of_several_kinds_stop_the_run_too() -> None:
    with running_raw_server(refused_where(lambda n: (402, 405, 415)[n % 3])) as server:
        with pytest.raises(ServiceError, match="refused alike"):
            ask(judge_at(server.url))
        assert len(server.requests) <= 64


def test_failures_between_refusals_are_no_replies() -> None:
    with running_raw_server(refused_where(lambda n: (402, 500)[n % 2])) as server:
        with pytest.raises(ServiceError, match="refused alike"):
            ask(judge_at(server.url, max_retries=0, max_failures=10))
        assert len(server.requests) <= 24


def test_fewer_refusals_than_the_setting_allows_are_rejected_rows() -> None:
    with running_raw_server(refused_where(lambda n: 422)) as server:
        verdicts = ask(judge_at(server.url, max_failures=30), 29)
        assert {found.error_kind for found in verdicts} == {"rejected"}
        with pytest.raises(ServiceError, match="5 requests in a row"):
            ask(judge_at(server.url, max_failures=5), 29)


def test_a_form_that_is_learned_counts_as_no_refusal() -> None:
    """Sixteen requests at once are refused for their schema, then for JSON at all, and sent again in free text."""

    def answer(request: Request) -> Script:
        if "response_format" in request.body:
            return [(0.05, refusal(400, message="response_format is not supported"))]
        return [(0, plain(verdict(correct=True)))]

    with running_raw_server(answer) as server:
        verdicts = ask(judge_at(server.url, max_failures=3, max_concurrency=16), 40)
    assert [found.status for found in verdicts] == ["correct"] * 40


# --- servers that cannot be talked to ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody knows."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=judge.example"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def stops(url: str) -> tuple[str, str]:
    """What the check says before work starts, and what the work says."""
    judge = judge_at(url, max_failures=5)
    with pytest.raises(ServiceError) as before:
        judge.check()
    with pytest.raises(ServiceError) as during:
        ask(judge, 50)
    return str(before.value), str(during.value)


def good(_: Request) -> Script:
    return [(0, plain(verdict(correct=True)))]


def test_a_certificate_that_nobody_knows(tls: ssl.SSLContext) -> None:
    with running_raw_server(good, tls) as server:
        for message in stops(server.url):
            assert f"the certificate of {server.host} is not accepted (self-signed certificate)" in message
            assert "judge.base_url" in message
            assert "SSL_CERT_FILE" in message


def test_https_at_a_port_that_speaks_http() -> None:
    with running_raw_server(good) as server:
        for message in stops(server.url.replace("http:", "https:")):
            assert f"TLS: {server.host} does not speak https" in message
            assert "change judge.base_url to http://" in message


def test_http_at_a_port_that_speaks_https(tls: ssl.SSLContext) -> None:
    with running_raw_server(good, tls) as server:
        url = server.url.replace("https:", "http:")
        with pytest.raises(ServiceError, match=f"if {server.host} speaks https, change judge.base_url"):
            ask(judge_at(url, max_failures=5), 50)


@pytest.mark.parametrize("sent", [b"\x15\x03\x03\x00\x02\x02\x46", b"SSH-2.0-OpenSSH_9.2\r\n", b"220 mail ready\r\n"])
def test_a_port_that_speaks_something_else(sent: bytes) -> None:
    with (
        running_raw_server(lambda _: [(0, sent)]) as server,
        pytest.raises(ServiceError, match=f"{server.host} does not speak HTTP.*change judge.base_url"),
    ):
        ask(judge_at(server.url, max_failures=5), 50)


def test_a_name_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for message in stops("http://judge.example:8000/v1"):
        assert "the name judge.example cannot be resolved (DNS: Name or service not known)" in message
        assert "change judge.base_url" in message


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 402, 405, 413, 415, 422, 501])
def test_verify_ends_with_the_cause_and_leaves_the_rows_open(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from contextrl.commands.cli import main

    rows = [
        {"question": f"{n} + 2?", "solution": f"{n} + 2 = {n + 2}", "answer": str(n + 2), "response": f"number {n}: 5"}
        for n in range(200)
    ]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row | {"images": [], "answer_type": "number"}) + "\n" for row in rows))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("CONTEXTRL_CACHE", str(tmp_path / "cache"))

    def verify(url: str) -> int:
        command = ["contextrl", "judge", "verify", "--input", str(source), "--output", str(target), "--no-reports"]
        monkeypatch.setattr("sys.argv", [*command, "--base-url", url, "--model", "m"])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    with running_raw_server(refused_where(lambda n: status if n >= 30 else None)) as server:
        assert verify(server.url) == 3
    messages = " ".join(capsys.readouterr().err.split())
    assert f"HTTP {status}" in messages
    assert "in a row were refused alike" in messages
    assert "Traceback" not in messages
    written = [json.loads(line)["verdict"]["status"] for line in target.read_text().splitlines()]
    assert set(written) == {"correct"}
    with running_raw_server(refused_where(lambda n: status if n == 77 else None)) as server:
        assert verify(server.url) == 0
    written = [json.loads(line)["verdict"]["status"] for line in target.read_text().splitlines()]
    assert (written.count("correct"), written.count("unscored")) == (199, 1)
