"""Two answers to every question: how far apart two models' figures are, and whether that is more than chance.

Interval: percentiles when the clusters of questions that both answered are resampled, each with both answers. Test:
if the models were alike, a cluster's answers could as well be the other's; p is the share of such exchanges after which
the figures are at least as far apart (a randomisation test; E. S. Edgington, 1964). With two equally weighted outcomes
it is the exact test of McNemar.

Dimension legend: K clusters, T kinds of clusters, M sums, R resamples, F exchanges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contextrl.evaluation.benchmarks.metrics import Array, Metric, kind_draws, kinds_of
from contextrl.statistics.bootstrap import percentile_interval

#: Exchanges that are drawn where there are too many to try all.
EXCHANGES = 10_000
#: So many are tried one by one; p is then exact.
_ALL_TRIED = 100_000
#: Rounding errors of a figure.
_TIE = 1e-10
_SMALLEST = 1e-300


@dataclass(frozen=True)
class Paired:
    """How far one figure is from another, first less second.

    Attributes:
        value: the difference.
        resampled: `[R]`, when clusters are resampled.
        exchanged: `[F]`, when clusters' answers are exchanged by chance.
        exact: p where all exchanges were tried, None where too many were possible.
    """

    value: float
    resampled: Array
    exchanged: Array
    exact: float | None = None

    @property
    def ci95(self) -> tuple[float, float]:
        told = self.resampled[~np.isnan(self.resampled)]
        return percentile_interval(told) if len(told) else (math.nan, math.nan)

    @property
    def p(self) -> float:
        """Two-sided; the observed answers count as one more of the exchanges that were drawn."""
        if self.exact is not None:
            return self.exact
        return float((1 + _as_far(self.exchanged, self.value).sum()) / (1 + len(self.exchanged)))


def paired(
    first: Mapping[str, Metric], second: Mapping[str, Metric], *, resamples: int = 2000, seed: int = 0
) -> dict[str, Paired]:
    """Compare figures over the same questions; those that only one side has, or that are undefined, are left out."""
    names = [name for name in first if name in second and len(first[name].parts) == len(second[name].parts)]
    names = [name for name in names if not math.isnan(first[name].value - second[name].value)]
    if not names:
        return {}
    clusters = list(dict.fromkeys(k for name in names for side in (first, second) for k in side[name].clusters))
    sums = {name: _both(first[name], second[name], clusters) for name in names}
    ends = np.cumsum([part.shape[1] for part in sums.values()])
    kinds, counts = kinds_of(np.concatenate(list(sums.values()), axis=1))
    drawn = kind_draws(counts, resamples=resamples, seed=seed)
    exchanges = np.random.default_rng(seed + 1).binomial(counts, 0.5, size=(EXCHANGES, len(counts))).astype(float)
    found = {}
    for name, end in zip(names, ends, strict=True):
        own = kinds[:, end - sums[name].shape[1] : end]
        found[name] = Paired(
            value=first[name].value - second[name].value,
            resampled=_difference(first[name], drawn @ own),
            exchanged=_difference(first[name], _after(own, counts, exchanges)),
            exact=_exact(first[name], sums[name]),
        )
    return found


def resampled(metrics: Mapping[str, Metric], *, resamples: int = 2000, seed: int = 0) -> dict[str, Array]:
    """Figures of the same questions when their clusters are resampled, all of them together: `[R]` each."""
    clusters = list(dict.fromkeys(k for metric in metrics.values() for k in metric.clusters))
    sums = {name: metric.sums(clusters).reshape(-1, len(clusters)).T for name, metric in metrics.items()}
    kinds, counts = kinds_of(np.concatenate(list(sums.values()), axis=1))
    totals = kind_draws(counts, resamples=resamples, seed=seed) @ kinds
    ends = np.cumsum([part.shape[1] for part in sums.values()])
    return {
        name: metric.of(part.T.reshape(len(metric.parts), 2, resamples))
        for (name, metric), part in zip(metrics.items(), np.split(totals, ends[:-1], axis=1), strict=True)
    }


def mean_of(differences: Sequence[Paired]) -> Paired:
    """The plain mean of differences, of the same or of other questions."""
    return Paired(
        sum(one.value for one in differences) / len(differences),
        np.mean([one.resampled for one in differences], axis=0),
        np.mean([one.exchanged for one in differences], axis=0),
    )


def _both(first: Metric, second: Metric, clusters: list[str]) -> Array:
    """What each cluster adds to the sums of both: `[K, M]`, the first's half before the second's."""
    return np.concatenate([side.sums(clusters).reshape(-1, len(clusters)) for side in (first, second)]).T


def _difference(metric: Metric, totals: Array) -> Array:
    """First less second of their sums: `[R, M]` to `[R]`."""
    halves = np.split(totals.T, 2)
    ours, theirs = (metric.of(half.reshape(len(metric.parts), 2, -1)) for half in halves)
    return ours - theirs


def _after(kinds: Array, counts: npt.NDArray[np.int64], exchanged: Array) -> Array:
    """Sums of both when so many clusters of each kind are exchanged: `[F, T]` to `[F, M]`."""
    other = np.roll(kinds, kinds.shape[1] // 2, axis=1)
    return counts @ kinds + exchanged @ (other - kinds)


def _as_far(exchanged: Array, value: float) -> npt.NDArray[np.bool_]:
    """Where a difference is at least as large; one that is undefined counts as if it were."""
    return ~(np.abs(exchanged) < abs(value) - _TIE)


def _exact(metric: Metric, sums: Array) -> float | None:
    """p over all exchanges: kinds of clusters that differ, exchanged in every number with its probability."""
    kinds, counts = kinds_of(sums)
    differ = (np.roll(kinds, kinds.shape[1] // 2, axis=1) != kinds).any(axis=1)
    if math.prod(int(count) + 1 for count in counts[differ]) > _ALL_TRIED:
        return None
    grids = np.meshgrid(*(np.arange(count + 1) for count in counts[differ]), indexing="ij")
    tried = np.zeros((grids[0].size if grids else 1, len(counts)))
    tried[:, differ] = np.stack([grid.ravel() for grid in grids], axis=1) if grids else 0
    logs = [_log_choices(int(count)) for count in counts[differ]]
    chances = np.exp(
        sum((log[grid.ravel()] for log, grid in zip(logs, grids, strict=True)), start=np.zeros(len(tried)))
    )
    far = _as_far(
        _difference(metric, _after(kinds, counts, tried)), float(_difference(metric, counts @ kinds[None])[0])
    )
    # Thousands of clusters apart have a chance that no number holds; it is not 0.
    return float(min(1.0, max(_SMALLEST, chances[far].sum() / chances.sum())))


def _log_choices(count: int) -> Array:
    """Logarithms of the binomial probabilities with a chance of one half: `[count + 1]`."""
    factorials = np.array([math.lgamma(n + 1) for n in range(count + 1)])
    logs: Array = factorials[-1] - factorials - factorials[::-1] - count * math.log(2)
    return logs
