"""Several runs side by side: methods with their seeds, and which differences are more than chance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from contextrl.records import metrics
from contextrl.records.jsonl import number
from contextrl.records.run_data import RunData, interval, section
from contextrl.report.outcome import ACCURACIES, Outcome, evaluation_rows, outcome
from contextrl.report.palette import cycled
from contextrl.report.specs import Chart, Look, Row, dots, lines, looks_of, thinned
from contextrl.settings import flat_settings
from contextrl.statistics.seeds import SIGNIFICANT, Estimate, estimate, holm, welch

#: From the configuration that a run has written to dotted keys of what makes its method, defaults filled in.
MethodSettings = Callable[[Mapping[str, Any]], dict[str, Any]]
MEASURES = {"process_accuracy": "answer and process", "answer_accuracy": "answer"}
CURVES = {
    metrics.ACCURACY_PROCESS: ("Right answer and process, stage-1 samples", True),
    metrics.JUDGE_FALSE_POSITIVE_RATE: ("False positives among right answers", True),
    metrics.GROUP_OF["all_negative"]: ("All-negative groups", True),
    metrics.GROUP_RECOVERED: ("Recovered groups", True),
    metrics.REWARD: ("Reward", False),
    metrics.ENTROPY: ("Entropy", False),
    metrics.KL: ("KL to the reference model", False),
    metrics.STEP_TIME: ("Step time in seconds", False),
}


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


def all_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that is written but `run_dir` and `seed`: which settings make a method is the commands' to say."""
    return {key: value for key, value in flat_settings(config).items() if key not in ("run_dir", "seed")}


def compare(runs: Sequence[RunData], method_settings: MethodSettings = all_settings) -> Comparison:
    """Group runs into methods and test every pair of those that have at least two seeds."""
    labels = method_labels(runs, method_settings)
    members: defaultdict[str, list[RunData]] = defaultdict(list)
    for run, label in zip(runs, labels, strict=True):
        members[label].append(run)
    rows = [_row(label, own) for label, own in members.items()]
    before = {
        measure: starts.pop()
        for measure in MEASURES
        if len(starts := {figure[0] for run in runs if (figure := evaluation(run, "before", measure))}) == 1
    }
    return Comparison(rows, before, _differences(rows), [row.label for row in rows if not row.repeated])


def method_labels(runs: Sequence[RunData], method_settings: MethodSettings = all_settings) -> list[str]:
    """The method of each run, with the settings that tell it from others of the same name."""
    settings = [method_settings(run.config) for run in runs]
    rivals: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for run, own in zip(runs, settings, strict=True):
        rivals[run.method].append(own)
    telling = {method: _telling(own) for method, own in rivals.items()}
    notes = [
        ", ".join(f"{key} {_said(own.get(key))}" for key in telling[run.method])
        for run, own in zip(runs, settings, strict=True)
    ]
    return [f"{run.method} ({note})" if note else run.method for run, note in zip(runs, notes, strict=True)]


def _said(value: Any) -> str:
    """A setting's value, without the digits that arithmetic leaves behind (0.00012000000000000002)."""
    return str(float(f"{value:.6g}")) if isinstance(value, float) else str(value)


