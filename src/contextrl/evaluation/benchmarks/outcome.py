"""What a benchmark came to: figures with intervals, what could not be judged, and how the answers were read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from contextrl.evaluation.benchmarks.benchmark import Benchmark
from contextrl.evaluation.benchmarks.items import Mark, Protocol, Scored, Scorer
from contextrl.evaluation.benchmarks.metrics import Metrics
from contextrl.records.jsonl import json_ready


@dataclass(frozen=True)
class Outcome:
    """One benchmark's figures by one scorer.

    Attributes:
        benchmark: whose.
        protocol: how the responses were asked for.
        scorer: how they were read.
        scored: every question and its mark, those that failed among them.
        sick: rows of the benchmark that could not be read at all, with what is wrong.
    """

    benchmark: Benchmark
    protocol: Protocol
    scorer: Scorer
    scored: Sequence[Scored]
    sick: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name, which always tells how it was asked and read."""
        read = "" if self.scorer == self.protocol else f", read {self.scorer}ly" if self.scorer == "robust" else ""
        return f"{self.benchmark.title} ({self.protocol}{read})"

    @property
    def counted(self) -> list[Scored]:
        """The questions that the figures are over: some protocols leave a part of them out."""
        return [one for one in self.scored if self.benchmark.counts(one.item, self.scorer)]

    @property
    def judged(self) -> list[Scored]:
        return [one for one in self.counted if one.mark.score is not None]

    @property
    def n_failed(self) -> int:
        """Questions without a score: no answer, no judgement, or a row that could not be read."""
        return len(self.counted) - len(self.judged) + len(self.sick)

    def metrics(self) -> Metrics:
        return self.benchmark.summarise(self.scored, self.scorer)

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Where each figure would be if all that nobody judged were wrong, and if all were right."""
        ends = [self.benchmark.summarise(_filled(self.scored, end), self.scorer) for end in (0.0, 1.0)]
        return {
            name: (min(values), max(values))
            for name in ends[0]
            if name in ends[1] and (values := [end[name].value for end in ends])
        }

    def as_json(self, *, resamples: int = 2000) -> dict[str, Any]:
        """`{metric: value, ..., n, n_failed, ci95, counts}`, and `range` where something failed."""
        metrics, counted = self.metrics(), self.counted
        figures: dict[str, Any] = {name: metric.value for name, metric in metrics.items()}
        figures |= {
            "n": len(self.judged),
            "n_failed": self.n_failed,
            "ci95": {name: m.ci95(resamples=resamples) for name, m in metrics.items()},
            "name": f"{self.benchmark.name}/{self.scorer}",
            "protocol": self.protocol,
            "scorer": self.scorer,
            "counts": dict(Counter(one.mark.how for one in counted)),
        }
        if len(self.judged) < len(counted):
            figures["range"] = self.bounds()
            figures["failures"] = dict(Counter(one.mark.detail for one in counted if one.mark.score is None))
        if self.sick:
            figures["sick_rows"] = dict(list(self.sick.items())[:20])
        if note := self.benchmark.notes.get(self.scorer):
            figures["note"] = note
        return dict(json_ready(figures, 6))


def _filled(scored: Iterable[Scored], score: float) -> list[Scored]:
    return [one if one.mark.score is not None else replace(one, mark=_as_if(one.mark, score)) for one in scored]


def _as_if(mark: Mark, score: float) -> Mark:
    return replace(mark, score=score, label="")
