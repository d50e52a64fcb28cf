"""A chat server that fails on demand, in its own process.

    python fault_server.py [--port 0] [--latency SECONDS] [--plain]

prints its base URL. With --plain every request gets the same verdict, unread, after the latency: for throughput.
Otherwise a request's last user text tells what happens to it, so that it does not depend on the order in which requests
come:

    FAULT=<kind>      every time      FAULT=<kind>x<n>   the first n requests of this conversation, then well
    TRUTH=<outcome>   what a good reply says: correct (default), incorrect, false_positive
    LEAK=yes          the mistake report states the reference answer     ALONE=no

or for all of them by `POST /control {"fault": kind, "latency": seconds}`; kind `mixed` picks one by the conversation's
hash. `GET /log` tells what was seen, `POST /reset` forgets it. A server that cannot be reached is a closed port:
`FaultServer.kill`.

Kinds: read_hang, slow_bytes, cut_before, cut_middle; status_<code> and status_429_retry_after; html_200, no_choices,
empty_choices, no_usage, huge_usage, huge_length; missing, off_menu, contradictory, truncated (whole when asked with
more room), truncated_always, empty, null, refusal_field, refusal_prose, content_filter, wrong_language; schema_refused,
schema_ignored, think_tags, reasoning_content, reasoning_only, leaks_key, echo_key_<place>.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from contextrl.miniature.chat_app import MAX_BODY_BYTES, completion_body, error_body, name_requests, serve_app

_MARK = re.compile(r"\b(FAULT|TRUTH|ALONE|LEAK)=(\w+)")
_ANSWER = re.compile(r"<reference_answer>\n(.*)\n</reference_answer>")
#: What `mixed` draws from; about a third of the conversations are well.
MIXED = (
    *("ok",) * 14,
    *("status_429x1", "status_500x2", "cut_beforex1", "cut_middlex1", "html_200x1", "empty_choicesx1", "slow_bytesx1"),
    *("read_hangx1", "truncated", "schema_ignored", "think_tags", "reasoning_content", "no_usage"),
    *("missing", "off_menu", "contradictory", "truncated_always", "empty", "null", "refusal_field"),
    *("refusal_prose", "content_filter", "wrong_language", "status_400", "status_500", "cut_before"),
)
RETRY_AFTER = "0.3"
_SLOW_PIECE, _SLOW_PAUSE = 20, 0.2
#: aiohttp does not know what went past it, so the connection cannot be kept.
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"


@dataclass
class Log:
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    delivered: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    max_tokens: dict[str, int] = field(default_factory=dict)
    in_flight: int = 0
    most_in_flight: int = 0


class FaultyChat:
    """Answers requests as their marks say."""

    def __init__(self, latency: float = 0.0) -> None:
        self.latency = latency
        self.fault: str | None = None
        self.log = Log()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/control", self._control)
        app.router.add_post("/reset", self._reset)
        app.router.add_get("/log", self._show_log)
        app.router.add_get("/v1/models", _models)
        app.router.add_post("/v1/chat/completions", self._complete)
        return app

    async def _control(self, request: web.Request) -> web.Response:
        settings = await request.json()
        self.fault, self.latency = settings.get("fault"), settings.get("latency", self.latency)
        return web.json_response({})

    async def _reset(self, _: web.Request) -> web.Response:
        self.log = Log()
        return web.json_response({})

    async def _show_log(self, _: web.Request) -> web.Response:
        names = ("requests", "faults", "delivered", "most_in_flight")
        return web.json_response({name: getattr(self.log, name) for name in names})

    async def _complete(self, request: web.Request) -> web.Response:
        body = await request.json()
        log = self.log
        log.requests += 1
        log.in_flight += 1
        log.most_in_flight = max(log.most_in_flight, log.in_flight)
        try:
            await asyncio.sleep(self.latency)
        finally:
            log.in_flight -= 1
        return await self._answer(request, body)

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        text = body["messages"][-1]["content"][-1]["text"]
        conversation = hashlib.sha256(json.dumps([body["model"], body["messages"]]).encode()).hexdigest()
        marks = dict(_MARK.findall(text))
        fault = self._fault(marks, conversation, body)
        if fault != "ok":
            self.log.faults[fault] += 1
        if fault in _DELIVERING:
            self.log.delivered[conversation] += 1
        good = _good_reply(body, marks, text)
        if fault in _WELL:
            return _WELL[fault](good)
        if fault in _SAID:
            return _say(**_SAID[fault])
        if fault in _ON_THE_WIRE:
            return await _ON_THE_WIRE[fault](request, good)
        return _refused(fault, request)

    def _fault(self, marks: dict[str, str], conversation: str, body: dict[str, Any]) -> str:
        """The fault of this request; one for the first n requests counts them per conversation."""
        fault = marks.get("FAULT", self.fault) or "ok"
        if fault == "mixed":
            fault = MIXED[int(conversation[:8], 16) % len(MIXED)]
        self.log.seen[conversation] += 1
        kind, times, number = fault.rpartition("x")
        if times and kind and number.isdigit():
            fault = kind if self.log.seen[conversation] <= int(number) else "ok"
        if fault == "truncated":
            first = self.log.max_tokens.setdefault(conversation, body["max_tokens"])
            fault = "truncated_always" if body["max_tokens"] <= first else "ok"
        if fault in ("schema_refused", "schema_ignored") and "response_format" not in body:
            fault = "free_text"
        return fault


def _good_reply(body: dict[str, Any], marks: dict[str, str], text: str) -> dict[str, Any]:
    """What a judge without faults says."""
    task = text.rpartition("\nTask: ")[2].partition("\n")[0]
    report = "Step 2 adds wrongly."
    if "LEAK" in marks and (answer := _ANSWER.search(text)):
        report = f"It should be {answer[1]}."
    if task == "report":
        return {"analysis": "x", "step": 2, "mistake_report": report}
    truth, alone = marks.get("TRUTH", "correct"), marks.get("ALONE") != "no"
    right = truth == "correct" and alone
    reply = {
        "analysis": "x",
        "self_consistent": alone,
        "answer_correct": truth != "incorrect",
        "process_correct": right,
    }
    both = {"step": 0 if right else 2, "mistake_report": report if alone and not right else ""}
    return reply | (both if task == "verify_and_report" else {})


async def _models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "m"}]})


# --- faults in what is said -----------------------------------------------------------------------


def _say(content: str | None, finish_reason: str = "stop", **message: Any) -> web.Response:
    body = completion_body(content, model="m", prompt_tokens=100, finish_reason=finish_reason, **message)
    return web.json_response(body)


def _free_text(good: dict[str, Any]) -> web.Response:
    words = {True: "correct", False: "incorrect"}
    lines = ["I looked at every step."]
    lines += [f"{n.removesuffix('_correct').title()}: {words[v]}" for n, v in good.items() if isinstance(v, bool)]
    if "mistake_report" in good:
        lines.append(f"Mistake report: {good['mistake_report']}")
    return _say("\n".join(lines))


def _think_tags(good: dict[str, Any]) -> web.Response:
    draft = {name: not value if isinstance(value, bool) else value for name, value in good.items()}
    return _say(f"<think>{json.dumps(draft)} no, wait</think>{json.dumps(good)}")


def _no_usage(good: dict[str, Any]) -> web.Response:
    reply = completion_body(json.dumps(good), model="m", prompt_tokens=0)
    del reply["usage"]
    return web.json_response(reply)


def _huge_usage(good: dict[str, Any]) -> web.Response:
    reply = completion_body(json.dumps(good), model="m", prompt_tokens=0)
    reply["usage"]["prompt_tokens"] = 10**400
    return web.json_response(reply)


def _half(good: dict[str, Any]) -> web.Response:
    text = json.dumps(good)
    return _say(text[: len(text) // 2], "length")


#: Kinds that say the good reply, or a part of it, in their own way.
_WELL: dict[str, Callable[[dict[str, Any]], web.Response]] = {
    "ok": lambda good: _say(json.dumps(good)),
    "free_text": _free_text,
    "schema_ignored": _free_text,
    "think_tags": _think_tags,
    "reasoning_content": lambda good: _say(json.dumps(good), reasoning_content="Verdict: incorrect"),
    "no_usage": _no_usage,
    "huge_usage": _huge_usage,
    "truncated_always": _half,
}
#: Kinds that say the same whatever the good reply is.
_SAID: dict[str, dict[str, Any]] = {
    "reasoning_only": {"content": None, "reasoning_content": "Let me see"},
    "missing": {"content": "The response talks about digits."},
    "off_menu": {"content": json.dumps({"answer_correct": True, "process_correct": 0.7})},
    "contradictory": {"content": "Answer: correct\nProcess: correct\nVerdict: incorrect"},
    "empty": {"content": ""},
    "null": {"content": None},
    "refusal_field": {"content": None, "refusal": "I can't help with that."},
    "refusal_prose": {"content": "I'm sorry, but I can't assist with that."},
    "content_filter": {"content": "", "finish_reason": "content_filter"},
    "wrong_language": {"content": "Рассуждение неверно, ответ тоже."},
}
#: Kinds that still deliver a verdict.
_DELIVERING = (
    "ok",
    "free_text",
    "schema_ignored",
    "think_tags",
    "reasoning_content",
    "no_usage",
    "huge_usage",
    "slow_bytes",
)


# --- faults of the server -------------------------------------------------------------------------


def _refused(fault: str, request: web.Request) -> web.Response:
    """Replies that are no completion."""
    if fault == "html_200":
        return web.Response(body=b"<html><body>Welcome to nginx</body></html>", content_type="text/html")
    if fault == "no_choices":
        return web.json_response({"object": "chat.completion"})
    if fault == "empty_choices":
        return web.json_response({"choices": []})
    if fault == "schema_refused":
        return web.json_response(error_body("response_format of type json_schema is not supported"), status=400)
    if fault == "leaks_key":
        key = request.headers.get("Authorization", "")
        return web.json_response(error_body(f"bad request with {key}"), status=400)
    if fault.startswith("echo_key_"):
        return _echo(fault.removeprefix("echo_key_"), request.headers.get("Authorization", "").removeprefix("Bearer "))
    if fault == "status_429_retry_after":
        return web.json_response(error_body("slow down"), status=429, headers={"Retry-After": RETRY_AFTER})
    if not fault.startswith("status_"):
        raise ValueError(f"no such fault: {fault}")
    return web.json_response(error_body(f"as asked: {fault}"), status=int(fault.removeprefix("status_")))


def _echo(place: str, key: str) -> web.Response:
    """A reply with the key in a place where it would be kept."""
    good = {"analysis": "x", "answer_correct": False, "process_correct": False, "mistake_report": "Step 2 is wrong."}
    if place == "refusal":
        return _say(None, refusal=f"not for {key}")
    if place == "text":
        return _say(f"I was asked with {key}.")
    if place == "value":
        return _say(json.dumps(good | {"answer_correct": key}))
    if place == "escaped":
        spelled = "".join(f"\\u{ord(letter):04x}" for letter in key)
        return _say(json.dumps(good).replace("Step 2", f"Step 2 {spelled}"))
    return _say(json.dumps(good | {place: f"see {key}"}))


# --- faults on the wire, past aiohttp: it gets a response that a closed connection swallows -------------------------


def _transport(request: web.Request) -> asyncio.Transport:
    assert isinstance(request.transport, asyncio.Transport)
    return request.transport


def _whole(good: dict[str, Any]) -> bytes:
    """The bytes of a good reply, head and body."""
    body = json.dumps(completion_body(json.dumps(good), model="m", prompt_tokens=1)).encode("ascii")
    return _HEAD % len(body) + body


async def _until_the_client_leaves() -> web.Response:
    """Never says anything; a handler is cancelled with its connection."""
    await asyncio.Event().wait()
    raise AssertionError("nothing sets the event")


async def _read_hang(request: web.Request, good: dict[str, Any]) -> web.Response:
    return await _until_the_client_leaves()


async def _huge_length(request: web.Request, good: dict[str, Any]) -> web.Response:
    _transport(request).write(_HEAD % 99_999_999_999 + b"{")
    return await _until_the_client_leaves()


async def _slow_bytes(request: web.Request, good: dict[str, Any]) -> web.Response:
    data, transport = _whole(good), _transport(request)
    for start in range(0, len(data), _SLOW_PIECE):
        transport.write(data[start : start + _SLOW_PIECE])
        await asyncio.sleep(_SLOW_PAUSE)
    transport.close()
    return web.Response()


async def _cut_before(request: web.Request, good: dict[str, Any]) -> web.Response:
    _transport(request).abort()
    return web.Response()


async def _cut_middle(request: web.Request, good: dict[str, Any]) -> web.Response:
    data, transport = _whole(good), _transport(request)
    transport.write(data[: len(data) // 2])
    transport.close()
    return web.Response()


_ON_THE_WIRE: dict[str, Callable[[web.Request, dict[str, Any]], Awaitable[web.Response]]] = {
    "read_hang": _read_hang,
    "huge_length": _huge_length,
    "slow_bytes": _slow_bytes,
    "cut_before": _cut_before,
    "cut_middle": _cut_middle,
}


# --- the process ----------------------------------------------------------------------------------


def plain_app(latency: float) -> web.Application:
    """The same verdict for every request, as fast as it goes."""
    verdict = json.dumps({"analysis": "x", "answer_correct": True, "process_correct": True})
    data = json.dumps(completion_body(verdict, model="m", prompt_tokens=100)).encode("ascii")

    async def complete(_: web.Request) -> web.Response:
        await asyncio.sleep(latency)
        return web.Response(body=data, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    return name_requests(app)


class FaultServer:
    """The server in its own process, as a test sees it."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, __file__, *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def control(self, **settings: Any) -> None:
        self._post("/control", settings)

    def reset(self) -> None:
        self._post("/reset", {})

    def log(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/log", timeout=30) as reply:
            return dict(json.load(reply))

    def _post(self, path: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(self.url.removesuffix("/v1") + path, json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=30):
            pass

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def running_fault_server(*arguments: str) -> Iterator[FaultServer]:
    server = FaultServer(*arguments)
    try:
        yield server
    finally:
        server.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--plain", action="store_true")
    chosen = parser.parse_args()
    chosen_app = plain_app(chosen.latency) if chosen.plain else FaultyChat(chosen.latency).app()
    asyncio.run(serve_app(chosen_app, "127.0.0.1", chosen.port, "{url}"))
