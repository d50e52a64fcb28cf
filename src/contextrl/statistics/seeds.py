"""What runs of several seeds say: a mean with its interval, and whether two methods differ by more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: A difference with an adjusted p below this is called significant.
SIGNIFICANT = 0.05
#: Half of an interval up to this is rounding: the seeds do not differ.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A mean of accuracies over seeds with its 95 % interval.

    Attributes:
        low, high: Student's t over seeds, within the bounds of a share as a rule; with one seed the run's own interval,
            or None. None too where the seeds do not differ: a few equal values do not say how much others would vary.
        values: by seed.
    """

    mean: float
    low: float | None
    high: float | None
    values: list[float]


def estimate(
    values: list[float],
    own_interval: tuple[float, float] | None = None,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Estimate:
    """Mean of at least one value with an interval: Student's t, or a single run's own.

    Args:
        bounds: of what is averaged; the interval ends there.
    """
    mean = sum(values) / len(values)
    if len(values) == 1:
        low, high = own_interval or (None, None)
        return Estimate(mean, low, high, values)
    half = _half_width(values)
    if half <= _ROUNDING:
        return Estimate(mean, None, None, values)
    return Estimate(mean, max(bounds[0], mean - half), min(bounds[1], mean + half), values)


def _half_width(values: Sequence[float]) -> float:
    """Of the 95 % interval of a mean by Student's t; at least two values."""
    from scipy.stats import t  # takes a second to import

    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return float(t.ppf(0.975, len(values) - 1)) * deviation / math.sqrt(len(values))


def welch(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Two-sided p of Welch's t-test (1947), which does not take the variances to be equal.

    Args:
        first, second: two methods' values by seed, at least two each.

    Returns:
        None where neither varies, of which the test can say nothing.
    """
    if len(set(first)) < 2 and len(set(second)) < 2:
        return None
    from scipy.stats import ttest_ind  # takes a second to import

    return float(ttest_ind(first, second, equal_var=False).pvalue)


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted for how many there are (Holm 1979): the k-th smallest of m times m − k + 1, never falling."""
    order = sorted(range(len(values)), key=lambda n: values[n])
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, n in enumerate(order):
        largest = max(largest, min(1.0, values[n] * (len(values) - rank)))
        adjusted[n] = largest
    return adjusted


@dataclass(frozen=True)
class PairedDifference:
    """The mean difference of two methods with the same seeds.

    Attributes:
        low, high: Student's t over the seeds' differences.
        p: two-sided, of the paired t-test. All three are None with one seed, and where every seed differs by the same.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None
    n: int


def paired_difference(first: Sequence[float], second: Sequence[float]) -> PairedDifference:
    """`first` less `second`, seed by seed; as many of both, at least one."""
    apart = [value - other for value, other in zip(first, second, strict=True)]
    mean = sum(apart) / len(apart)
    if len(apart) == 1:
        return PairedDifference(mean, None, None, None, 1)
    from scipy.stats import ttest_rel  # takes a second to import

    half = _half_width(apart)
    if half <= _ROUNDING:
        return PairedDifference(mean, None, None, None, len(apart))
    return PairedDifference(mean, mean - half, mean + half, float(ttest_rel(first, second).pvalue), len(apart))
