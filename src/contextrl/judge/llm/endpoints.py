"""Several servers of one model: balanced, held back while they are slow, left alone while they are dead."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

logger = logging.getLogger("contextrl.judge")

#: How a request ended, as far as its server's health goes: it works, it is overloaded, it cannot be reached.
Health = Literal["ok", "busy", "down"]
#: Connection failures in a row after which a server is left alone for a while.
_DOWN_AFTER = 3
#: A share of overload answers that does not keep the limit from growing.
_HARDLY_ANY = 0.1
_LONGEST_PAUSE = 30.0
#: A server's Retry-After is believed up to this many seconds.
_LONGEST_RETRY_AFTER = 300.0


class JudgeGoneError(Exception):
    """No server can be reached, or none accepts us: waiting any longer is pointless."""


@dataclass
class Endpoint:
    """One server.

    Attributes:
        limit: requests at once that it is trusted with now, set anew after every `limit` of them: halved if it turned
            all of them away, less if it was a part (as in DCTCP, RFC 8257), raised by a twentieth if it was hardly any.
        failures: connection failures in a row.
        refusal: why it will never accept us (wrong key, unknown model).
        trouble: why it could not be reached the last time.
        names_requests: whether its last reply named the request that it was to, which lets connections be kept; False
            for good once a reply named another one.
    """

    url: str
    max_concurrency: int
    limit: float = 0.0
    in_flight: int = 0
    paused_until: float = 0.0
    failures: int = 0
    refusal: str | None = None
    trouble: str = ""
    names_requests: bool | None = None
    _ended: int = 0
    _turned_away: int = 0

    def __post_init__(self) -> None:
        self.limit = float(self.max_concurrency)

    @property
    def down(self) -> bool:
        return self.failures >= _DOWN_AFTER

    def adapt(self, *, busy: bool) -> None:
        """Count one ended request towards the next limit."""
        self._ended += 1
        self._turned_away += busy
        if self._ended < self.limit:
            return
        share = self._turned_away / self._ended
        growth = max(1.0, self.limit / 20) if share < _HARDLY_ANY else 0.0
        self.limit = min(max(self.limit * (1 - share / 2) + growth, 1.0), float(self.max_concurrency))
        self._ended = self._turned_away = 0

    def room(self, now: float) -> bool:
        """Whether another request may start; a server that was down gets one at a time until it answers."""
        if self.refusal is not None or now < self.paused_until:
            return False
        return self.in_flight < (1 if self.down else int(self.limit))


@dataclass
class Slot:
    """Leave to send one request."""

    endpoint: Endpoint


@dataclass
class EndpointPool:
    """Hands out slots, first come first served, at the server with the most room.

    Attributes:
        patience: seconds for which every server may be unreachable.
        service: what log lines call them.
    """

    urls: Sequence[str]
    max_concurrency: int
    patience: float
    service: str = "judge"
    endpoints: list[Endpoint] = field(init=False)

    def __post_init__(self) -> None:
        self.endpoints = [Endpoint(url.rstrip("/"), self.max_concurrency) for url in self.urls]
        self._waiting: deque[asyncio.Future[Slot]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._last_sign_of_life: float | None = None
        self._gone: str | None = None

    async def acquire(self) -> Slot:
        """Wait for a slot.

        Raises:
            JudgeGoneError: no server is left to wait for.
        """
        if self._gone is not None:
            raise JudgeGoneError(self._gone)
        loop = asyncio.get_running_loop()
        if self._last_sign_of_life is None:
            self._last_sign_of_life = loop.time()
        if not self._waiting and (slot := self._take(loop.time())):
            return slot
        waiter: asyncio.Future[Slot] = loop.create_future()
        self._waiting.append(waiter)
        self._wake()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_back(waiter.result())
            raise

    def release(self, slot: Slot, health: Health, *, retry_after: float | None = None) -> None:
        """Give a slot back and say how the server did."""
        now, endpoint = asyncio.get_running_loop().time(), slot.endpoint
        if health == "down":
            self._count_failure(endpoint, now)
        else:
            self._last_sign_of_life = now
            if endpoint.down:
                logger.warning("%s: %s answers again", self.service, endpoint.url)
            endpoint.failures = 0
            endpoint.adapt(busy=health == "busy")
        if retry_after is not None:
            endpoint.paused_until = max(endpoint.paused_until, now + min(retry_after, _LONGEST_RETRY_AFTER))
        self._give_back(slot)

    def refuse(self, endpoint: Endpoint, reason: str) -> None:
        """A server that will never accept us is not asked again."""
        if endpoint.refusal is None:
            logger.warning("%s: %s is left out: %s", self.service, endpoint.url, reason)
        endpoint.refusal = reason
        if all(server.refusal is not None for server in self.endpoints):
            self._give_up(reason)
        self._wake()

    def revive(self) -> None:
        """Forget why there was no server left."""
        self._gone = self._last_sign_of_life = None
        for endpoint in self.endpoints:
            endpoint.failures, endpoint.paused_until, endpoint.refusal = 0, 0.0, None

    def another(self, endpoint: Endpoint) -> bool:
        """Whether a failed request can go to a different server at once."""
        now = asyncio.get_running_loop().time()
        return any(other is not endpoint and not other.down and other.room(now) for other in self.endpoints)

    def _take(self, now: float) -> Slot | None:
        able = [endpoint for endpoint in self.endpoints if endpoint.room(now)]
        if not able:
            return None
        chosen = min(able, key=lambda endpoint: endpoint.in_flight / endpoint.limit)
        chosen.in_flight += 1
        return Slot(chosen)

    def _give_back(self, slot: Slot) -> None:
        slot.endpoint.in_flight -= 1
        self._wake()

    def _wake(self) -> None:
        """Serve those who wait; come back when the next pause ends."""
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._waiting:
            if self._waiting[0].done():
                self._waiting.popleft()
                continue
            if self._gone is not None:
                self._waiting.popleft().set_exception(JudgeGoneError(self._gone))
                continue
            slot = self._take(now)
            if slot is None:
                break
            self._waiting.popleft().set_result(slot)
        pauses = [
            server.paused_until for server in self.endpoints if server.paused_until > now and server.refusal is None
        ]
        if self._waiting and pauses:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(min(pauses), self._wake)

    def _count_failure(self, endpoint: Endpoint, now: float) -> None:
        endpoint.failures += 1
        if not endpoint.down:
            return
        if endpoint.failures == _DOWN_AFTER:
            logger.warning("%s: %s cannot be reached (%s)", self.service, endpoint.url, endpoint.trouble)
        pause = min(0.5 * 2 ** min(endpoint.failures - _DOWN_AFTER, 10), _LONGEST_PAUSE, self.patience / 4)
        endpoint.paused_until = now + pause
        silent = now - (self._last_sign_of_life or now)
        if silent >= self.patience and all(server.down or server.refusal is not None for server in self.endpoints):
            urls = ", ".join(server.url for server in self.endpoints)
            self._give_up(f"{urls} could not be reached for {silent:.0f} s, the last cause: {endpoint.trouble}")

    def _give_up(self, reason: str) -> None:
        self._gone = reason
        self._wake()
