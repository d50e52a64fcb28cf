"""Cohen's kappa (Cohen, 1960): agreement of two raters beyond chance, its interval by a bootstrap over clusters."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from contextrl.statistics.bootstrap import cluster_draws, percentile_interval
from contextrl.statistics.proportions import Rate


def cohens_kappa(both_yes: float, first_only: float, second_only: float, neither: float) -> float:
    """(observed agreement - chance agreement) / (1 - chance agreement); NaN where chance alone explains everything.

    Args:
        both_yes, first_only, second_only, neither: how many responses both raters, only one, or none of them accept.
    """
    n = both_yes + first_only + second_only + neither
    if not n:
        return math.nan
    p, q = (both_yes + first_only) / n, (both_yes + second_only) / n
    chance = p * q + (1 - p) * (1 - q)
    return ((both_yes + neither) / n - chance) / (1 - chance) if chance < 1 else math.nan


def cluster_tables(first: Sequence[bool], second: Sequence[bool], clusters: Sequence[str]) -> list[list[int]]:
    """Counts of the raters' answers in each cluster.

    Args:
        first, second, clusters: one per response.

    Returns:
        `[K, 4]` for K clusters in the order in which they first appear, columns as `cohens_kappa` takes them.
    """
    tables: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for by_first, by_second, cluster in zip(first, second, clusters, strict=True):
        tables[cluster][2 * (not by_first) + (not by_second)] += 1
    return list(tables.values())


def clustered_kappa(tables: Sequence[Sequence[int]], *, resamples: int = 2000, seed: int = 0) -> Rate:
    """Kappa of all clusters together, with the percentile interval over resampled clusters.

    Args:
        tables: `[K, 4]`, from `cluster_tables`; may be empty.

    Returns:
        NaN where kappa is not defined; resamples in which it is not are left out. Where all resamples agree, as where
        two raters never differ, a bootstrap says nothing of how far kappa may be off: the ends are NaN.
    """
    counts = np.array(tables, dtype=np.int64).reshape(-1, 4)
    total = counts.sum(axis=0).tolist()
    value = cohens_kappa(*total)
    if math.isnan(value):
        return Rate(math.nan, math.nan, math.nan, sum(total))
    drawn = cluster_draws(len(counts), resamples=resamples, seed=seed) @ counts
    figures = [kappa for row in drawn.tolist() if not math.isnan(kappa := cohens_kappa(*row))]
    low, high = percentile_interval(figures or [value])
    return Rate(value, *((low, high) if low < high else (math.nan, math.nan)), sum(total))
