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
empty_choices, no_usage, huge_length; missing, off_menu, contradictory, truncated (whole when asked with more room),
truncated_always, empty, null, refusal_field, refusal_prose, content_filter, wrong_language; schema_refused,
schema_ignored, think_tags, reasoning_content, reasoning_only, leaks_key.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from contextrl.miniature.chat_http import (
    HttpRequest,
    completion_body,
    error_body,
    json_response,
    listen,
    response,
)

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

    def handle(self, request: HttpRequest, transport: asyncio.Transport) -> None:
        if request.path == "/control":
            settings = json.loads(request.body)
            self.fault, self.latency = settings.get("fault"), settings.get("latency", self.latency)
            transport.write(json_response({}))
        elif request.path == "/reset":
            self.log = Log()
            transport.write(json_response({}))
        elif request.path == "/log":
            log = self.log
            transport.write(
                json_response(
                    {
                        "requests": log.requests,
                        "faults": log.faults,
                        "delivered": log.delivered,
                        "most_in_flight": log.most_in_flight,
                    }
                )
            )
        elif request.path == "/v1/models":
            transport.write(json_response({"object": "list", "data": [{"id": "m"}]}))
        else:
            self.log.in_flight += 1
            self.log.most_in_flight = max(self.log.most_in_flight, self.log.in_flight)
            loop = asyncio.get_running_loop()
            loop.call_later(self.latency, self._answer, request, transport)

    def _answer(self, request: HttpRequest, transport: asyncio.Transport) -> None:
        self.log.in_flight -= 1
        self.log.requests += 1
        if transport.is_closing():
            return
        body = json.loads(request.body)
        text = body["messages"][-1]["content"][-1]["text"]
        conversation = hashlib.sha256(json.dumps([body["model"], body["messages"]]).encode()).hexdigest()
        marks = dict(_MARK.findall(text))
        fault = self._fault(marks, conversation, body)
        if fault != "ok":
            self.log.faults[fault] += 1
        good = self._good_reply(body, marks, text)
        getattr(self, f"_{fault}", self._status)(transport, body, good, fault, request)
        if fault in ("ok", *_DELIVERING) and not (fault == "truncated" and "max_tokens" not in body):
            self.log.delivered[conversation] += 1

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

    def _good_reply(self, body: dict[str, Any], marks: dict[str, str], text: str) -> dict[str, Any]:
        task = body["messages"][0]["content"].partition("\n")[0].removeprefix("Task: ")
        if task == "report":
            report = "Step 2 adds wrongly."
            if "LEAK" in marks and (answer := _ANSWER.search(text)):
                report = f"It should be {answer[1]}."
            return {"analysis": "x", "step": 2, "mistake_report": report}
        truth = marks.get("TRUTH", "correct")
        reply = {"analysis": "x", "answer_correct": truth != "incorrect", "process_correct": truth == "correct"}
        return reply | ({"standalone": marks.get("ALONE") != "no"} if task == "retry" else {})

    # ---- one method per kind; each writes what the client gets -----------------------------------------------------

    def _say(self, transport: asyncio.Transport, content: str | None, finish: str = "stop", **message: Any) -> None:
        body = completion_body(content, model="m", prompt_tokens=100, finish_reason=finish, **message)
        transport.write(json_response(body))

    def _ok(self, transport: Any, body: Any, good: Any, *_: Any) -> None:
        self._say(transport, json.dumps(good))

    def _free_text(self, transport: Any, body: Any, good: Any, *_: Any) -> None:
        words = {True: "correct", False: "incorrect"}
        lines = ["I looked at every step."]
        lines += [f"{n.removesuffix('_correct').title()}: {words[v]}" for n, v in good.items() if isinstance(v, bool)]
        if "mistake_report" in good:
            lines.append(f"Mistake report: {good['mistake_report']}")
        self._say(transport, "\n".join(lines))

    _schema_ignored = _free_text

    def _schema_refused(self, transport: Any, *_: Any) -> None:
        transport.write(json_response(error_body("response_format of type json_schema is not supported"), 400))

    def _think_tags(self, transport: Any, body: Any, good: Any, *_: Any) -> None:
        draft = {name: not value if isinstance(value, bool) else value for name, value in good.items()}
        self._say(transport, f"<think>{json.dumps(draft)} no, wait</think>{json.dumps(good)}")

    def _reasoning_content(self, transport: Any, body: Any, good: Any, *_: Any) -> None:
        self._say(transport, json.dumps(good), reasoning_content="Verdict: incorrect")

    def _reasoning_only(self, transport: Any, *_: Any) -> None:
        self._say(transport, None, "stop", reasoning_content="Let me see")

    def _no_usage(self, transport: Any, body: Any, good: Any, *_: Any) -> None:
        reply = completion_body(json.dumps(good), model="m", prompt_tokens=0)
        del reply["usage"]
        transport.write(json_response(reply))

    def _truncated_always(self, transport: Any, body: Any, good: Any, *_: Any) -> None:
        self._say(transport, json.dumps(good)[: len(json.dumps(good)) // 2], "length")

    def _missing(self, transport: Any, *_: Any) -> None:
        self._say(transport, "The response talks about digits.")

    def _off_menu(self, transport: Any, *_: Any) -> None:
        self._say(transport, json.dumps({"answer_correct": True, "process_correct": 0.7}))

    def _contradictory(self, transport: Any, *_: Any) -> None:
        self._say(transport, "Answer: correct\nProcess: correct\nVerdict: incorrect")

    def _empty(self, transport: Any, *_: Any) -> None:
        self._say(transport, "")

    def _null(self, transport: Any, *_: Any) -> None:
        self._say(transport, None)

    def _refusal_field(self, transport: Any, *_: Any) -> None:
        self._say(transport, None, refusal="I can't help with that.")

    def _refusal_prose(self, transport: Any, *_: Any) -> None:
        self._say(transport, "I'm sorry, but I can't assist with that.")

    def _content_filter(self, transport: Any, *_: Any) -> None:
        self._say(transport, "", "content_filter")

    def _wrong_language(self, transport: Any, *_: Any) -> None:
        self._say(transport, "Рассуждение неверно, ответ тоже.")

    def _html_200(self, transport: Any, *_: Any) -> None:
        transport.write(response(b"<html><body>Welcome to nginx</body></html>", content_type="text/html"))

    def _no_choices(self, transport: Any, *_: Any) -> None:
        transport.write(json_response({"object": "chat.completion"}))

    def _empty_choices(self, transport: Any, *_: Any) -> None:
        transport.write(json_response({"choices": []}))

    def _huge_length(self, transport: Any, *_: Any) -> None:
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{")

    def _read_hang(self, *_: Any) -> None:
        """Nothing ever comes."""

    def _slow_bytes(self, transport: Any, body: Any, good: Any, *_: Any) -> None:
        data = json_response(completion_body(json.dumps(good), model="m", prompt_tokens=1))
        pieces = [data[start : start + _SLOW_PIECE] for start in range(0, len(data), _SLOW_PIECE)]
        loop = asyncio.get_running_loop()
        for number, piece in enumerate(pieces):
            loop.call_later(number * _SLOW_PAUSE, _write_if_open, transport, piece)

    def _cut_before(self, transport: Any, *_: Any) -> None:
        transport.abort()

    def _cut_middle(self, transport: Any, body: Any, good: Any, *_: Any) -> None:
        data = json_response(completion_body(json.dumps(good), model="m", prompt_tokens=1))
        transport.write(data[: len(data) // 2])
        transport.close()

    def _status_429_retry_after(self, transport: Any, *_: Any) -> None:
        transport.write(json_response(error_body("slow down"), 429, Retry_After=RETRY_AFTER))

    def _leaks_key(self, transport: Any, body: Any, good: Any, fault: str, request: HttpRequest) -> None:
        key = request.headers.get("authorization", "")
        transport.write(json_response(error_body(f"bad request with {key}"), 400))

    def _status(self, transport: Any, body: Any, good: Any, fault: str, *_: Any) -> None:
        if not fault.startswith("status_"):
            raise ValueError(f"no such fault: {fault}")
        transport.write(json_response(error_body(f"as asked: {fault}"), int(fault.removeprefix("status_"))))


def _write_if_open(transport: asyncio.Transport, data: bytes) -> None:
    if not transport.is_closing():
        transport.write(data)


#: Faults that still deliver a verdict.
_DELIVERING = ("free_text", "schema_ignored", "think_tags", "reasoning_content", "no_usage", "slow_bytes")


def plain(latency: float) -> Callable[[HttpRequest, asyncio.Transport], None]:
    """The same verdict for every request, as fast as it goes."""
    verdict = json.dumps({"analysis": "x", "answer_correct": True, "process_correct": True})
    data = json_response(completion_body(verdict, model="m", prompt_tokens=100))
    loop = asyncio.get_running_loop()
    return lambda _, transport: loop.call_later(latency, transport.write, data)


async def serve(port: int, latency: float, *, is_plain: bool) -> None:
    handle = plain(latency) if is_plain else FaultyChat(latency).handle
    server, url = await listen(handle, "127.0.0.1", port)
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    await server.serve_forever()


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
    asyncio.run(serve(chosen.port, chosen.latency, is_plain=chosen.plain))
