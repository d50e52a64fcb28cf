"""Shares of hits and means of two shares, with 95 % intervals that know which responses belong together.

Intervals are Wilson's (1927), with the number of responses divided by the design effect where several belong to one
cluster (Kish, 1965; Korn and Graubard, 1998): they stay honest at 0 and 1, where judges often are and where a bootstrap
has no width.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

#: Two-sided 95 % of the normal distribution.
_Z = 1.959963984540054


@dataclass(frozen=True)
class Rate:
    """A figure over `n` responses, as a rule their share of hits, with its 95 % interval; NaN where it is undefined."""

    value: float
    low: float
    high: float
    n: int


_NOTHING = Rate(math.nan, math.nan, math.nan, 0)


def wilson(value: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `n` independent trials; `n` may be an effective number."""
    scale = 1 + _Z**2 / n
    centre = (value + _Z**2 / (2 * n)) / scale
    half = _Z * math.sqrt(value * (1 - value) / n + _Z**2 / (4 * n**2)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def rate(hits: Sequence[bool], clusters: Sequence[str]) -> Rate:
    """The share of hits; NaN where there is no response.

    Args:
        hits: one per response.
        clusters: what responses share (their question). With the design effect d = (sum over clusters of the squared
            sum of residuals) / (n p (1 - p)), the interval is that of n / max(1, d) responses; at 0 and 1, where
            residuals say nothing, that of as many as there are clusters.
    """
    n = len(hits)
    if n == 0:
        return _NOTHING
    value = sum(hits) / n
    spread = sum(residual**2 for residual in _residuals(hits, clusters).values())
    if value in (0.0, 1.0):
        effective = float(len(set(clusters)))
    else:
        effective = n / max(1.0, spread / (n * value * (1 - value)))
    return Rate(value, *wilson(value, effective), n)


def _residuals(hits: Sequence[bool], clusters: Sequence[str]) -> dict[str, float]:
    """Per cluster, the sum of what its responses are above the mean."""
    mean = sum(hits) / len(hits)
    sums: dict[str, float] = defaultdict(float)
    for hit, cluster in zip(hits, clusters, strict=True):
        sums[cluster] += hit - mean
    return sums


def mean_rate(
    first: Sequence[bool], first_clusters: Sequence[str], second: Sequence[bool], second_clusters: Sequence[str]
) -> Rate:
    """The mean of two rates over different responses, which may share clusters; NaN where one of them is.

    Its interval is recovered from those of the two (MOVER; Zou and Donner, 2008), with their correlation r over the
    clusters: each limit is at a distance of sqrt(a^2 + b^2 + 2 r a b) / 2, a and b the two rates' own distances.
    """
    left, right = rate(first, first_clusters), rate(second, second_clusters)
    if not left.n or not right.n:
        return _NOTHING
    r = _correlation(_residuals(first, first_clusters), _residuals(second, second_clusters))
    value = (left.value + right.value) / 2

    def distance(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a**2 + b**2 + 2 * r * a * b)) / 2

    low = value - distance(left.value - left.low, right.value - right.low)
    high = value + distance(left.high - left.value, right.high - right.value)
    return Rate(value, max(0.0, low), min(1.0, high), left.n + right.n)


def _correlation(first: dict[str, float], second: dict[str, float]) -> float:
    """Of two rates' residuals over the clusters; 0 where one of them has none."""
    scale = math.sqrt(sum(x**2 for x in first.values()) * sum(x**2 for x in second.values()))
    shared = sum(first[cluster] * second[cluster] for cluster in first.keys() & second.keys())
    return max(-1.0, min(1.0, shared / scale)) if scale else 0.0
