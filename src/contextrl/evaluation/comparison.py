"""Several models on the same benchmarks: their figures, and the differences that are more than chance."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.items import Family, Scored
from contextrl.evaluation.benchmarks.metrics import Array, Metrics
from contextrl.evaluation.benchmarks.outcome import Outcome
from contextrl.evaluation.pairing import Paired, mean_of, paired, resampled
from contextrl.evaluation.paper_figures import PAPER_COLUMNS
from contextrl.statistics.bootstrap import percentile_interval
from contextrl.statistics.seeds import SIGNIFICANT, holm

#: The metric's place of a difference between averages.
AVERAGE = "average"
FAMILIES: tuple[Family, ...] = ("perception", "reasoning")


@dataclass(frozen=True)
class ResultSet:
    """One model's results, without controls: at most one outcome of a benchmark."""

    label: str
    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True)
class Column:
    """One figure of the table; `title` is its benchmark's."""

    family: Family
    benchmark: str
    metric: str
    title: str
    heading: str


@dataclass(frozen=True)
class Figure:
    """A value with its 95 % interval; NaN where it is undefined."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Difference:
    """A model's figure less the baseline's, over the questions that all models have.

    Attributes:
        family: whose half of the table.
        benchmark: empty for an average.
        metric: `average` for an average.
        n: questions that it is about.
        adjusted: p after Holm over all differences of the comparison.
    """

    label: str
    family: Family
    benchmark: str
    metric: str
    value: float
    low: float
    high: float
    p: float
    n: int
    adjusted: float = 1.0

    @property
    def holds(self) -> bool:
        return self.adjusted < SIGNIFICANT


@dataclass(frozen=True)
class Comparison:
    """What stands in the tables.

    Attributes:
        labels: of the models; the first is the baseline.
        columns: in table 1's order, others behind them.
        figures: by model and column, each over all questions that the model has a score for.
        averages: by model and family; absent where a benchmark is missing.
        missing: by model and family, benchmarks without which there is no average.
        differences: of every model from the baseline.
        names: by benchmark, its protocol and scorer.
        scored, not_scored: by model and benchmark, questions with and without a score.
        shared: by benchmark, questions that all have.
        notes: what a reader must know.
    """

    labels: Sequence[str]
    columns: Sequence[Column]
    figures: Mapping[tuple[str, Column], Figure]
    averages: Mapping[tuple[str, Family], Figure]
    missing: Mapping[tuple[str, Family], Sequence[str]]
    differences: Sequence[Difference]
    names: Mapping[str, tuple[str, str]]
    scored: Mapping[tuple[str, str], int]
    not_scored: Mapping[tuple[str, str], int]
    shared: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def difference(self, label: str, benchmark: str, metric: str, family: Family) -> Difference | None:
        """Of a model from the baseline; None where there is none."""
        wanted = (label, benchmark, metric, family)
        return next((d for d in self.differences if (d.label, d.benchmark, d.metric, d.family) == wanted), None)


def compare(results: Sequence[ResultSet], *, resamples: int = 2000, seed: int = 0) -> Comparison:
    """Compare two or more models; the first is what the others are compared with.

    Raises:
        InputError: fewer than two, two of one name, no benchmark that the first and another have, or a benchmark that
            they were asked or read in different ways.
    """
    _check(results)
    columns = _columns(results)
    own = {(one.label, name): outcome.metrics() for one in results for name, outcome in one.outcomes.items()}
    figures = {
        (one.label, column): Figure(metric.value, *metric.ci95(resamples=resamples))
        for one in results
        for column in columns
        if (metric := own.get((one.label, column.benchmark), {}).get(column.metric)) is not None
    }
    missing = {(one.label, family): _missing(one, family) for one in results for family in FAMILIES}
    averages = {
        (label, family): _average({name: own[label, name] for name in _needed(family)}, family, resamples, seed)
        for (label, family), names in missing.items()
        if not names
    }
    found, shared, notes = _differences(results, columns, resamples, seed)
    adjusted = holm([one.p for one in found])
    return Comparison(
        labels=[one.label for one in results],
        columns=columns,
        figures=figures,
        averages=averages,
        missing={key: names for key, names in missing.items() if names},
        differences=[replace(one, adjusted=p) for one, p in zip(found, adjusted, strict=True)],
        names={name: (out.protocol, out.scorer) for one in results for name, out in one.outcomes.items()},
        scored={(one.label, name): len(out.judged) for one in results for name, out in one.outcomes.items()},
        not_scored={(one.label, name): out.n_failed for one in results for name, out in one.outcomes.items()},
        shared=shared,
        notes=notes,
    )


def _check(results: Sequence[ResultSet]) -> None:
    if len(results) < 2:
        raise InputError("at least two results to compare", found=str(len(results)))
    labels = [one.label for one in results]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise InputError("results with names of their own", found=f"{twice[0]!r} twice")
    for name in dict.fromkeys(name for one in results for name in one.outcomes):
        ways: dict[str, list[str]] = {}
        for one in results:
            if (outcome := one.outcomes.get(name)) is not None:
                ways.setdefault(f"protocol {outcome.protocol}, scorer {outcome.scorer}", []).append(one.label)
        if len(ways) > 1:
            found = "; ".join(f"{way} ({', '.join(whose)})" for way, whose in ways.items())
            fix = "Score the answers again by one protocol, or leave the benchmark out"
            raise InputError("results of one protocol and scorer", found=found, where=name, fix=fix)
    baseline, others = results[0], results[1:]
    if not any(set(baseline.outcomes) & set(one.outcomes) for one in others):
        found = "; ".join(f"{one.label}: {', '.join(one.outcomes) or 'none'}" for one in results)
        raise InputError(f"a benchmark that {baseline.label} and another have", found=found)


def _columns(results: Sequence[ResultSet]) -> list[Column]:
    """Table 1's columns of the benchmarks that there are, then those of others."""
    benchmarks = {name: outcome.benchmark for one in results for name, outcome in one.outcomes.items()}
    order = {column.benchmark: n for family in FAMILIES for n, column in enumerate(PAPER_COLUMNS[family])}
    by_place = sorted(benchmarks.values(), key=lambda one: order.get(one.name, len(order)))
    return [
        Column(one.family, one.name, metric, one.title, heading)
        for family in FAMILIES
        for one in by_place
        if one.family == family
        for metric, heading in one.columns.items()
    ]


