"""Figures of a benchmark with intervals that know which of its questions belong together.

Dimension legend: U units (questions, figures, seed questions: what a figure is a mean over), K clusters, T kinds of
clusters, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contextrl.statistics.bootstrap import percentile_interval

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Unit:
    """One term of a ratio of sums: `numerator` of `denominator`, resampled with its cluster."""

    cluster: str
    numerator: float
    denominator: float = 1.0


def mean_of_parts(ratios: Sequence[Array]) -> Array:
    """The unweighted mean: of a benchmark's cycles, of two classes."""
    total = sum(ratios[1:], start=ratios[0])
    return total / len(ratios)


@dataclass(frozen=True)
class Metric:
    """A figure between 0 and 1.

    Attributes:
        parts: the units of each ratio of sums.
        combine: how the ratios (`[R]` each) make the figure; one ratio alone is the figure.
    """

    parts: tuple[tuple[Unit, ...], ...]
    combine: Callable[[Sequence[Array]], Array] = mean_of_parts

    @property
    def n(self) -> int:
        """Units that it is a mean over."""
        return sum(len(part) for part in self.parts)

    @property
    def value(self) -> float:
        """The figure; NaN where a part has no units."""
        return float(self.under(np.ones((1, len(self.clusters))))[0])

    @property
    def clusters(self) -> list[str]:
        return list(dict.fromkeys(unit.cluster for part in self.parts for unit in part))

    def ci95(self, *, resamples: int = 2000, seed: int = 0) -> tuple[float, float]:
        """Percentile interval when clusters are resampled; NaN where there is nothing to resample."""
        clusters = self.clusters
        if not clusters:
            return (float("nan"), float("nan"))
        kinds, counts = kinds_of(self.sums(clusters).reshape(-1, len(clusters)).T)
        totals = kind_draws(counts, resamples=resamples, seed=seed) @ kinds
        figures = self.of(totals.T.reshape(len(self.parts), 2, resamples))
        told = figures[~np.isnan(figures)]
        return percentile_interval(told) if len(told) else (float("nan"), float("nan"))

    def under(self, weights: Array, clusters: Sequence[str] | None = None) -> Array:
        """The figure when clusters count so often: `[R, K]` to `[R]`.

        Args:
            clusters: of the weights' columns, by default the metric's own.
        """
        return self.of(self.sums(self.clusters if clusters is None else clusters) @ weights.T)

    def sums(self, clusters: Sequence[str]) -> Array:
        """Numerators and denominators of each part, summed by cluster: `[parts, 2, K]`."""
        place = {cluster: k for k, cluster in enumerate(clusters)}
        sums = np.zeros((len(self.parts), 2, len(place)))
        for n, part in enumerate(self.parts):
            at = [place[unit.cluster] for unit in part]
            for row, values in enumerate(([u.numerator for u in part], [u.denominator for u in part])):
                sums[n, row] = np.bincount(at, weights=values, minlength=len(place)) if part else 0
        return sums

    def of(self, totals: Array) -> Array:
        """The figure of numerators and denominators: `[parts, 2, R]` to `[R]`; NaN where a denominator is 0."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = [part[0] / part[1] for part in totals]
        return self.combine(ratios) if ratios else np.full(totals.shape[-1], np.nan)


def kinds_of(rows: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """Clusters that add the same, taken together: there are few kinds, so that resampling them is quick.

    Args:
        rows: `[K, M]`, what each cluster adds to M sums.

    Returns:
        The kinds `[T, M]`, and how many clusters are of each `[T]`.
    """
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    return kinds, counts.astype(np.int64)


def kind_draws(counts: npt.NDArray[np.int64], *, resamples: int, seed: int) -> Array:
    """How often each kind is drawn when as many clusters are drawn as there are: `[R, T]`."""
    rng = np.random.default_rng(seed)
    total = int(counts.sum())
    return rng.multinomial(total, counts / total, size=resamples).astype(float)


def accuracy(scores: Iterable[tuple[str, float | None]]) -> Metric:
    """The share of right units.

    Args:
        scores: (cluster, score) of each; a unit without a score is left out.
    """
    return Metric((tuple(Unit(cluster, score) for cluster, score in scores if score is not None),))


def all_right(scores: Sequence[float | None]) -> float | None:
    """Whether all of a unit's questions are right: a wrong one decides, one that nobody judged leaves it open."""
    if any(score == 0 for score in scores):
        return 0.0
    return None if None in scores else 1.0


Metrics = Mapping[str, Metric]
