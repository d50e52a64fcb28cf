"""Questions to the worker processes: are two expressions equal, how many of one unit is another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache

from contextrl.answers.process import WorkerBusy, WorkerPool
from contextrl.answers.rounding import Tolerance

#: Wall-clock seconds for one comparison, and for all that one answer needs; all but hostile ones take milliseconds.
COMPARISON_SECONDS = 0.5
#: Less than this is no time to compute in.
_LEAST_SECONDS = 0.05
_EXPRESSIONS = WorkerPool("contextrl.answers.worker", "expressions")
_CONVERSIONS = WorkerPool("contextrl.answers.worker", "conversion", size=1)
_local = threading.local()


@contextmanager
def one_budget() -> Iterator[None]:
    """Let all comparisons inside share the time of one: an answer may have many parts."""
    outer = getattr(_local, "deadline", None)
    if outer is None:
        _local.deadline = time.monotonic() + COMPARISON_SECONDS
    try:
        yield
    finally:
        _local.deadline = outer


def expressions_equal(predicted: str, gold: str, tolerance: Tolerance | None) -> bool | None:
    """Compare two LaTeX answers; None where one is not mathematics, or it takes too long, or no worker is free."""
    limits = None if tolerance is None else (str(tolerance.absolute), str(tolerance.relative))
    try:
        return _compared(predicted, gold, limits)
    except WorkerBusy:
        return None


def conversion(unit: str, other: str) -> Fraction | None:
    """How many of `other` one `unit` is; None where they measure different things, or not in proportion."""
    try:
        factor = _converted(unit, other)
    except WorkerBusy:
        return None
    return None if factor is None else Fraction(factor)


@lru_cache(maxsize=4_096)
def _compared(predicted: str, gold: str, tolerance: tuple[str, str] | None) -> bool | None:
    outcome = _ask(_EXPRESSIONS, {"predicted": predicted, "gold": gold, "tolerance": tolerance})
    return outcome if isinstance(outcome, bool) else None


@lru_cache(maxsize=1_024)
def _converted(unit: str, other: str) -> str | None:
    outcome = _ask(_CONVERSIONS, {"unit": unit, "other": other})
    return outcome if isinstance(outcome, str) else None


def _ask(pool: WorkerPool, request: dict[str, object]) -> object:
    """The reply's outcome; None for what takes too long.

    Raises:
        WorkerBusy: no worker is free, or the time is used up: that says nothing about the request.
    """
    deadline = getattr(_local, "deadline", None)
    if pool.start() and deadline is not None:
        _local.deadline = deadline = time.monotonic() + COMPARISON_SECONDS
    seconds = COMPARISON_SECONDS if deadline is None else min(COMPARISON_SECONDS, deadline - time.monotonic())
    if seconds < _LEAST_SECONDS:
        raise WorkerBusy(pool.name)
    reply = pool.ask(request, seconds)
    if reply is None and seconds < 0.8 * COMPARISON_SECONDS:
        raise WorkerBusy(pool.name)
    return None if reply is None else reply.get("outcome")
