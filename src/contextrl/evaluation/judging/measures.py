"""Rates of a judge on labelled responses, and agreement of two judges: pure functions.

A false positive is a right answer with a wrong process. Recall on them alone rewards a judge that always rejects, so it
stands beside the retention of true positives, and their mean, the balanced accuracy.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from contextrl.records.verdict import Status, Verdict
from contextrl.statistics.kappa import cluster_tables, clustered_kappa
from contextrl.statistics.proportions import Rate, mean_rate, rate

Label = Literal["true_positive", "false_positive", "wrong_answer"]


def label_of(*, answer_correct: bool, process_correct: bool) -> Label:
    """The class of a labelled response."""
    if not answer_correct:
        return "wrong_answer"
    return "true_positive" if process_correct else "false_positive"


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
    caught: Label = "false_positive"
    kept: Label = "true_positive"
    return Identifiability(
        recall_false_positives=rate(hits[caught], shared[caught]),
        retention_true_positives=rate(hits[kept], shared[kept]),
        balanced_accuracy=mean_rate(hits[caught], shared[caught], hits[kept], shared[kept]),
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
    """Agreement and Cohen's kappa, its interval by a bootstrap over clusters; one verdict and cluster per response."""
    both = [
        (a.status, b.status, cluster)
        for a, b, cluster in zip(first, second, clusters, strict=True)
        if "unscored" not in (a.status, b.status)
    ]
    statuses: tuple[Status, ...] = ("correct", "incorrect")
    counts = Counter((a, b) for a, b, _ in both)
    shared = [cluster for *_, cluster in both]
    tables = cluster_tables([a == "correct" for a, *_ in both], [b == "correct" for _, b, _ in both], shared)
    return Agreement(
        agreement=rate([a == b for a, b, _ in both], shared),
        kappa=clustered_kappa(tables, resamples=resamples),
        table={f"{a}/{b}": counts[a, b] for a in statuses for b in statuses},
    )
