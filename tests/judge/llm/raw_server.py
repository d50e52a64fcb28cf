"""A chat server that writes bytes of a test's choice, in a thread: for what a proper HTTP server never sends."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

#: What follows a request on its connection: seconds to wait, then bytes to write.
Script = Sequence[tuple[float, bytes]]
_TLS_HELLO = b"\x16"
_NUMBER = re.compile(r"number (\d+)")


@dataclass
class Request:
    """One request.

    Attributes:
        number: how many came before, on all connections.
        body: its JSON.
        headers: names in small letters.
    """

    number: int
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def asked(self) -> int:
        """n of the `number n` in the last message: what a test counts its requests by."""
        found = _NUMBER.search(json.dumps(self.body["messages"][-1]))
        assert found is not None
        return int(found[1])


def completion(content: Any, **fields: Any) -> bytes:
    """A completion's body that says `content`; `fields` are further ones of the body."""
    said = content if isinstance(content, str) else json.dumps(content)
    body = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}]}
    return json.dumps(body | fields).encode()


def verdict(*, correct: bool, **fields: Any) -> bytes:
    """A completion with one verdict on answer and process."""
    return completion({"analysis": "x", "answer_correct": correct, "process_correct": correct}, **fields)


def plain(body: bytes, status: str = "200 OK", headers: str = "", *, length: int | None = None) -> bytes:
    """A response with a Content-Length, the right one unless `length` is another."""
    announced = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {announced}\r\n\r\n"
    return head.encode() + body


def chunked(body: bytes) -> bytes:
    """A response in two chunks."""
    half = len(body) // 2
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:half], body[half:], b""))
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces


@dataclass
class RawServer:
    """Answers every POST by its script, and GET /v1/models with the model `m`."""

    script: Callable[[Request], Script]
    tls: ssl.SSLContext | None = None
    host: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}/v1"

    async def serve(self, connect: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                first = await connect.readexactly(1)
                if first == _TLS_HELLO:
                    answer.write(plain(b"", "400 Bad Request"))
                    return
                head = (first + await connect.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                pairs = (line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                data = await connect.readexactly(int(headers.get("content-length", "0")))
                if head[0].startswith("GET"):
                    script: Script = [(0.0, plain(b'{"data": [{"id": "m"}]}'))]
                else:
                    request = Request(len(self.requests), json.loads(data), headers)
                    self.requests.append(request)
                    script = self.script(request)
                for seconds, piece in script:
                    await asyncio.sleep(seconds)
                    answer.write(piece)
                    await answer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            answer.close()


@contextmanager
def running_raw_server(script: Callable[[Request], Script], tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    server, ready = RawServer(script, tls), threading.Event()
    ends: list[Callable[[], object]] = []

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
        server.host = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        ends.append(lambda: loop.call_soon_threadsafe(stop.set))
        ready.set()
        await stop.wait()
        listening.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        ends[0]()
        thread.join(10)
