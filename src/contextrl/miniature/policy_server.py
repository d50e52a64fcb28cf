"""A policy behind OpenAI's chat completions, small and slow: evaluation through a server, tried without a GPU.

Requests that come while others are answered are answered together in the next batch. For anything but a miniature
model use an engine that is made for serving.

    python -m contextrl.miniature.policy_server runs/demo --port 8378
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from aiohttp import web

from contextrl.data.pictures import picture
from contextrl.errors import ContextRLError, InputError
from contextrl.evaluation.generation import Draws, Response, generate_batch
from contextrl.miniature import BASE_POLICY
from contextrl.miniature.chat_app import MAX_BODY_BYTES, completion_body, error_body, name_requests, serve_app
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example, ImageHandle
from contextrl.records.run_directory import RunDirectory

#: Most prompts of one batch.
_BATCH = 64
_DEFAULT_TOKENS, _LONGEST = 256, 512


@dataclass(frozen=True)
class Way:
    """How an answer is drawn: only those of one way can be drawn together.

    Attributes:
        temperature: 0 is greedy.
    """

    temperature: float
    top_p: float | None
    top_k: int | None


@dataclass(frozen=True)
class Asked:
    """One request: its question with pictures, how its answer is drawn, how long it may be, and where it goes."""

    example: Example
    way: Way
    seed: int
    max_tokens: int
    answer: asyncio.Future[Response]


class PolicyApp:
    """Answers of one model: greedy, or drawn with the seed that the request names, whatever is drawn beside it.

    Args:
        path: of the model, as in a configuration.
        name: what clients call it.
    """

    def __init__(self, path: str, name: str) -> None:
        config = policy_config(path)
        self.name = name
        self.model = load_policy(path)
        self.prompting = Prompting(load_processor(path, config, None, None))
        self._thread = ThreadPoolExecutor(max_workers=1)

    def app(self) -> web.Application:
        """The two routes that clients of chat models ask."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.cleanup_ctx.append(self._working)
        return name_requests(app)

    async def _working(self, _: web.Application) -> AsyncIterator[None]:
        self._queue: asyncio.Queue[Asked] = asyncio.Queue()
        worker = asyncio.create_task(self._work())
        yield
        worker.cancel()

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": self.name, "object": "model"}]})

    async def _complete(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read())
            asked = _asked(body, asyncio.get_running_loop().create_future())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InputError) as error:
            return web.json_response(error_body(f"no conversation that can be answered: {error}"[:300]), status=400)
        await self._queue.put(asked)
        try:
            response = await asked.answer
        except ContextRLError as error:
            return web.json_response(error_body(str(error)[:300]), status=400)
        words = len(asked.example.question.split())
        reason = "length" if response.truncated else "stop"
        return web.json_response(
            completion_body(response.text, model=self.name, prompt_tokens=words, finish_reason=reason)
        )

    async def _work(self) -> None:
        """Answer what has come, together."""
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty() and len(batch) < _BATCH:
                batch.append(self._queue.get_nowait())
            for way in dict.fromkeys(asked.way for asked in batch):
                await self._answer([asked for asked in batch if asked.way == way])

    async def _answer(self, batch: list[Asked]) -> None:
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self._thread, self._answers, batch)
        except Exception as error:  # one request's picture must not end the server
            for asked in batch:
                _fail(asked, InputError("a conversation that can be answered", found=str(error)[:200]))
            return
        for asked, response in zip(batch, answers, strict=True):
            if not asked.answer.done():
                asked.answer.set_result(response)

    def _answers(self, batch: list[Asked]) -> list[Response]:
        """Of requests that are drawn in one way; similar lengths side by side."""
        way, draws = batch[0].way, None
        if way.temperature > 0:
            draws = Draws(way.temperature, [asked.seed for asked in batch], way.top_p, way.top_k)
        longest = max(asked.max_tokens for asked in batch)
        with torch.no_grad():
            return generate_batch(
                self.model,
                self.prompting.tokenizer,
                self.prompting.prompts([asked.example for asked in batch]),
                max_new_tokens=min(longest, _LONGEST),
                draws=draws,
            )


def _fail(asked: Asked, error: InputError) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(error)


def _asked(body: dict[str, Any], answer: asyncio.Future[Response]) -> Asked:
    """A request from its body; settings that are not read here change nothing, as those of OpenAI's API do not."""
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or _DEFAULT_TOKENS
    top_p, top_k = body.get("top_p"), body.get("top_k")
    way = Way(
        float(body.get("temperature") or 0.0),
        None if top_p is None else float(top_p),
        None if top_k is None else int(top_k),
    )
    if not 0 <= way.temperature < float("inf") or not 0 < (1.0 if way.top_p is None else way.top_p) <= 1:
        raise ValueError("temperature is at least 0, top_p above 0 and at most 1")
    seed = body.get("seed")
    return Asked(
        _example(body["messages"]), way, secrets.randbits(48) if seed is None else int(seed), int(limit), answer
    )


def _example(messages: list[dict[str, Any]]) -> Example:
    """The user's text and pictures; what a system turn says stands before the question."""
    texts: list[str] = []
    images: list[ImageHandle] = []
    for message in messages:
        content = message["content"]
        parts: list[dict[str, Any]] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for part in parts:
            if part["type"] == "text":
                texts.append(str(part["text"]))
            else:
                images.append(picture(part["image_url"]["url"], where="image_url", base=None))
    return Example("asked", "\n".join(texts), solution="", answer="", images=images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="miniature", help="a run directory or a model's folder")
    parser.add_argument("--name", default="miniature-policy")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8378)
    arguments = parser.parse_args()
    run = RunDirectory(Path(arguments.model))
    path = str(BASE_POLICY) if arguments.model == "miniature" else str(run.model if run.exists() else arguments.model)
    app = PolicyApp(path, arguments.name).app()
    shown = arguments.name.replace("{", "{{").replace("}", "}}")
    try:
        asyncio.run(serve_app(app, arguments.host, arguments.port, f"{{url}}, model {shown}. Ctrl-C ends it."))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