def _telling(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys that tell settings apart, the short ones first, none that adds nothing."""

    def kinds(keys: Sequence[str]) -> int:
        return len({repr([run.get(key) for key in keys]) for run in settings})

    chosen: list[str] = []
    for key in sorted({key for run in settings for key in run}, key=lambda key: (len(key), key)):
        if kinds([*chosen, key]) > kinds(chosen):
            chosen.append(key)
    return chosen


def _row(label: str, runs: list[RunData]) -> MethodRow:
    seconds = [number(section(run.results or {}, "seconds").get("train")) for run in runs]
    return MethodRow(
        label,
        runs,
        {measure: _estimate_over_seeds(runs, measure) for measure in MEASURES},
        _mean([value for run in runs for _, value in run.series(metrics.GROUP_OF["all_negative"])]),
        _mean([value for run in runs for _, value in run.series(metrics.GROUP_RECOVERED)]),
        _mean([value for value in seconds if value is not None]),
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def evaluation(run: RunData, when: str, measure: str) -> tuple[float, tuple[float, float] | None] | None:
    """A finished run's figure `before` or `after` training and its interval; runs that go on have none to compare."""
    evaluated = section(run.results or {}, when)
    value = number(evaluated.get(measure))
    return None if value is None else (value, interval(evaluated.get(metrics.interval_of(measure))))


def _estimate_over_seeds(runs: Sequence[RunData], measure: str) -> Estimate | None:
    """Runs of one seed are one observation: repeating a run makes nothing surer."""
    by_seed: defaultdict[str, list[tuple[float, tuple[float, float] | None]]] = defaultdict(list)
    for run in runs:
        if (figure := evaluation(run, "after", measure)) is not None:
            by_seed[str(run.seed)].append(figure)
    values = [sum(value for value, _ in own) / len(own) for own in by_seed.values()]
    every = [figure for own in by_seed.values() for figure in own]
    return estimate(values, every[0][1] if len(every) == 1 else None) if values else None


def _differences(rows: Sequence[MethodRow]) -> list[Difference]:
    """Of every pair in every measure; what cannot be tested is no comparison that Holm's method counts."""
    differences = []
    for measure in MEASURES:
        pairs = []
        tested = [(row.label, e.values) for row in rows if (e := row.estimates[measure]) and len(e.values) > 1]
        for (one, first), (other, second) in combinations(tested, 2):
            apart = sum(first) / len(first) - sum(second) / len(second)
            pairs.append(Difference(measure, one, other, apart, welch(first, second)))
        adjusted = iter(holm([pair.p for pair in pairs if pair.p is not None]))
        differences += [pair if pair.p is None else replace(pair, p=next(adjusted)) for pair in pairs]
    return differences


def method_looks(labels: Sequence[str]) -> list[Look]:
    """A method has one colour and one dash in all charts, also in those that others are not in."""
    return looks_of(labels, cycled(len(labels)))


def method_charts(comparison: Comparison) -> list[Chart]:
    """The figure of papers, a measure each: methods as dots with their intervals, seeds as points."""
    looks = method_looks([row.label for row in comparison.rows])
    charts = []
    for measure, title in MEASURES.items():
        rows = [row for method in comparison.rows for row in _dots_of(method, measure)]
        shown = [look for look in looks if any(row["series"] == look.name for row in rows)]
        before = comparison.before.get(measure)
        start = " The broken line is where all runs began." if before is not None else ""
        charts.append(
            Chart(
                f"methods-{measure.replace('_', '-')}",
                f"Held-out {title}, by method",
                f"Dots are means of finished runs, bars their 95 % intervals, rings the runs.{start}",
                dots(rows, "accuracy", shown, before),
                rows,
            )
        )
    return [chart for chart in charts if chart.rows]


def _dots_of(method: MethodRow, measure: str) -> list[Row]:
    """`series, what, value, low, high, run, seed`: the mean with its interval, and each run."""
    estimate_ = method.estimates[measure]
    if estimate_ is None:
        return []
    ends = {} if estimate_.low is None else {"low": estimate_.low, "high": estimate_.high}
    rows: list[Row] = [{"series": method.label, "what": "mean", "value": estimate_.mean, **ends}]
    for run in method.runs:
        if (figure := evaluation(run, "after", measure)) is not None:
            names = {"run": run.name, "seed": str(run.seed)}
            rows.append({"series": method.label, "what": "seed", "value": figure[0], **names})
    return rows


def comparison_charts(
    runs: Sequence[RunData],
    method_settings: MethodSettings = all_settings,
    outcomes: Sequence[Outcome] | None = None,
) -> list[Chart]:
    """Curves of all runs over each other, one colour a method.

    Args:
        outcomes: of the runs, where they have been read.
    """
    outcomes = [outcome(run) for run in runs] if outcomes is None else outcomes
    labels = method_labels(runs, method_settings)
    looks = method_looks(list(dict.fromkeys(labels)))
    charts = []
    for name, title in ACCURACIES.items():
        rows: list[Row] = [
            {key: value for key, value in row.items() if key not in ("low", "high")}
            | {"series": label, "run": f"{run.name}{row['series'].removeprefix(label)}"}
            for run, label, found in zip(runs, labels, outcomes, strict=True)
            for row in evaluation_rows(found, {name: label})
        ]
        apart = any(len(found.sizes) > 1 for found in outcomes)
        caption = "Greedy, held-out; a line a run, over the same questions. Intervals are in the figure of the methods."
        if apart:
            caption += " Runs that did not keep every item have a line for each set of questions."
        spec = lines(rows, "accuracy", percent=True, looks=looks)
        charts.append(Chart(_chart_name(name.partition("/")[2]), f"Held-out: {title}", caption, spec, rows))
    for name, (title, percent) in CURVES.items():
        rows = [
            {"step": step, "value": value, "series": label, "run": run.name}
            for run, label in zip(runs, labels, strict=True)
            for step, value in thinned(run.series(name), 120)
        ]
        spec = lines(rows, title.lower(), percent=percent, raw=False, looks=looks)
        charts.append(Chart(_chart_name(name), title, "A line a run, averaged over some steps.", spec, rows))
    return [chart for chart in charts if chart.rows]


def _chart_name(metric: str) -> str:
    return f"compare-{metric.replace('/', '-').replace('_', '-')}"
