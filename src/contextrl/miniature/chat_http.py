"""A small HTTP/1.1 server for chat completions: one process, one event loop, kept-alive connections.

Enough of HTTP for clients of OpenAI-compatible servers, and open to what a test wants to go wrong: the handler gets the
transport and may cut it, hold it, or feed it byte by byte.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_MAX_HEADER_BYTES = 64 * 2**10
_MAX_BODY_BYTES = 64 * 2**20
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 413: "Payload Too Large"}


@dataclass(frozen=True)
class HttpRequest:
    """One request; `body` is undecoded."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Connection(asyncio.Protocol):
    """Cuts a connection's bytes into requests and hands each to `handle(request, transport)`."""

    def __init__(self, handle: Callable[[HttpRequest, asyncio.Transport], None]) -> None:
        self._handle = handle
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end])
            try:
                method, path, headers = _parse_head(head)
                length = int(headers.get("content-length", "0"))
            except ValueError:
                self._refuse(400, "not an HTTP request")
                return
            if length > _MAX_BODY_BYTES or length < 0:
                self._refuse(413, f"a body of at most {_MAX_BODY_BYTES} bytes")
                return
            if len(self._received) < end + 4 + length:
                return
            body = bytes(self._received[end + 4 : end + 4 + length])
            del self._received[: end + 4 + length]
            self._handle(HttpRequest(method, path, headers, body), self._transport)
        if len(self._received) > _MAX_HEADER_BYTES:
            self._refuse(413, f"headers of at most {_MAX_HEADER_BYTES} bytes")

    def _refuse(self, status: int, message: str) -> None:
        self._transport.write(json_response(error_body(message), status))
        self._transport.close()


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, path and headers (names in lower case)."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = dict(line.split(":", 1) for line in lines)
    return method, path, {name.strip().lower(): value.strip() for name, value in headers.items()}


def response(body: bytes, status: int = 200, content_type: str = "application/json", **headers: str) -> bytes:
    """A whole HTTP response."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}", f"Content-Type: {content_type}"]
    lines += [
        f"Content-Length: {len(body)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def json_response(body: Any, status: int = 200, **headers: str) -> bytes:
    """A whole HTTP response with a JSON body."""
    return response(json.dumps(body).encode("ascii"), status, **headers)


def error_body(message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    """An error as OpenAI's API writes it."""
    return {"error": {"message": message, "type": kind, "code": None}}


def completion_body(
    content: str | None, *, model: str, prompt_tokens: int, finish_reason: str = "stop", **message: Any
) -> dict[str, Any]:
    """A chat completion; tokens are counted as words."""
    completion_tokens = len((content or "").split())
    return {
        "id": "chatcmpl-miniature",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


async def listen(
    handle: Callable[[HttpRequest, asyncio.Transport], None], host: str, port: int
) -> tuple[asyncio.Server, str]:
    """Start serving; returns the server and its base URL, `http://host:port/v1`."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(handle), host, port, backlog=1024)
    bound = server.sockets[0].getsockname()[1]
    return server, f"http://{host}:{bound}/v1"
