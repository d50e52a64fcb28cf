"""What a run came to on held-out questions: a curve over the same questions throughout, and the change in a line.

Evaluations on the way ask fewer questions than those before and after training, and figures over other questions are no
fall or rise. Where the run kept its items the ends of the curve are counted over the questions of the way; where it did
not, each set of questions has a curve of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from contextrl.records import metrics
from contextrl.records.evaluation import Part, by_class, parts_of
from contextrl.records.jsonl import number
from contextrl.records.metrics import EVAL_N, KNOWLEDGE_RHO_FP, KNOWLEDGE_RHO_R, interval_of
from contextrl.records.run_data import Record, RunData, interval, section
from contextrl.records.run_directory import Whole
from contextrl.report.items import Interval, Items, Share, change, parts, read_items, share
from contextrl.report.specs import Row

ACCURACIES = {metrics.EVAL_PROCESS_ACCURACY: "answer and process", metrics.EVAL_ANSWER_ACCURACY: "answer"}
WHOLE: tuple[Whole, ...] = ("before", "after")


@dataclass(frozen=True)
class Point:
    """One evaluation.

    Attributes:
        asked: questions, with those that the judge failed on; `n`: without.
        whole: whether it is that before or after training.
        figures: metric to its value and 95 % interval.
        parts: figures by source.
    """

    step: int
    asked: int
    n: int
    whole: Whole | None
    figures: Mapping[str, tuple[float, Interval | None]]
    parts: Mapping[str, Part] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """A run's evaluations.

    Attributes:
        asked: as they were made, by step.
        curve: over the same questions where that is possible.
        changes: by metric, after less before training.
        recounted: how many questions the ends of the curve were counted over anew; None where they were not.
        by_image: whether the run's items say which images they are about.
    """

    asked: list[Point]
    curve: list[Point]
    changes: dict[str, Share]
    recounted: int | None
    by_image: bool

    @property
    def sizes(self) -> list[int]:
        """Sets of questions that the curve is over: one, where all points are over the same."""
        return list(dict.fromkeys(point.asked for point in self.curve))

    @cached_property
    def ends(self) -> list[Point]:
        """The first and the last evaluation over the same questions, the most that there are; else all there is."""
        whole = [point for point in self.asked if point.whole and point.figures]
        if len(whole) > 1:
            return [whole[0], whole[-1]]
        known = [point for point in self.curve if point.figures]
        same = [point for point in known if point.asked == known[-1].asked]
        chosen = same if len(same) > 1 else known
        return [chosen[0], chosen[-1]] if len(chosen) > 1 else chosen


def outcome(run: RunData) -> Outcome:
    """Read a run's evaluations and items."""
    points = _points(run)
    items = {whole: kept for whole in WHOLE if (kept := read_items(run, whole)) is not None}
    way = Counter(point.asked for point in points if not point.whole)
    count = way.most_common(1)[0][0] if way else None
    curve = [_recounted(point, items, count) for point in points]
    changed = [new.asked for new, old in zip(curve, points, strict=True) if new is not old]
    changes = {}
    if len(items) == 2 and {point.whole for point in points} >= set(WHOLE):
        found = {name: change(items["before"], items["after"], name) for name in ACCURACIES}
        changes = {name: one for name, one in found.items() if one is not None}
    by_image = all(item.images is not None for kept in items.values() for item in kept.rows)
    return Outcome(points, curve, changes, changed[0] if changed else None, by_image)


def _points(run: RunData) -> list[Point]:
    """Evaluations as they are in the metrics. Of those on the way, only how many were scored is written there."""
    told = (*ACCURACIES, metrics.EVAL_BY_SOURCE)
    records = [record for record in run.steps if any(record.get(name) is not None for name in told)]
    whole = {id(record): _whole(record) for record in records}
    most = [_count(record, kind) for record in records if (kind := whole[id(record)])]
    planned = section(run.config, "eval").get("examples")
    points = []
    for record in records:
        kind, n = whole[id(record)], int(number(record.get(EVAL_N)) or 0)
        asked = _count(record, kind) if kind else n
        if kind is None and isinstance(planned, int) and planned > n > 0:
            asked = min([planned, *most])
        figures = {
            name: (value, interval(record.get(interval_of(name))))
            for name in ACCURACIES
            if (value := number(record.get(name))) is not None
        }
        by_source = parts_of(record.get(metrics.EVAL_BY_SOURCE))
        if figures or by_source:
            points.append(Point(int(record["step"]), max(asked, n), n, kind, figures, by_source))
    return points


