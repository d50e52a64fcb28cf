"""What servers of chat completions share: bodies as OpenAI's API writes them, and how such a server is run."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aiohttp import web

#: Largest request: a conversation with its images.
MAX_BODY_BYTES = 64 * 2**20
#: Seconds that replies under way get when the server ends.
_SHUTDOWN_SECONDS = 0.1
_BACKLOG = 1024


def error_body(message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    """An error as OpenAI's API writes it."""
    return {"error": {"message": message, "type": kind, "code": None}}


def completion_body(
    content: str | None, *, model: str, prompt_tokens: int, finish_reason: str = "stop", **message: Any
) -> dict[str, Any]:
    """A chat completion; tokens are counted as words.

    Args:
        content: what the assistant says; None where it says nothing.
        message: further fields of the message.
    """
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


async def serve_app(app: web.Application, host: str, port: int, first_line: str) -> None:
    """Serve until cancelled. A handler is cancelled when its client leaves.

    Args:
        host, port: where; port 0 takes a free one.
        first_line: written when the server listens, `{url}` in it standing for `http://host:port/v1`.

    Raises:
        OSError: the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        bound = runner.addresses[0][1]
        sys.stdout.write(first_line.format(url=f"http://{host}:{bound}/v1") + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def name_requests(app: web.Application) -> web.Application:
    """Let the app say which request a reply is to, so that a client may keep its connections."""

    async def name(request: web.Request, response: web.StreamResponse) -> None:
        if request_id := request.headers.get("X-Request-Id"):
            response.headers["X-Request-Id"] = request_id

    app.on_response_prepare.append(name)
    return app
