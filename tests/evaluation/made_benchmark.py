"""A small benchmark and models that answer it, for tests of what is made of any benchmark's marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from contextrl.evaluation.benchmarks.benchmark import Benchmark, text_of
from contextrl.evaluation.benchmarks.items import Family, Item, Mark, Protocol, Response, Scored, Scorer, Source, failed
from contextrl.evaluation.benchmarks.metrics import Metric, Metrics, Unit, accuracy, all_right
from contextrl.evaluation.benchmarks.outcome import Outcome
from contextrl.evaluation.benchmarks.steps import Step


@dataclass(frozen=True)
class Made(Benchmark):
    """Letters; `groups` are clusters of which all must be right."""

    name: str = "made"  # type: ignore[misc]
    title: str = "Made"  # type: ignore[misc]
    family: Family = "perception"  # type: ignore[misc]
    columns: Mapping[str, str] = None  # type: ignore[assignment, misc]
    source: ClassVar[Source] = Source("made/made", "test", 4, "made here", ("id", "question", "answer"))
    headline: ClassVar[str] = "accuracy"

    def __post_init__(self) -> None:
        if self.columns is None:
            object.__setattr__(self, "columns", {"accuracy": "accuracy", "groups": "all of a group"})

    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        if row.get("skip"):
            return None
        columns = {"question": text_of(row, "question", f"row {position}"), "answer": text_of(row, "answer", "row")}
        return Item(str(row["id"]), columns, cluster=str(row.get("group", row["id"])))

    def prompt(self, item: Item, protocol: Protocol) -> str:
        return f"{item.columns['question']} Answer with a letter."

    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        return Mark(float(response.text.strip() == item.columns["answer"]), response.text.strip()[:1])

    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        groups: dict[str, list[float | None]] = {}
        for one in scored:
            groups.setdefault(one.item.cluster, []).append(one.mark.score)
        plain = accuracy((one.item.cluster, one.mark.score) for one in scored)
        return dict.fromkeys(self.columns, plain) | {
            "groups": accuracy((group, all_right(scores)) for group, scores in groups.items()),
            # Of what was attempted: a denominator that depends on the answers.
            "precise": Metric(
                (
                    tuple(
                        Unit(one.item.cluster, one.mark.score, float(one.mark.extracted != "?"))
                        for one in scored
                        if one.mark.score is not None
                    ),
                )
            ),
        }


def outcome(
    scores: Sequence[float | None],
    *,
    benchmark: Benchmark | None = None,
    group: int = 1,
    protocol: Protocol = "official",
    scorer: Scorer = "official",
    question: str = "?",
) -> Outcome:
    """Marks of questions q0, q1, ...; `group` of them share a cluster; None has no score."""
    scored = [
        Scored(
            Item(f"q{n}", {"question": f"{question} {n}"}, cluster=f"g{n // group}"),
            failed("no judge") if score is None else Mark(score, "A" if score else "?"),
        )
        for n, score in enumerate(scores)
    ]
    return Outcome(benchmark or Made(), protocol, scorer, scored)
