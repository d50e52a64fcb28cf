"""Where a run's time goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Seconds by part of a run, resumed parts included. An evaluation within training counts as evaluation."""

    seconds: dict[str, float] = field(default_factory=lambda: {"train": 0.0, "eval": 0.0})
    _running: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        self._running.append((part, time.perf_counter()))
        try:
            yield
        finally:
            _, started = self._running.pop()
            spent = time.perf_counter() - started
            self.seconds[part] += spent
            if self._running:
                self.seconds[self._running[-1][0]] -= spent

    def now(self, part: str) -> float:
        """Seconds of a part so far, while it runs."""
        return self.seconds[part] + sum(time.perf_counter() - began for p, began in self._running if p == part)