def _needed(family: Family) -> list[str]:
    return list(dict.fromkeys(column.benchmark for column in PAPER_COLUMNS[family]))


def _missing(one: ResultSet, family: Family) -> list[str]:
    """Titles of benchmarks without which a family has no average."""
    titles = {column.benchmark: column.title for column in PAPER_COLUMNS[family]}
    return [titles[name] for name in _needed(family) if name not in one.outcomes]


def _average(metrics: Mapping[str, Metrics], family: Family, resamples: int, seed: int) -> Figure:
    """The plain mean of table 1's columns; benchmarks are resampled each for itself, its columns together."""
    nothing = Figure(math.nan, math.nan, math.nan)
    values: list[float] = []
    drawn: list[Array] = []
    for name, of_benchmark in metrics.items():
        wanted = [column.metric for column in PAPER_COLUMNS[family] if column.benchmark == name]
        if any(metric not in of_benchmark or math.isnan(of_benchmark[metric].value) for metric in wanted):
            return nothing
        chosen = {metric: of_benchmark[metric] for metric in wanted}
        values += [metric.value for metric in chosen.values()]
        drawn += resampled(chosen, resamples=resamples, seed=_seed(seed, name)).values()
    means = np.mean(drawn, axis=0)
    return Figure(sum(values) / len(values), *percentile_interval(means[~np.isnan(means)]))


def _seed(seed: int, benchmark: str) -> int:
    """Benchmarks are drawn independently of each other."""
    return seed + zlib.crc32(benchmark.encode())


