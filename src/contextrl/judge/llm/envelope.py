"""Reading a chat completion's body: untrusted bytes, bounded work, one reading or none."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from contextrl.judge.llm.endpoints import Health
from contextrl.records.verdict import UnscoredKind

#: Largest body that is read, in bytes: a reply of 100,000 tokens with its reasoning takes less than a quarter of it.
MAX_BODY_BYTES = 4 * 2**20
#: Most values of a body. What decoding costs is values, not bytes, and each but the first has a comma before it.
_MAX_COMMAS = 50_000
#: One that does not end goes on to the end, or it would be looked through from each of its quotes.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
#: Larger error bodies are shown by their beginning, undecoded.
_MAX_ERROR_BYTES = 64 * 2**10
#: A server that counts more tokens than this for one request does not count.
_MOST_TOKENS = 10**9


#: How a reply ends that may have no content and is one all the same.
_ENDED_EMPTY = ("length", "content_filter")


class NoCompletionError(ValueError):
    """A body in which there is no reply, or more than one; says what was found."""


@dataclass(frozen=True)
class Reply:
    """What a model said: `text` is None where the server sent no content, tokens are 0 where it does not count."""

    text: str | None
    finish_reason: str
    refusal: str | None
    reasoning: bool
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def is_empty(self) -> bool:
        """Whether no content came: null, and not a text of no characters, which a model may well say.

        One that was cut while it was reasoning, or filtered, is not asked for again.
        """
        return self.text is None and not self.refusal and self.finish_reason not in _ENDED_EMPTY

    @property
    def emptiness(self) -> str:
        """What an empty reply is, in words."""
        return f"a reply without content{', only reasoning' if self.reasoning else ''}"


@dataclass(frozen=True)
class Failure:
    """Why there is no reply.

    Attributes:
        passing: worth another try.
        health: what it says about the server.
        retry_after: seconds that the server asked for.
        refused: this server will never accept us.
        status: of an HTTP error; None where there was none.
    """

    kind: UnscoredKind
    detail: str
    passing: bool = False
    health: Health = "ok"
    retry_after: float | None = None
    refused: bool = False
    status: int | None = None


def read_completion(content: bytes) -> Reply:
    """The one reply in a completion's body.

    Raises:
        NoCompletionError: there is none, there are several, or the server says that something went wrong.
    """
    try:
        body = _decoded(content)
        if body.get("error"):
            raise NoCompletionError(f"an error beside the choices: {_message_of(body['error'])[:80]!r}")
        choices = body["choices"]
        if isinstance(choices, list) and len(choices) > 1:
            raise NoCompletionError(f"{len(choices)} choices, where one was asked for")
        choice = choices[0]
        message = choice["message"]
        text, refusal, reason = _text(message.get("content")), message.get("refusal"), choice.get("finish_reason", "")
        prompt_tokens, completion_tokens, cached_tokens = _tokens(body)
    except NoCompletionError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        shown = content[:80].decode("utf-8", "replace")
        raise NoCompletionError(f"a body that is no completion: {shown!r}") from error
    return Reply(
        text=text,
        # Not told is no reason; null says that it has not come to its end.
        finish_reason=reason[:40] if isinstance(reason, str) else "null" if reason is None else type(reason).__name__,
        refusal=refusal if isinstance(refusal, str) and refusal else None,
        reasoning=bool(message.get("reasoning_content") or message.get("reasoning")),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cached_tokens=min(cached_tokens, prompt_tokens),
    )


def read_models(content: bytes) -> list[str] | None:
    """Names that a server offers; None if the body does not say."""
    try:
        names = [model["id"] for model in _decoded(content)["data"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return names if all(isinstance(name, str) for name in names) else None


def error_message(content: bytes) -> str:
    """The message of an OpenAI-style error, else the beginning of the body."""
    text = content[:2_000].decode("utf-8", "replace")
    if len(content) <= _MAX_ERROR_BYTES:
        with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            body = _decoded(content)
            text = _message_of(body.get("error", body))
    return text or "no message"


def _decoded(content: bytes) -> Any:
    """JSON of bounded cost. Deep nesting and endless numbers are errors of their own in Python's decoder."""
    # A model may get stuck at commas, which are one value.
    if content.count(b",") > _MAX_COMMAS and _STRING.sub(b"", content).count(b",") > _MAX_COMMAS:
        raise NoCompletionError(f"a body of more than {_MAX_COMMAS:,} values")
    return json.loads(content, object_pairs_hook=_without_repetition)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one that says a thing twice says nothing."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NoCompletionError("a body that names a field twice")
    return fields


def _message_of(error: Any) -> str:
    """What an error object says."""
    return str(error["message"] if isinstance(error, dict) else error)


def _text(content: Any) -> str | None:
    """The content: a string, or a list of text parts, which are one after the other."""
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise TypeError(f"content is {type(content).__name__}")
    parts = [part["text"] for part in content if part.get("type", "text") in ("text", "output_text")]
    if len(parts) < len(content):
        raise TypeError("content has parts that are no text")
    return "".join(parts)


def _tokens(body: dict[str, Any]) -> tuple[int, int, int]:
    """Tokens of the prompt, of the completion, and of the prompt's those read before; 0 where the server tells none."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return 0, 0, 0
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), _count(cached)


def _count(tokens: Any) -> int:
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and 0 < tokens <= _MOST_TOKENS else 0
