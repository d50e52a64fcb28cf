"""When two curves that belong together part for good: reward and what it is meant to measure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

#: Points over which the gap is averaged, and the least by which it must grow.
WINDOW, LEAST = 5, 0.05
#: Standard errors of a window's mean that growth must exceed.
_ERRORS = 3.0


@dataclass(frozen=True)
class Parting:
    """A gap that has grown and stays so.

    Attributes:
        step: the first one at which it is wider than at the beginning and stays so.
        before: mean gap at the beginning.
        after: mean gap at the end.
    """

    step: int
    before: float
    after: float


def parting(points: Sequence[tuple[int, float]], *, window: int = WINDOW, least: float = LEAST) -> Parting | None:
    """Where a gap becomes wider than it was at first, up to the last point; None where it does not.

    The gap is averaged over `window` points. It has grown where such a mean exceeds that of the beginning (the first
    tenth, at least a window) by `least` and by three standard errors, which come from the differences of neighbours: a
    slow trend is no noise.

    Args:
        points: (step, gap) in the order of the steps; fewer than three windows say nothing.
    """
    if len(points) < 3 * window:
        return None
    gaps = [gap for _, gap in points]
    first = max(window, len(points) // 10)
    before = sum(gaps[:first]) / first
    squares = [(b - a) ** 2 for a, b in pairwise(gaps)]
    error = math.sqrt(sum(squares) / (2 * len(squares)) * (1 / window + 1 / first))
    bound = before + max(least, _ERRORS * error)
    means = [sum(gaps[end - window : end]) / window for end in range(first + window, len(gaps) + 1)]
    start = len(means)
    while start and means[start - 1] > bound:
        start -= 1
    if start == len(means):
        return None
    place = next(n for n in range(first + start, len(gaps)) if gaps[n] > bound)
    return Parting(points[place][0], before, sum(gaps[-window:]) / window)