def _differences(
    results: Sequence[ResultSet], columns: Sequence[Column], resamples: int, seed: int
) -> tuple[list[Difference], dict[str, int], list[str]]:
    """Differences of all from the first, questions shared by benchmark, and notes."""
    baseline, others = results[0], results[1:]
    pairs: dict[tuple[str, str], dict[str, Paired]] = {}
    shared: dict[str, int] = {}
    notes: list[str] = []
    for name in dict.fromkeys(column.benchmark for column in columns):
        outcomes = {one.label: one.outcomes[name] for one in results if name in one.outcomes}
        if len(outcomes) < 2:
            continue
        kept = _shared_questions(outcomes)
        shared[name] = len(next(iter(kept.values())))
        notes += _notes(outcomes, kept)
        if baseline.label not in outcomes or not shared[name]:
            continue
        metrics = {one: out.benchmark.summarise(kept[one], out.scorer) for one, out in outcomes.items()}
        for other in outcomes:
            if other != baseline.label:
                pairs[other, name] = paired(
                    metrics[other], metrics[baseline.label], resamples=resamples, seed=_seed(seed, name)
                )
    found = []
    for one in others:
        for column in columns:
            if (pair := pairs.get((one.label, column.benchmark), {}).get(column.metric)) is not None:
                n = shared[column.benchmark]
                found.append(_difference(one.label, column.family, column.benchmark, column.metric, pair, n))
        for family in FAMILIES:
            parts = [pairs.get((one.label, each.benchmark), {}).get(each.metric) for each in PAPER_COLUMNS[family]]
            whole = [part for part in parts if part is not None]
            if len(whole) == len(parts):
                n = sum(shared[name] for name in _needed(family))
                found.append(_difference(one.label, family, "", AVERAGE, mean_of(whole), n))
    return found, shared, notes


def _difference(label: str, family: Family, benchmark: str, metric: str, pair: Paired, n: int) -> Difference:
    low, high = pair.ci95
    return Difference(label, family, benchmark, metric, pair.value, low, high, pair.p, n)


def _shared_questions(outcomes: Mapping[str, Outcome]) -> dict[str, list[Scored]]:
    """Questions that all have a score for, in one order.

    A question that one of them lacks takes the others of its cluster with it: a figure over groups (a problem's
    variants, a picture's questions) would otherwise be of different groups on both sides.
    """
    by_item = {label: {one.item.id: one for one in outcome.scored} for label, outcome in outcomes.items()}
    items = {one.item.id: one.item for outcome in outcomes.values() for one in outcome.scored}
    lacking = {
        identity
        for identity in items
        if any(identity not in scored or scored[identity].mark.score is None for scored in by_item.values())
    }
    broken = {items[identity].cluster or identity for identity in lacking}
    kept = [identity for identity, item in items.items() if (item.cluster or identity) not in broken]
    return {
        label: [replace(scored[identity], item=items[identity]) for identity in kept]
        for label, scored in by_item.items()
    }


def _notes(outcomes: Mapping[str, Outcome], kept: Mapping[str, Sequence[Scored]]) -> list[str]:
    """What a reader must know of the questions that are compared."""
    title = next(iter(outcomes.values())).benchmark.title
    all_ids = {one.item.id for outcome in outcomes.values() for one in outcome.scored}
    count = len(next(iter(kept.values())))
    notes = []
    if not count:
        notes.append(f"{title}: no question has a score of all, so that nothing is compared")
    elif count < len(all_ids):
        notes.append(
            f"{title}: differences are over the {count} questions that all have a score for; {len(all_ids) - count} "
            "that one lacks, with those that belong to them, are left out"
        )
    texts = [{one.item.id: one.item.columns.get("question") for one in out.scored} for out in outcomes.values()]
    apart = sum(len({text for each in texts if isinstance(text := each.get(one), str)}) > 1 for one in all_ids)
    if apart:
        notes.append(f"{title}: {apart} questions of the same id have different texts: were other data used?")
    return notes
