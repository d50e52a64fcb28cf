"""One chat completion from whichever server can give it: retried, paced, within the budget, never raising.

aiohttp and not a client library: what counts here is CPU per call at hundreds of requests at once, which
benchmarks/judge_client.py measures beside a bare aiohttp client.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, replace

import aiohttp

from contextrl.judge.llm.budget import Budget
from contextrl.judge.llm.causes import http_error, no_reply, remedy
from contextrl.judge.llm.endpoints import Endpoint, EndpointPool, JudgeGoneError, Slot
from contextrl.judge.llm.envelope import (
    MAX_BODY_BYTES,
    Failure,
    NoCompletionError,
    Reply,
    read_completion,
    read_models,
)
from contextrl.judge.llm.naming import JUDGE, Naming
from contextrl.judge.llm.wire import Wire
from contextrl.judge.settings import TimeoutConfig
from contextrl.loop import off_loop
from contextrl.records.verdict import UnscoredKind, Usage

_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.5, 20.0


class ChatClient:
    """Sends request bodies to the servers of one model.

    Args:
        pool: the servers.
        budget: shared by every client of a judge.
        timeouts: see `TimeoutConfig`.
        max_retries: repeats of one request.
        max_failures: requests in a row that failed for good, or were refused with the same status, after which the
            judge is gone.
        api_key: sent as a bearer token and blotted out of every message; None sends none.
        naming: what messages call the service and its settings.

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
        naming: Naming = JUDGE,
    ) -> None:
        self.naming = naming
        self.pool, self.budget, self.timeouts = pool, budget, timeouts
        self.max_retries, self.max_failures = max_retries, max_failures
        self.gone: tuple[UnscoredKind, str] | None = None
        self._api_key = api_key
        self._failures = 0
        self._refusals: Counter[int | None] = Counter()
        # Its own generator: jitter must not move the random state of a training run.
        self._random = random.Random()
        self._wire = Wire(timeouts, [endpoint.url for endpoint in pool.endpoints], api_key)

    async def complete(self, data: bytes, *, needs_content: bool = False) -> tuple[Reply | Failure, Usage]:
        """One completion of a request's body, and what it cost. Failures are values; nothing is raised.

        Args:
            needs_content: an empty reply is a failure, and asked for again like others.
        """
        spent = _Spent()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.timeouts.total):
                outcome = await self._persist(data, spent, needs_content)
        except TimeoutError:
            outcome = Failure("timeout", f"no reply within {self.timeouts.total:g} s")
        except JudgeGoneError as error:
            self._give_up("gone", str(error))
            outcome = Failure("gone", str(error))
        self._count(outcome)
        return outcome, spent.usage(time.monotonic() - started)

    async def _persist(self, data: bytes, spent: _Spent, needs_content: bool) -> Reply | Failure:
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
            outcome = await self._try(slot, data, spent, again=attempt > 0)
            if needs_content and isinstance(outcome, Reply) and outcome.is_empty:
                outcome = Failure("empty", outcome.emptiness, passing=True)
            if isinstance(outcome, Reply) or not (outcome.passing or outcome.refused):
                return outcome
            if attempt < self.max_retries and not (outcome.health == "down" and self.pool.another(slot.endpoint)):
                backoff = min(_FIRST_BACKOFF * 2**attempt, _LONGEST_BACKOFF)
                await asyncio.sleep(backoff * self._random.uniform(0.5, 1.0) if outcome.passing else 0)
        return outcome

    async def _try(self, slot: Slot, data: bytes, spent: _Spent, *, again: bool) -> Reply | Failure:
        """One request; the slot goes back however it ends."""
        outcome: Reply | Failure = Failure("connection", "cancelled")
        try:
            outcome = await self._post(slot.endpoint, data, spent, again=again)
        finally:
            failed = outcome if isinstance(outcome, Failure) else None
            if failed is not None and failed.health == "down":
                slot.endpoint.trouble = failed.detail
            self.pool.release(
                slot, failed.health if failed else "ok", retry_after=failed.retry_after if failed else None
            )
        if failed is not None and failed.refused:
            self.pool.refuse(slot.endpoint, failed.detail)
        return outcome

    async def _post(self, endpoint: Endpoint, data: bytes, spent: _Spent, *, again: bool) -> Reply | Failure:
        try:
            response = await self._wire.post(endpoint, data, fresh=again)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return self._clean(no_reply(error, endpoint, self.timeouts.read))
        if response.foreign:
            return Failure("connection", f"{endpoint.url}: a reply that is not to this request", passing=True)
        if response.content is None:
            return Failure("malformed", f"a body over {MAX_BODY_BYTES:,} bytes", passing=True)
        if response.status != 200:
            return self._clean(http_error(response))
        try:
            reply = await off_loop(read_completion, response.content)
        except NoCompletionError as error:
            return self._clean(Failure("malformed", str(error), passing=True))
        spent.prompt_tokens += reply.prompt_tokens
        spent.cached_tokens += reply.cached_tokens
        spent.completion_tokens += reply.completion_tokens
        spent.cost += self.budget.spend(reply.prompt_tokens, reply.completion_tokens)
        return replace(
            reply,
            text=None if reply.text is None else self.redacted(reply.text),
            finish_reason=self.redacted(reply.finish_reason),
            refusal=None if reply.refusal is None else self.redacted(reply.refusal),
        )

    def revive(self) -> None:
        """Try again after the judge was gone; a spent budget stays spent."""
        if self.gone is not None and self.gone[0] == "gone":
            self.gone = None
            self._failures = 0
            self.pool.revive()

    def _count(self, outcome: Reply | Failure) -> None:
        """Requests in a row that failed by the service's fault; a rejection or an empty reply shows that it lives."""
        if isinstance(outcome, Reply):
            self._refusals.clear()
        if isinstance(outcome, Reply) or outcome.kind in ("rejected", "empty"):
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= self.max_failures:
            self._give_up("gone", f"{self._failures} requests in a row failed, the last one: {outcome.detail}")

    def count_refusal(self, refusal: Failure) -> None:
        """Count a request that was rejected and will not be sent in another form.

        One among others that are answered is that request's own fault; the same status again and again is not.
        """
        self._refusals[refusal.status] += 1
        count = self._refusals[refusal.status]
        if count >= self.max_failures:
            reason = f"{count} requests in a row were refused alike, the last one: {refusal.detail}"
            self._give_up("gone", f"{reason} ({remedy(refusal)})")

    def _give_up(self, kind: UnscoredKind, reason: str) -> None:
        self.gone = self.gone or (kind, self.naming.spelled(reason))

    def _clean(self, failure: Failure) -> Failure:
        """Its message without the key, which servers like to repeat, on one line, with the settings' own names."""
        line = self.naming.spelled(" ".join(failure.detail.split()))
        return replace(failure, detail=self.redacted(line)[:400])

    def redacted(self, text: str) -> str:
        """Text without the key: a server may repeat it wherever it likes, and replies are kept."""
        return text.replace(self._api_key, "***") if self._api_key else text

    async def models(self, endpoint: Endpoint, url: str = "") -> list[str] | Failure | None:
        """Names that a server offers, asked at `url` if that is given; None if it does not say."""
        try:
            async with asyncio.timeout(self.timeouts.connect):
                response = await self._wire.models(endpoint, url)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = self._clean(no_reply(error, endpoint, self.timeouts.connect))
            if failure.health == "ok":
                return None
            # Nobody has refused a key.
            return replace(failure, refused=False)
        if response.status in (401, 403):
            return self._clean(http_error(response))
        names = read_models(response.content or b"")
        return None if names is None else [self.redacted(name) for name in names]

    async def close(self) -> None:
        await self._wire.close()


@dataclass
class _Spent:
    """What one completion has cost so far, over its retries."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost: float = 0.0

    def usage(self, seconds: float) -> Usage:
        return Usage(
            calls=self.calls,
            tokens=self.prompt_tokens + self.completion_tokens,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            seconds=seconds,
            retries=max(self.calls - 1, 0),
            cost=self.cost,
        )
