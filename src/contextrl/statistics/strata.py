"""Shares of a population of which more was sampled from some parts than from others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contextrl.statistics.bootstrap import percentile_interval
from contextrl.statistics.kappa import cohens_kappa
from contextrl.statistics.proportions import Rate, wilson

_NOTHING = Rate(math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True)
class Stratum:
    """A part of a population, and what a sample of it says.

    Attributes:
        population: how many there are.
        n: of these, how many were looked at.
        hits: of those, how many have what is counted.
        first: what the first rater says of every one of them; for kappa.
    """

    population: int
    n: int
    hits: int
    first: bool = True


def weighted_rate(strata: Sequence[Stratum]) -> Rate:
    """The population's share of hits: each stratum's own, by how many it stands for.

    The interval is recovered from Wilson's of the strata (MOVER; Zou, Huang and Zhang, 2009): with weights w, shares p
    and limits l, u it goes from sum w p - sqrt(sum w^2 (p - l)^2) to sum w p + sqrt(sum w^2 (u - p)^2). NaN where a
    stratum was not looked at: nothing is known of it.
    """
    known = [stratum for stratum in strata if stratum.population]
    if not known or any(not stratum.n for stratum in known):
        return _NOTHING
    total = sum(stratum.population for stratum in known)
    value, below, above = 0.0, 0.0, 0.0
    for stratum in known:
        weight, share = stratum.population / total, stratum.hits / stratum.n
        low, high = wilson(share, stratum.n)
        value += weight * share
        below += (weight * (share - low)) ** 2
        above += (weight * (high - share)) ** 2
    return Rate(value, max(0.0, value - math.sqrt(below)), min(1.0, value + math.sqrt(above)), sum(s.n for s in known))


def weighted_kappa(strata: Sequence[Stratum], *, resamples: int = 2000, seed: int = 0) -> Rate:
    """Cohen's kappa of two raters in the population, where strata hold what the first rater says alike.

    Args:
        strata: `first` is the first rater's word, `hits` are those that the second accepts.

    Returns:
        With a 95 % interval from draws of each stratum's share out of Beta(hits + 1/2, misses + 1/2) (Jeffreys): a
        bootstrap would take a stratum in which all that were looked at agree for certain. NaN where it is not defined.
    """
    known = [stratum for stratum in strata if stratum.population]
    n = sum(stratum.n for stratum in known)
    if not known or any(not stratum.n for stratum in known):
        return _NOTHING
    shares = np.array([stratum.hits / stratum.n for stratum in known])
    value = _kappa(known, shares)
    if math.isnan(value):
        return Rate(math.nan, math.nan, math.nan, n)
    rng = np.random.default_rng(seed)
    hits, sizes = (np.array(counts) for counts in zip(*((s.hits, s.n) for s in known), strict=True))
    drawn = rng.beta(hits + 0.5, sizes - hits + 0.5, size=(resamples, len(known)))
    low, high = percentile_interval([kappa for row in drawn if not math.isnan(kappa := _kappa(known, row))])
    return Rate(value, min(low, value), max(high, value), n)


def _kappa(strata: Sequence[Stratum], shares: np.ndarray) -> float:
    table = [0.0, 0.0, 0.0, 0.0]
    for stratum, share in zip(strata, shares.tolist(), strict=True):
        table[0 if stratum.first else 2] += stratum.population * share
        table[1 if stratum.first else 3] += stratum.population * (1 - share)
    return cohens_kappa(*table)
