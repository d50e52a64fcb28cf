"""An event loop in a thread of its own, so that a synchronous caller can keep connections open between calls, and
threads beside it for work that would hold it up.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sized
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
S = TypeVar("S", bound=Sized)

#: Inputs up to this length, in characters or bytes, are worked on at once: a thread costs more than they do.
_SHORT = 4_000


async def off_loop(work: Callable[[S], T], data: S, seconds: float | None = None) -> T:
    """`work(data)` in a thread, so that requests and time-outs go on meanwhile; short data is not worth one.

    Args:
        work: of bounded cost; it cannot be stopped, only left behind.
        seconds: how long to wait; None waits until the caller is cancelled.

    Raises:
        TimeoutError: it takes longer.
    """
    if len(data) <= _SHORT:
        return work(data)
    async with asyncio.timeout(seconds):
        return await asyncio.to_thread(work, data)


class LoopThread:
    """Started on first use, and again in a forked child, whose parent's threads are not there."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._running())

    @property
    def started(self) -> bool:
        """Whether this process has a loop."""
        return self._loop is not None and self._pid == os.getpid()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or not self.started:
                self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
                threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True).start()
            return self._loop

    def stop(self) -> None:
        """End the loop; pending work is dropped."""
        with self._lock:
            if self._loop is not None and self.started:
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None


async def _finished(work: Awaitable[T]) -> T:
    return await work


#: For user's coroutines: always the same loop, because a client that was opened in one cannot be used in another.
_SHARED = LoopThread("contextrl-async")


def awaited(value: Any) -> Any:
    """What a function has returned, waited for if it is an `async def`; inside a running loop (a notebook) too."""
    if not inspect.isawaitable(value):
        return value
    future = _SHARED.submit(_finished(value))
    try:
        return future.result()
    finally:
        future.cancel()
