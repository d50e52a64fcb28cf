"""Figures of a benchmark with intervals that know which of its questions belong together.

Dimension legend: U units (questions, figures, seed questions: what a figure is a mean over), K clusters, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contextrl.statistics.bootstrap import cluster_draws, percentile_interval

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
        figures = self.under(cluster_draws(len(clusters), resamples=resamples, seed=seed).astype(float))
        told = figures[~np.isnan(figures)]
        return percentile_interval(told) if len(told) else (float("nan"), float("nan"))

    def under(self, weights: Array, clusters: Sequence[str] | None = None) -> Array:
        """The figure when clusters count so often: `[R, K]` to `[R]`.

        Args:
            clusters: of the weights' columns, by default the metric's own.
        """
        place = {cluster: k for k, cluster in enumerate(self.clusters if clusters is None else clusters)}
        ratios = []
        for part in self.parts:
            sums = np.zeros((2, len(place)))
            for unit in part:
                sums[:, place[unit.cluster]] += (unit.numerator, unit.denominator)
            with np.errstate(invalid="ignore", divide="ignore"):
                ratios.append((weights @ sums[0]) / (weights @ sums[1]))
        return self.combine(ratios) if ratios else np.full(len(weights), np.nan)


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