def _whole(record: Record) -> Whole | None:
    return next((whole for whole in WHOLE if isinstance(record.get(whole), dict)), None)


def _count(record: Record, whole: Whole | None) -> int:
    evaluated = section(record, whole) if whole else record
    return int(
        (number(evaluated.get("n")) or number(record.get(EVAL_N)) or 0) + (number(evaluated.get("unscored")) or 0)
    )


def _recounted(point: Point, items: Mapping[Whole, Items], count: int | None) -> Point:
    """An evaluation before or after training over the first so many of its questions, where its items are all there."""
    if point.whole is None or count is None or count >= point.asked or point.whole not in items:
        return point
    kept = items[point.whole]
    if not kept.complete or len(kept.rows) != point.asked:
        return point
    first = kept.rows[:count]
    figures = {
        name: (found.value, found.interval if found.by_image else None)
        for name in ACCURACIES
        if (found := share(first, name)) is not None
    }
    scored = sum(bool(item.right) for item in first)
    return replace(point, asked=count, n=scored, figures=figures, parts=parts(first)) if figures else point


def evaluation_rows(found: Outcome, names: Mapping[str, str]) -> list[Row]:
    """`step, value, series, low, high, questions` of the curve; each set of questions is a series of its own."""
    rows: list[Row] = []
    for name, label in names.items():
        for point in found.curve:
            if name in point.figures:
                value, ends = point.figures[name]
                band = {"low": ends[0], "high": ends[1]} if ends else {}
                size = {"questions": point.asked} if point.asked else {}
                rows.append({"step": point.step, "value": value, "series": label, **band, **size})
    return _apart(rows, found)


def class_rows(found: Outcome) -> list[Row]:
    """`step, value, series, questions`: accuracy of process, else of answers, by class; see `by_class`."""
    rows: list[Row] = []
    for point in found.curve:
        for name, part in by_class(point.parts).items():
            rows.append({"step": point.step, "value": part.score, "series": name, "questions": part.n})
    return _apart(rows, found)


def _apart(rows: list[Row], found: Outcome) -> list[Row]:
    """Series by set of questions, where there are several."""
    if len(found.sizes) < 2:
        return rows
    of = {point.step: f"{point.asked:,} questions" for point in found.curve}
    first = list(dict.fromkeys(row["series"] for row in rows))
    together = sorted(rows, key=lambda row: first.index(row["series"]))
    return [row | {"series": f"{row['series']}, {of[row['step']]}"} for row in together]


# ---- in words --------------------------------------------------------------------------------------------------------


def percent(value: float) -> str:
    return f"{value:.1%}"


def in_points(value: float) -> str:
    """A difference of shares, in percentage points."""
    return f"{100 * value:+.1f}"


def outcome_of(run: RunData, found: Outcome | None = None) -> str:
    """The run in one line."""
    found = found or outcome(run)
    ends = found.ends
    if not ends:
        return "No held-out evaluation so far."
    told = [said for name, label in ACCURACIES.items() if (said := _told(name, label, ends, found))]
    return f"Held-out {'; '.join(told)}{over(ends, run)}.{by_items(found)}{_gain(run)}{_recovered(run)}"


def _told(name: str, label: str, ends: Sequence[Point], found: Outcome) -> str:
    figures = [_with_interval(*point.figures[name]) for point in ends if name in point.figures]
    text = f"{label} {'from ' * (len(figures) > 1)}{' to '.join(figures)}" if figures else ""
    return f"{text}, {change_of(found.changes[name])}" if text and name in found.changes else text


def change_of(one: Share) -> str:
    """`+40.7 points [+33.0, +48.2]`."""
    return f"{in_points(one.value)} points [{in_points(one.interval[0])}, {in_points(one.interval[1])}]"


def _with_interval(value: float, ends: Interval | None) -> str:
    return f"{percent(value)} [{percent(ends[0])}, {percent(ends[1])}]" if ends else percent(value)


