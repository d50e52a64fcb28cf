"""Several runs side by side: methods with their seeds, and which differences are more than chance."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import Any

from contextrl.config import RunConfig
from contextrl.report.charts import ACCURACIES, evaluation_rows
from contextrl.report.reading import RunData, interval, number, section
from contextrl.report.specs import Chart, Row, lines, thinned
from contextrl.run_directory import MAY_CHANGE, flat_settings

#: What may differ between seeds of one method, beside what may change when a run is resumed.
_NOT_THE_METHOD = (*MAY_CHANGE, "seed", "train.save_strategy")
#: An adjusted p below this is marked.
SIGNIFICANT = 0.05
MEASURES = {"process_accuracy": "answer and process", "answer_accuracy": "answer"}
CURVES = {
    "accuracy/process": ("Right answer and process, stage-1 samples", True),
    "judge/false_positive_rate": ("False positives among right answers", True),
    "group/all_negative": ("All-negative groups", True),
    "group/recovered": ("Recovered groups", True),
    "reward": ("Reward", False),
    "entropy": ("Entropy", False),
    "kl": ("KL to the reference model", False),
    "step_time": ("Step time in seconds", False),
}


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval.

    Attributes:
        low, high: Student's t over seeds, within 0 and 1; with one seed the run's own interval, or None.
        values: by seed.
    """

    mean: float
    low: float | None
    high: float | None
    values: list[float]


@dataclass(frozen=True)
class MethodRow:
    """Runs of one method and settings.

    Attributes:
        estimates: by measure; None where no run was evaluated.
        all_negative, recovered: shares of the groups of all steps; None where no groups are sampled.
    """

    label: str
    runs: list[RunData]
    estimates: dict[str, Estimate | None]
    all_negative: float | None
    recovered: float | None
    train_seconds: float | None

    @property
    def seeds(self) -> str:
        return ", ".join(dict.fromkeys(str(run.seed) for run in self.runs))

    @property
    def repeated(self) -> bool:
        """Whether there is a second seed, which a test needs."""
        return any(e is not None and len(e.values) > 1 for e in self.estimates.values())


@dataclass(frozen=True)
class Difference:
    """Two methods' means of one measure apart.

    Attributes:
        p: of Welch's t-test over seeds, adjusted for all comparisons of the measure by Holm's method; None where
            neither method varies over its seeds, of which the test can say nothing.
    """

    measure: str
    one: str
    other: str
    difference: float
    p: float | None

    @property
    def significant(self) -> bool:
        return self.p is not None and self.p < SIGNIFICANT


@dataclass(frozen=True)
class Comparison:
    """Methods side by side.

    Attributes:
        before: by measure, where all runs that were evaluated before training began from the same figure.
        differences: of every pair of methods with several seeds.
        untested: methods without a second seed.
    """

    rows: list[MethodRow]
    before: dict[str, float]
    differences: list[Difference]
    untested: list[str]


def compare(runs: Sequence[RunData]) -> Comparison:
    """Group runs into methods and test every pair of those that have at least two seeds."""
    labels = method_labels(runs)
    members: defaultdict[str, list[RunData]] = defaultdict(list)
    for run, label in zip(runs, labels, strict=True):
        members[label].append(run)
    rows = [_row(label, own) for label, own in members.items()]
    before = {
        measure: starts.pop()
        for measure in MEASURES
        if len(starts := {found[0] for run in runs if (found := evaluation(run, "before", measure))}) == 1
    }
    return Comparison(rows, before, _differences(rows), [row.label for row in rows if not row.repeated])


def method_labels(runs: Sequence[RunData]) -> list[str]:
    """The method of each run, with the settings that tell it from others of the same name."""
    settings = [_defaults() | _settings(run.config) for run in runs]
    rivals: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for run, own in zip(runs, settings, strict=True):
        rivals[run.method].append(own)
    telling = {method: _telling(own) for method, own in rivals.items()}
    notes = [
        ", ".join(f"{key} {own.get(key)}" for key in telling[run.method])
        for run, own in zip(runs, settings, strict=True)
    ]
    return [f"{run.method} ({note})" if note else run.method for run, note in zip(runs, notes, strict=True)]


