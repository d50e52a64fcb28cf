"""A judge at work in threads of its own, while the policy still answers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from contextrl.judge.protocol import Judge, JudgeRequest, StreamingJudge, ask, is_concurrent
from contextrl.judge.settings import JudgeConfig
from contextrl.records.verdict import PROVOKED, Verdict

K = TypeVar("K")
#: Requests that a judge gets at once which cannot tell of each verdict as it comes: what a kill can cost.
_TOGETHER = 32
_MOST_THREADS = 256


class Desk(Generic[K]):
    """Takes requests and tells of their verdicts.

    A reply that could not be read, which the response may have brought about, is asked for once more.

    Args:
        judge: asked by several threads only if it is made for that.
        threads: as many as its servers may get requests.
        settle: told of each verdict, in any thread.
    """

    def __init__(self, judge: Judge, threads: int, settle: Callable[[K, Verdict], None]) -> None:
        self.judge, self._settle = judge, settle
        self._several = is_concurrent(judge)
        self._changed = threading.Condition()
        self._waiting: deque[tuple[K, JudgeRequest]] = deque()
        self._open = 0
        self._stopped = False
        self._error: BaseException | None = None
        for _ in range(min(threads, _MOST_THREADS) if self._several else 1):
            threading.Thread(target=self._work, name="contextrl-desk", daemon=True).start()

    def submit(self, key: K, request: JudgeRequest) -> None:
        """Let a response be judged."""
        with self._changed:
            self._waiting.append((key, request))
            self._open += 1
            self._changed.notify_all()

    @property
    def failed(self) -> bool:
        """Whether the judge has raised, and no further verdict will come."""
        return self._error is not None

    def finish(self) -> Iterator[None]:
        """Wait for all verdicts; gives a turn to its caller after some.

        Raises:
            ServiceError: or whatever else the judge has raised, about any response.
        """
        left = self._fewer_than(self._open + 1)
        while left:
            yield
            left = self._fewer_than(left)

    def _fewer_than(self, number: int) -> int:
        """Wait until fewer verdicts are open; how many are."""
        with self._changed:
            self._changed.wait_for(lambda: self._open < number or self._error is not None)
            if self._error is not None:
                raise self._error
            return self._open

    def stop(self) -> None:
        """Take no further requests; verdicts under way are still told of."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        while batch := self._next():
            try:
                for index, verdict in self._verdicts([request for _, request in batch]):
                    self._see_to(*batch[index], verdict)
            except BaseException as error:  # handed to who waits for verdicts
                with self._changed:
                    self._error = self._error or error
                    self._changed.notify_all()
                return

    def _next(self) -> list[tuple[K, JudgeRequest]]:
        """What a thread takes; nothing at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopped or self._error is not None)
            if self._stopped or self._error is not None:
                return []
            room = 1 if self._several else _TOGETHER
            return [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]

    def _verdicts(self, requests: Sequence[JudgeRequest]) -> Iterator[tuple[int, Verdict]]:
        if isinstance(self.judge, StreamingJudge) and not self._several:
            return self.judge.stream(requests)
        return iter(enumerate(ask(self.judge, requests)))

    def _see_to(self, key: K, request: JudgeRequest, verdict: Verdict) -> None:
        with self._changed:
            if verdict.status == "unscored" and verdict.error_kind in PROVOKED and not request.attempt:
                self._waiting.append((key, replace(request, attempt=1)))
                self._changed.notify_all()
                return
        self._settle(key, verdict)
        with self._changed:
            self._open -= 1
            self._changed.notify_all()


def threads_for(config: JudgeConfig) -> int:
    """Requests that a judge's servers may get at once."""
    return config.max_concurrency * max(1, len(config.base_urls))
