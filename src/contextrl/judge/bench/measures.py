"""Rates of a judge on labelled responses, and agreement of two judges: pure functions.

A false positive is a right answer with a wrong process. Recall on them alone rewards a judge that always rejects, so it
stands beside the retention of true positives, and their mean, the balanced accuracy.

Intervals (95 %) are Wilson's (1927), with the number of responses divided by the design effect where several belong to
one question (Kish, 1965; Korn and Graubard, 1998): they stay honest at 0 and 1, where judges often are and where a
bootstrap has no width.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from contextrl.judge.types import Status, Verdict

Label = Literal["true_positive", "false_positive", "wrong_answer"]

#: Two-sided 95 % of the normal distribution.
_Z = 1.959963984540054


def label_of(*, answer_correct: bool, process_correct: bool) -> Label:
    """The class of a labelled response."""
    if not answer_correct:
        return "wrong_answer"
    return "true_positive" if process_correct else "false_positive"


@dataclass(frozen=True)
class Rate:
    """A share of `n` responses with its 95 % interval; NaN where there is nothing to count."""

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
    """The share of hits.

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
    """The mean of two rates over different responses, which may share questions.

    Its interval is recovered from those of the two (MOVER; Zou and Donner, 2008), with their correlation r over the
    clusters: each limit is at a distance of sqrt(a^2 + b^2 + 2 r a b) / 2, a and b the two rates' own distances.
    """
    one, two = rate(first, first_clusters), rate(second, second_clusters)
    if not one.n or not two.n:
        return _NOTHING
    r = _correlation(_residuals(first, first_clusters), _residuals(second, second_clusters))
    value = (one.value + two.value) / 2

    def distance(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a**2 + b**2 + 2 * r * a * b)) / 2

    low = value - distance(one.value - one.low, two.value - two.low)
    high = value + distance(one.high - one.value, two.high - two.value)
    return Rate(value, max(0.0, low), min(1.0, high), one.n + two.n)


def _correlation(first: dict[str, float], second: dict[str, float]) -> float:
    scale = math.sqrt(sum(x**2 for x in first.values()) * sum(x**2 for x in second.values()))
    shared = sum(first[cluster] * second[cluster] for cluster in first.keys() & second.keys())
    return max(-1.0, min(1.0, shared / scale)) if scale else 0.0


@dataclass(frozen=True)
class Identifiability:
    """What a judge found, over the responses that it scored.

    Attributes:
        recall_false_positives: share of the false positives that it found incorrect.
        retention_true_positives: share of the true positives that it found correct.
        balanced_accuracy: mean of the two.
        rejected_wrong_answers: share of the wrong answers that it found incorrect.
        n: responses by class, scored or not.
        unscored: by kind of failure; in no rate.
        unscored_classes: by class, because a judge that fails on one class alone has flattering rates.
    """

    recall_false_positives: Rate
    retention_true_positives: Rate
    balanced_accuracy: Rate
    rejected_wrong_answers: Rate
    n: dict[str, int]
    unscored: dict[str, int]
    unscored_classes: dict[str, int]


def identifiability(labels: Sequence[Label], verdicts: Sequence[Verdict], clusters: Sequence[str]) -> Identifiability:
    """Rates with intervals; labels, verdicts and clusters are one each per response."""
    hits: dict[Label, list[bool]] = defaultdict(list)
    shared: dict[Label, list[str]] = defaultdict(list)
    failed = []
    for label, verdict, cluster in zip(labels, verdicts, clusters, strict=True):
        if verdict.status == "unscored":
            failed.append((label, verdict.error_kind or "unknown"))
            continue
        hits[label].append(verdict.status == ("correct" if label == "true_positive" else "incorrect"))
        shared[label].append(cluster)
    found: Label = "false_positive"
    kept: Label = "true_positive"
    return Identifiability(
        recall_false_positives=rate(hits[found], shared[found]),
        retention_true_positives=rate(hits[kept], shared[kept]),
        balanced_accuracy=mean_rate(hits[found], shared[found], hits[kept], shared[kept]),
        rejected_wrong_answers=rate(hits["wrong_answer"], shared["wrong_answer"]),
        n=dict(Counter(labels)),
        unscored=dict(Counter(kind for _, kind in failed)),
        unscored_classes=dict(Counter(label for label, _ in failed)),
    )


@dataclass(frozen=True)
class Agreement:
    """Two judges on the responses that both scored.

    Attributes:
        agreement: share with the same status.
        kappa: Cohen's kappa, agreement beyond chance; NaN where both always say the same one thing.
        table: counts by (first, second) status: `correct/correct` and so on, all four.
    """

    agreement: Rate
    kappa: Rate
    table: dict[str, int]


def agreement(
    first: Sequence[Verdict], second: Sequence[Verdict], clusters: Sequence[str], *, resamples: int = 2000
) -> Agreement:
    """Agreement and Cohen's kappa (Cohen, 1960), its interval by a bootstrap over clusters."""
    both = [
        (a.status, b.status, cluster)
        for a, b, cluster in zip(first, second, clusters, strict=True)
        if "unscored" not in (a.status, b.status)
    ]
    statuses: tuple[Status, ...] = ("correct", "incorrect")
    counts = Counter((a, b) for a, b, _ in both)
    return Agreement(
        agreement=rate([a == b for a, b, _ in both], [cluster for *_, cluster in both]),
        kappa=_kappa_rate(both, resamples),
        table={f"{a}/{b}": counts[a, b] for a in statuses for b in statuses},
    )


def cohens_kappa(both_correct: float, first_only: float, second_only: float, neither: float) -> float:
    """(observed agreement - chance agreement) / (1 - chance agreement); NaN where chance alone explains everything."""
    n = both_correct + first_only + second_only + neither
    if not n:
        return math.nan
    p, q = (both_correct + first_only) / n, (both_correct + second_only) / n
    chance = p * q + (1 - p) * (1 - q)
    return ((both_correct + neither) / n - chance) / (1 - chance) if chance < 1 else math.nan


def _kappa_rate(both: Sequence[tuple[str, str, str]], resamples: int) -> Rate:
    """As many clusters as there are, drawn with replacement; resamples in which kappa is not defined are left out."""
    cells = {("correct", "correct"): 0, ("correct", "incorrect"): 1, ("incorrect", "correct"): 2}
    tables: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for a, b, cluster in both:
        tables[cluster][cells.get((a, b), 3)] += 1
    counts = np.array(list(tables.values())).reshape(-1, 4)
    value = cohens_kappa(*counts.sum(axis=0).tolist())
    if math.isnan(value):
        return Rate(math.nan, math.nan, math.nan, len(both))
    drawn = np.random.default_rng(0).multinomial(len(counts), [1 / len(counts)] * len(counts), size=resamples)
    values = [cohens_kappa(*row) for row in (drawn @ counts).tolist()]
    low, high = np.quantile([v for v in values if not math.isnan(v)] or [value], [0.025, 0.975])
    return Rate(value, float(low), float(high), len(both))