def _telling(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys that tell settings apart, the short ones first, none that adds nothing."""

    def kinds(keys: Sequence[str]) -> int:
        return len({repr([one.get(key) for key in keys]) for one in settings})

    chosen: list[str] = []
    for key in sorted({key for one in settings for key in one}, key=lambda key: (len(key), key)):
        if kinds([*chosen, key]) > kinds(chosen):
            chosen.append(key)
    return chosen


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys of what makes the method."""
    return {key: value for key, value in flat_settings(config).items() if not key.startswith(_NOT_THE_METHOD)}


@lru_cache(maxsize=1)
def _defaults() -> dict[str, Any]:
    """What is not written has its default: another version may have had fewer settings."""
    return _settings(RunConfig().model_dump(mode="json"))


def _row(label: str, runs: list[RunData]) -> MethodRow:
    seconds = [number(section(run.results or {}, "seconds").get("train")) for run in runs]
    return MethodRow(
        label,
        runs,
        {measure: _estimate_over_seeds(runs, measure) for measure in MEASURES},
        _mean([value for run in runs for _, value in run.series("group/all_negative")]),
        _mean([value for run in runs for _, value in run.series("group/recovered")]),
        _mean([value for value in seconds if value is not None]),
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def evaluation(run: RunData, when: str, measure: str) -> tuple[float, tuple[float, float] | None] | None:
    """A finished run's figure `before` or `after` training and its interval; runs that go on have none to compare."""
    found = section(run.results or {}, when)
    value = number(found.get(measure))
    return None if value is None else (value, interval(found.get(f"{measure}_ci95")))


def _estimate_over_seeds(runs: Sequence[RunData], measure: str) -> Estimate | None:
    """Runs of one seed are one observation: repeating a run makes nothing surer."""
    by_seed: defaultdict[str, list[tuple[float, tuple[float, float] | None]]] = defaultdict(list)
    for run in runs:
        if (found := evaluation(run, "after", measure)) is not None:
            by_seed[str(run.seed)].append(found)
    values = [sum(value for value, _ in own) / len(own) for own in by_seed.values()]
    every = [found for own in by_seed.values() for found in own]
    return estimate(values, every[0][1] if len(every) == 1 else None) if values else None


def estimate(values: list[float], own_interval: tuple[float, float] | None = None) -> Estimate:
    """Mean of at least one value with an interval: Student's t, or a single run's own."""
    from scipy.stats import t

    mean = sum(values) / len(values)
    if len(values) == 1:
        low, high = own_interval or (None, None)
        return Estimate(mean, low, high, values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    half = float(t.ppf(0.975, len(values) - 1)) * deviation / math.sqrt(len(values))
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), values)


def _differences(rows: Sequence[MethodRow]) -> list[Difference]:
    from scipy.stats import ttest_ind

    differences = []
    for measure in MEASURES:
        found = []
        tested = [(row.label, e.values) for row in rows if (e := row.estimates[measure]) and len(e.values) > 1]
        for (one, first), (other, second) in combinations(tested, 2):
            apart = sum(first) / len(first) - sum(second) / len(second)
            varies = len(set(first)) > 1 or len(set(second)) > 1
            p = float(ttest_ind(first, second, equal_var=False).pvalue) if varies else None
            found.append(Difference(measure, one, other, apart, p))
        adjusted = iter(holm([one.p for one in found if one.p is not None]))
        differences += [one if one.p is None else replace(one, p=next(adjusted)) for one in found]
    return differences


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted for how many there are (Holm 1979): the k-th smallest of m times m − k + 1, never falling."""
    order = sorted(range(len(values)), key=lambda n: values[n])
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, n in enumerate(order):
        largest = max(largest, min(1.0, values[n] * (len(values) - rank)))
        adjusted[n] = largest
    return adjusted


def comparison_charts(runs: Sequence[RunData]) -> list[Chart]:
    """Curves of all runs over each other, one colour a method."""
    labels = method_labels(runs)
    charts = []
    for name, title in ACCURACIES.items():
        rows: list[Row] = [
            {key: value for key, value in row.items() if key not in ("low", "high")} | {"run": run.name}
            for run, label in zip(runs, labels, strict=True)
            for row in evaluation_rows(run, {name: label})
        ]
        caption = "Greedy, held-out; a line a run. Intervals are in the table."
        spec = lines(rows, "held-out accuracy", percent=True, points=True)
        charts.append(Chart(_chart_name(name.removeprefix("eval/")), f"Held-out: {title}", caption, spec, rows))
    for name, (title, percent) in CURVES.items():
        rows = [
            {"step": step, "value": value, "series": label, "run": run.name}
            for run, label in zip(runs, labels, strict=True)
            for step, value in thinned(run.series(name), 120)
        ]
        spec = lines(rows, title.lower(), percent=percent, raw=False)
        charts.append(Chart(_chart_name(name), title, "A line a run, averaged over some steps.", spec, rows))
    return [chart for chart in charts if chart.rows]


def _chart_name(metric: str) -> str:
    return f"compare-{metric.replace('/', '-').replace('_', '-')}"
