"""A chat server with one answer for everything, in its own process, that counts what it was asked.

    python made_server.py [--says TEXT] [--latency SECONDS] [--fails SHARE]

`--fails`: the share of conversations, by their hash, that always end in HTTP 500. `GET /v1/log` tells how often each
conversation was asked.
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
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from aiohttp import web

from contextrl.miniature.chat_app import MAX_BODY_BYTES, completion_body, error_body, name_requests, serve_app

MODEL = "made"


def made_app(says: str, latency: float, fails: float) -> web.Application:
    asked: Counter[str] = Counter()

    async def complete(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        digest = hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()
        asked[digest] += 1
        await asyncio.sleep(latency)
        if int(digest[:8], 16) < fails * 16**8:
            return web.json_response(error_body("made to fail"), status=500)
        return web.json_response(completion_body(says, model=MODEL, prompt_tokens=10))

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": MODEL}]})

    async def log(_: web.Request) -> web.Response:
        return web.json_response(dict(asked))

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/v1/chat/completions", complete)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/v1/log", log)
    return name_requests(app)


@contextmanager
def serving(*command: str) -> Iterator[str]:
    """The address of a server that a command starts and names in its first line."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://[\w.:]+/v1", server.stdout.readline())
            assert found is not None
            yield found[0]
        finally:
            server.kill()


def made_server(*arguments: str) -> AbstractContextManager[str]:
    return serving(__file__, *arguments)


def asked_of(url: str) -> dict[str, int]:
    """How often each conversation was asked."""
    with urllib.request.urlopen(f"{url}/log") as reply:
        return dict(json.loads(reply.read()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--says", default="The answer is A.")
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--fails", type=float, default=0.0)
    arguments = parser.parse_args()
    app = made_app(arguments.says, arguments.latency, arguments.fails)
    asyncio.run(serve_app(app, "127.0.0.1", 0, "{url}"))


if __name__ == "__main__":
    main()