def over(ends: Sequence[Point], run: RunData) -> str:
    """What the figures are over: ` (1,000 questions of data)`."""
    sizes = list(dict.fromkeys(point.n for point in ends if point.n))
    counts = ", then ".join(f"{size:,}" for size in sizes)
    of = " of ".join(part for part in (counts and f"{counts} questions", run.held_out) if part)
    return f" ({of})" if of else ""


def by_items(found: Outcome) -> str:
    """How the change was had, or why there is none; empty where there is nothing to say."""
    if found.changes:
        one = next(iter(found.changes.values()))
        how = "by image" if one.by_image else "by question, because the items do not say which image they are about"
        asked = found.ends[-1].asked
        count = f"{one.n:,}" if one.n == asked else f"{one.n:,} of {asked:,}, scored both times"
        return f" Change: paired over the same questions ({count}), interval bootstrapped {how}."
    if len({point.asked for point in found.ends}) > 1:
        return " These are figures over different questions: their difference is no change."
    if len([point for point in found.asked if point.whole]) > 1:
        return " The change has no interval: not every item of both evaluations is in the run's folder."
    return ""


def _gain(run: RunData) -> str:
    """Information gain over the run; empty where it was not logged."""
    rates = knowledge(run)
    if rates is None:
        return ""
    return (
        f" Information gain {percent(sum(rates))}: {percent(rates[0])} of samples were false positives that an "
        f"answer-only check accepts, {percent(rates[1])} of questions were recovered by stage 2."
    )


def knowledge(run: RunData) -> tuple[float, float] | None:
    """Shares of false positives among samples and of recovered questions (arXiv 2602.22623, A.1).

    Those that the end of the run has counted, else means over the steps so far; None where neither was.
    """
    counted = section(run.results or {}, "knowledge")
    rates = []
    for name in (KNOWLEDGE_RHO_FP, KNOWLEDGE_RHO_R):
        value = number(counted.get(name.partition("/")[2]))
        values = [value] if value is not None else [value for _, value in run.series(name)]
        if not values:
            return None
        rates.append(sum(values) / len(values))
    return rates[0], rates[1]


def recovered_groups(run: RunData) -> tuple[int, int] | None:
    """How many all-negative groups stage 2 recovered, of how many there were; None before the end and without any."""
    counts = section(run.results or {}, "groups")
    recovered, negative = (number(counts.get(name)) for name in ("recovered", "all_negative"))
    return (int(recovered), int(negative)) if recovered is not None and negative else None


def _recovered(run: RunData) -> str:
    counts = recovered_groups(run)
    return f" Stage 2 recovered {counts[0]:,} of {counts[1]:,} all-negative groups." if counts else ""


@dataclass(frozen=True)
class Figure:
    """One of the figures at the head of the page."""

    name: str
    value: str
    said: str


def _change_said(name: str, known: Sequence[tuple[float, Interval | None]], found: Outcome) -> str:
    if len(known) < 2:
        return "the only evaluation so far"
    began = f"from {percent(known[0][0])}"
    if name in found.changes:
        return f"{change_of(found.changes[name])}, {began}"
    if len({point.asked for point in found.ends}) > 1:
        return f"{began} on other questions"
    return f"{in_points(known[-1][0] - known[0][0])} points, {began}; no interval, because items were not kept"


def headline(run: RunData, found: Outcome, groups: tuple[int, int]) -> list[Figure]:
    """What the run came to.

    Args:
        groups: recovered and all-negative ones so far, for runs that have not ended.
    """
    figures = []
    for name, label in ACCURACIES.items():
        known = [point.figures[name] for point in found.ends if name in point.figures]
        if known:
            figures.append(Figure(f"held-out {label}", percent(known[-1][0]), _change_said(name, known, found)))
    rates = knowledge(run)
    if rates is not None:
        said = f"{percent(rates[0])} false positives + {percent(rates[1])} recovered questions"
        figures.append(Figure("information gain", percent(sum(rates)), said))
    recovered, negative = recovered_groups(run) or groups
    if negative:
        figures.append(Figure("recovered by stage 2", f"{recovered:,} of {negative:,}", "all-negative groups"))
    return figures
