"""One chat completion from whichever server can give it: retried, paced, within the budget, never raising.

aiohttp and not a client library: what counts here is CPU per call at hundreds of requests at once, which
benchmarks/judge_client.py measures beside a bare aiohttp client.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
import time
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from contextrl.judge.llm.budget import Budget
from contextrl.judge.llm.endpoints import Endpoint, EndpointPool, Health, JudgeGoneError, Slot
from contextrl.judge.settings import TimeoutConfig
from contextrl.records.verdict import UnscoredKind, Usage

logger = logging.getLogger("contextrl.judge")

_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.5, 20.0
#: A server that counts more tokens than this for one request does not count.
_MOST_TOKENS = 10**9
#: Largest reply that is read, in bytes.
_MAX_REPLY_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Reply:
    """What a model said: `text` is None where the server sent no content."""

    text: str | None
    finish_reason: str
    refusal: str | None
    reasoning: bool
    tokens: int


@dataclass(frozen=True)
class Failure:
    """Why there is no reply.

    Attributes:
        passing: worth another try.
        health: what it says about the server.
        retry_after: seconds that the server asked for.
        refused: this server will never accept us.
    """

    kind: UnscoredKind
    detail: str
    passing: bool = False
    health: Health = "ok"
    retry_after: float | None = None
    refused: bool = False


class ChatClient:
    """Sends request bodies to the servers of one model.

    Args:
        pool: the servers.
        budget: shared by every client of a judge.
        timeouts: see `TimeoutConfig`.
        max_retries: repeats of one request.
        max_failures: requests in a row that failed for good, after which the judge is gone.
        api_key: sent as a bearer token and blotted out of every message; None sends none.

    Attributes:
        gone: why no request will succeed any more; None while the judge works.
    """

    def __init__(
        self,
        pool: EndpointPool,
        budget: Budget,
        timeouts: TimeoutConfig,
        *,
        max_retries: int,
        max_failures: int,
        api_key: str | None = None,
    ) -> None:
        self.pool, self.budget, self.timeouts = pool, budget, timeouts
        self.max_retries, self.max_failures = max_retries, max_failures
        self.gone: tuple[UnscoredKind, str] | None = None
        self._api_key = api_key
        self._failures = 0
        # Its own generator: jitter must not move the random state of a training run.
        self._random = random.Random()
        self._session: aiohttp.ClientSession | None = None
        self._proxies = {endpoint.url: _proxy(endpoint.url) for endpoint in pool.endpoints}

    async def complete(self, data: bytes) -> tuple[Reply | Failure, Usage]:
        """One completion of a request's body, and what it cost. Failures are values; nothing is raised."""
        spent = _Spent()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.timeouts.total):
                outcome = await self._persist(data, spent)
        except TimeoutError:
            outcome = Failure("timeout", f"no verdict within {self.timeouts.total:g} s")
        except JudgeGoneError as error:
            self._give_up("gone", str(error))
            outcome = Failure("gone", str(error))
        self._count(outcome)
        return outcome, spent.usage(time.monotonic() - started)

    async def _persist(self, data: bytes, spent: _Spent) -> Reply | Failure:
        """Try until there is a reply, or a failure that stays."""
        for attempt in range(self.max_retries + 1):
            slot = await self.pool.acquire()
            if self.gone is not None or not self.budget.take_call():
                self.pool.release(slot, "ok")
                if self.gone is None:
                    self._give_up("budget", str(self.budget.spent()))
                assert self.gone is not None
                return Failure(*self.gone)
            spent.calls = attempt + 1
            outcome = await self._try(slot, data, spent)
            if isinstance(outcome, Reply) or not (outcome.passing or outcome.refused):
                return outcome
            if attempt < self.max_retries and not (outcome.health == "down" and self.pool.another(slot.endpoint)):
                backoff = min(_FIRST_BACKOFF * 2**attempt, _LONGEST_BACKOFF)
                await asyncio.sleep(backoff * self._random.uniform(0.5, 1.0) if outcome.passing else 0)
        return outcome

    async def _try(self, slot: Slot, data: bytes, spent: _Spent) -> Reply | Failure:
        """One request; the slot goes back however it ends."""
        outcome: Reply | Failure = Failure("connection", "cancelled")
        try:
            outcome = await self._post(slot.endpoint, data, spent)
        finally:
            failed = outcome if isinstance(outcome, Failure) else None
            self.pool.release(
                slot, failed.health if failed else "ok", retry_after=failed.retry_after if failed else None
            )
        if failed is not None and failed.refused:
            self.pool.refuse(slot.endpoint, failed.detail)
        return outcome

    async def _post(self, endpoint: Endpoint, data: bytes, spent: _Spent) -> Reply | Failure:
        try:
            async with self._open_session().post(
                f"{endpoint.url}/chat/completions", data=data, proxy=self._proxies[endpoint.url], allow_redirects=False
            ) as response:
                content = await _body(response)
                if content is None:
                    return Failure("malformed", f"a body over {_MAX_REPLY_BYTES:,} bytes", passing=True)
                if response.status != 200:
                    return self._refusal(response.status, response.headers.get("Retry-After"), content)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            return Failure("connection", self._clean(f"{endpoint.url}: {error}"), passing=True, health="down")
        except TimeoutError:
            detail = f"{endpoint.url} sent nothing for {self.timeouts.read:g} s"
            return Failure("timeout", detail, passing=True, health="busy")
        except (aiohttp.ClientError, ssl.SSLError, OSError, ValueError) as error:
            detail = self._clean(f"{endpoint.url}: {type(error).__name__}: {error}")
            return Failure("connection", detail, passing=True)
        return self._read(content, spent)

    def _read(self, content: bytes, spent: _Spent) -> Reply | Failure:
        """A completion's body."""
        try:
            body = json.loads(content)
            choice = body["choices"][0]
            message = choice["message"]
            text, refusal = message.get("content"), message.get("refusal")
            if not isinstance(text, str | None):
                raise TypeError(f"content is {type(text).__name__}")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            shown = content[:80].decode("utf-8", "replace")
            return Failure("malformed", self._clean(f"a body that is no completion: {shown!r}"), passing=True)
        prompt_tokens, completion_tokens = _tokens(body)
        tokens = prompt_tokens + completion_tokens
        spent.tokens += tokens
        spent.cost += self.budget.spend(prompt_tokens, completion_tokens)
        return Reply(
            text=None if text is None else self.redacted(text),
            finish_reason=self.redacted(str(choice.get("finish_reason") or ""))[:40],
            refusal=self.redacted(refusal) if isinstance(refusal, str) and refusal else None,
            reasoning=bool(message.get("reasoning_content") or message.get("reasoning")),
            tokens=tokens,
        )

    def _refusal(self, status: int, retry_after: str | None, content: bytes) -> Failure:
        """What a status other than 200 means."""
        detail = self._clean(f"HTTP {status}: {_error_message(content)}")
        if status == 429:
            wait = _seconds(retry_after)
            return Failure("rate_limited", detail, passing=True, health="busy", retry_after=wait)
        if status >= 500 or status in (408, 409, 425):
            wait, overloaded = _seconds(retry_after), status in (503, 529)
            return Failure(
                "server_error", detail, passing=True, health="busy" if overloaded else "ok", retry_after=wait
            )
        if status in (401, 403, 404):
            return Failure("rejected", detail, refused=True)
        return Failure("rejected", detail)

    def revive(self) -> None:
        """Try again after the judge was gone; a spent budget stays spent."""
        if self.gone is not None and self.gone[0] == "gone":
            self.gone = None
            self._failures = 0
            self.pool.revive()

    def _count(self, outcome: Reply | Failure) -> None:
        """Requests in a row that failed by the service's fault; one that was rejected shows that it lives."""
        if isinstance(outcome, Reply) or outcome.kind == "rejected":
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= self.max_failures:
            self._give_up("gone", f"{self._failures} requests in a row failed, the last one: {outcome.detail}")

    def _give_up(self, kind: UnscoredKind, reason: str) -> None:
        self.gone = self.gone or (kind, reason)

    def _clean(self, text: str) -> str:
        """A message without the key, which servers like to repeat, on one line."""
        return self.redacted(" ".join(text.split()))[:300]

    def redacted(self, text: str) -> str:
        """Text without the key: a server may repeat it wherever it likes, and replies are kept."""
        return text.replace(self._api_key, "***") if self._api_key else text

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            if self._api_key:
                headers["Authorization"] = f"Bearer {self._api_key}"
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self.timeouts.connect, sock_read=self.timeouts.read
                ),
                headers=headers,
            )
        return self._session

    async def models(self, endpoint: Endpoint) -> list[str] | Failure | None:
        """Names that a server offers; None if it does not say."""
        try:
            async with (
                asyncio.timeout(self.timeouts.connect),
                self._open_session().get(
                    f"{endpoint.url}/models", proxy=self._proxies[endpoint.url], allow_redirects=False
                ) as response,
            ):
                content = await _body(response) or b""
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, ssl.SSLError, OSError) as error:
            return Failure("connection", self._clean(f"{endpoint.url}: {error or type(error).__name__}"))
        except (aiohttp.ClientError, ValueError):
            return None
        if response.status in (401, 403):
            return self._refusal(response.status, None, content)
        try:
            return [self.redacted(str(model["id"])) for model in json.loads(content)["data"]]
        except (ValueError, KeyError, TypeError):
            return None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


