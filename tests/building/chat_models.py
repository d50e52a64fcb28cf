"""Models behind HTTP for tests of a build's steps: a function from a request to what is said, and what was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raw_server import RawServer, Request, Script, completion, plain, running_raw_server

from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context
from contextrl.judge.llm.completions import Completions, completions_of
from contextrl.judge.llm.naming import Naming
from contextrl.judge.settings import ServerConfig

USAGE = {"prompt_tokens": 10, "completion_tokens": 5}
#: A status in place of a reply; a message as it is sent.
Reply = str | int | tuple[str, str] | dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request: its whole text, and its body."""

    text: str
    body: dict[str, Any]

    @property
    def seed(self) -> int:
        return int(self.body["seed"])


@dataclass
class ChatModel:
    """What was asked of one server."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def chat_model(says: Callable[[Asked], Reply], seconds: Callable[[int], float] = lambda _: 0.0) -> Iterator[ChatModel]:
    """A server.

    Args:
        says: what it replies: a text, a text with its finish reason, a message, or an HTTP status.
        seconds: how long it takes with its n-th request.
    """
    model = ChatModel("")

    def script(request: Request) -> Script:
        asked = Asked(text_of(request.body["messages"]), request.body)
        model.asked.append(asked)
        said = says(asked)
        if isinstance(said, int):
            body = plain(json.dumps({"error": {"message": "made to fail"}}).encode(), f"{said} Made")
        else:
            text, reason = said if isinstance(said, tuple) else (said, "stop")
            content = text if isinstance(text, dict) else {"content": text}
            message = {"role": "assistant", **content}
            choices = [{"index": 0, "finish_reason": reason, "message": message}]
            body = plain(completion("", choices=choices, usage=USAGE))
        return [(seconds(request.number), body)]

    with running_raw_server(script) as server:
        assert isinstance(server, RawServer)
        model.url = server.url
        yield model


def text_of(messages: list[dict[str, Any]]) -> str:
    """A conversation's text, `[picture]` where a picture is shown."""
    texts = []
    for message in messages:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts.append("".join(part.get("text", "[picture]") for part in parts))
    return "\n".join(texts)


def server(*urls: str, **changes: Any) -> dict[str, Any]:
    """A section that repeats a failed request once; its patience is for busy machines."""
    return {"base_url": list(urls), "model": "m", "max_retries": 1, **changes}


@contextmanager
def client(config: ServerConfig, section: str) -> Iterator[Completions]:
    made = completions_of(config, Naming(section, section=section))
    try:
        yield made
    finally:
        made.close()


def context_in(folder: Path, seed: int = 3) -> Context:
    return Context(seed, PictureStore(folder / "pictures"))


def lines(outcomes: list[Candidate | Dropped]) -> list[str]:
    return [one.as_line() for one in outcomes]


def summed(number: int, source: str = "sums", solution: str = "") -> Candidate:
    """`What is n + 1?`"""
    return Candidate(
        f"{source}-{number}",
        f"What is {number} + 1?",
        str(number + 1),
        "number",
        "reasoning",
        source,
        solution=solution,
    )