@dataclass
class _Spent:
    """What one completion has cost so far, over its retries."""

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0

    def usage(self, seconds: float) -> Usage:
        return Usage(
            calls=self.calls, tokens=self.tokens, seconds=seconds, retries=max(self.calls - 1, 0), cost=self.cost
        )


async def _body(response: aiohttp.ClientResponse) -> bytes | None:
    """The whole body; None if it is longer than any reply should be, however the server announces it."""
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > _MAX_REPLY_BYTES:
            return None
    return b"".join(chunks)


def _tokens(body: dict[str, Any]) -> tuple[int, int]:
    """Prompt and completion tokens; 0 where the server does not count."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return 0, 0
    counts = [usage.get("prompt_tokens"), usage.get("completion_tokens")]
    prompt, completion = (
        count if isinstance(count, int) and not isinstance(count, bool) and 0 < count <= _MOST_TOKENS else 0
        for count in counts
    )
    return prompt, completion


def _error_message(content: bytes) -> str:
    """The message of an OpenAI-style error, else the beginning of the body."""
    text = content[:2_000].decode("utf-8", "replace")
    try:
        body = json.loads(content)
        error = body.get("error", body)
        text = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, AttributeError, RecursionError):
        pass
    return text or "no message"


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds; as a date it is rare and left to our own backoff."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _proxy(url: str) -> str | None:
    """The environment's proxy for a server; looked up once, because aiohttp would do so for every request."""
    parts = urlsplit(url)
    if parts.hostname is None or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)
