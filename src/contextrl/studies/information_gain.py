"""What context brings to light over training: information gain and its two parts (arXiv 2602.22623, 4.3.3 and A.1).

I = rho_fp + rho_r: the share of samples whose right answer hides a wrong process, which an answer-only check accepts,
and the share of questions that stage 2 recovers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from contextrl.records import metrics
from contextrl.records.jsonl import number
from contextrl.statistics.seeds import Estimate, estimate, paired_difference
from contextrl.studies.cells import Cell
from contextrl.studies.findings import worth
from contextrl.studies.study import Figure, Finding, Found, Result, Row
from contextrl.studies.tables import Table, ends_of, spread

#: Name of the probe whose measure this study reads.
SERIES = "series"
#: What it keeps of every step.
KEPT = (
    metrics.KNOWLEDGE_RHO_FP,
    metrics.KNOWLEDGE_RHO_R,
    metrics.KNOWLEDGE_GAIN,
    metrics.GROUP_OF["all_negative"],
    metrics.ACCURACY_ANSWER,
    metrics.ACCURACY_PROCESS,
    metrics.JUDGE_FALSE_POSITIVE_RATE,
)
#: Steps that make a point of the curve.
BLOCK = 5


def series(records: Iterable[Mapping[str, Any]], names: Sequence[str] = KEPT, digits: int = 4) -> dict[str, list[Any]]:
    """Metrics of a run by step, small enough to be kept: `{"step": [1, 2, ...], name: [0.0625, None, ...]}`.

    Args:
        records: lines of metrics.jsonl; several of one step are joined, steps without any of the metrics left out.
        digits: values are rounded to.
    """
    steps: dict[int, dict[str, float]] = {}
    for record in records:
        step = record.get("step")
        values = {name: round(value, digits) for name in names if (value := number(record.get(name))) is not None}
        if isinstance(step, int) and values:
            steps.setdefault(step, {}).update(values)
    ordered = sorted(steps)
    return {"step": ordered, **{name: [steps[step].get(name) for step in ordered] for name in names}}


def over_training(cell: Cell, name: str, part: slice = slice(None)) -> float | None:
    """Mean of a metric over a part of the steps that logged it; None where none did."""
    values = [value for value in _values(cell, name) if value is not None][part]
    return sum(values) / len(values) if values else None


def negatives(cell: Cell) -> float | None:
    """Share of all stage-1 samples without a right answer by a right process."""
    right = over_training(cell, metrics.ACCURACY_PROCESS)
    return None if right is None else 1 - right


def curve(cells: Sequence[Cell], name: str, block: int = BLOCK) -> list[tuple[int, Estimate]]:
    """(last step, mean and interval over seeds) of every `block` steps."""
    points: dict[int, list[float]] = {}
    for cell in cells:
        steps, values = cell.measures.get(SERIES, {}).get("step", []), _values(cell, name)
        parts: dict[int, list[float]] = {}
        for step, value in zip(steps, values, strict=True):
            if value is not None:
                parts.setdefault(-(-step // block) * block, []).append(value)
        for end, own in parts.items():
            points.setdefault(end, []).append(sum(own) / len(own))
    return [(end, estimate(values)) for end, values in sorted(points.items())]


def _values(cell: Cell, name: str) -> list[float | None]:
    return list(cell.measures.get(SERIES, {}).get(name, []))


# ---- what the cells say ----------------------------------------------------------------------------------------------

CONTEXTRL = "contextrl"
#: The paper's shares; the last is derived from its numbers.
PAPER = {
    "rho_fp": 0.089,
    "rho_r": 0.0856,
    "gain": 0.1746,
    "negatives": 0.5112,
    "all-negative groups": None,
    "false positives": 0.155,
}


def result(found: Found) -> Result:
    """Tables, figure and findings over the runs' own steps; no evaluation set is looked at."""
    arms = {name: cells for name in found.labels if (cells := _with_series(found.cells(name)))}
    figures = {
        name: {what: _over_seeds(cells, figure) for what, figure in _FIGURES.items()} for name, cells in arms.items()
    }
    rows: list[list[str]] = [["the paper", *(_percent(value) for value in PAPER.values()), "1"]]
    for name, own in figures.items():
        rows.append([found.labels[name], *map(spread, own.values()), str(len(arms[name]))])
    columns = ["method", "ρ_fp", "ρ_r", "gain", "negatives", "all-negative groups", "false positives", "seeds"]
    note = (
        "Means over all steps, then over seeds, with 95 % intervals. ρ_fp, negatives: shares of all stage-1 samples. "
        "ρ_r: of all questions. False positives: of the samples with a right answer, those with a wrong process. The "
        "verdicts are the step judge's, whichever judge gave the reward."
    )
    tables = [Table("Information gain over the whole of training", columns, rows, note), _thirds(found, arms)]
    return Result(
        tables,
        _findings(figures.get(CONTEXTRL, {}), arms.get(CONTEXTRL, [])),
        _figure(found, arms),
        data={name: {what: None if e is None else vars(e) for what, e in own.items()} for name, own in figures.items()},
    )


def _with_series(cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.measures.get(SERIES, {}).get("step")]


def _mean_of(name: str, part: slice = slice(None)) -> Callable[[Cell], float | None]:
    return lambda cell: over_training(cell, name, part)


_FIGURES: dict[str, Callable[[Cell], float | None]] = {
    "rho_fp": _mean_of(metrics.KNOWLEDGE_RHO_FP),
    "rho_r": _mean_of(metrics.KNOWLEDGE_RHO_R),
    "gain": _mean_of(metrics.KNOWLEDGE_GAIN),
    "negatives": negatives,
    "all-negative groups": _mean_of(metrics.GROUP_OF["all_negative"]),
    "false positives": _mean_of(metrics.JUDGE_FALSE_POSITIVE_RATE),
}


def _over_seeds(cells: Sequence[Cell], figure: Callable[[Cell], float | None]) -> Estimate | None:
    values = [value for cell in cells if (value := figure(cell)) is not None]
    return estimate(values) if values else None


def _thirds(found: Found, arms: Mapping[str, Sequence[Cell]]) -> Table:
    """How the gain goes on: by third of the steps."""
    rows = []
    for name, cells in arms.items():
        steps = min(len(cell.measures[SERIES]["step"]) for cell in cells)
        ends = [steps * third // 3 for third in range(4)]
        parts = [slice(start, end) for start, end in pairwise(ends)]
        shares = [
            spread(_over_seeds(cells, _mean_of(metric, part)))
            for metric in (metrics.KNOWLEDGE_RHO_FP, metrics.KNOWLEDGE_RHO_R)
            for part in parts
        ]
        rows.append([found.labels[name], *shares])
    columns = [
        "method",
        *(f"{what}, {third} third" for what in ("ρ_fp", "ρ_r") for third in ("first", "second", "last")),
    ]
    return Table("By third of training", columns, rows, "Means over steps and seeds, with 95 % intervals over seeds.")


def _figure(found: Found, arms: Mapping[str, Sequence[Cell]]) -> Figure | None:
    rows: list[Row] = []
    for name, cells in arms.items():
        parts = {"ρ_fp": metrics.KNOWLEDGE_RHO_FP}
        if name == CONTEXTRL:
            parts |= {"ρ_r": metrics.KNOWLEDGE_RHO_R, "gain": metrics.KNOWLEDGE_GAIN}
        for said, metric in parts.items():
            for step, point in curve(cells, metric):
                ends = {} if point.low is None else {"low": point.low, "high": point.high}
                rows.append({"step": step, "value": point.mean, "series": f"{found.labels[name]}: {said}", **ends})
    caption = (
        f"Means of {BLOCK} steps, bands are 95 % intervals over seeds. Without stage 2 no question is recovered: "
        "ρ_fp is all that the other methods' samples hold; only a reward of the process makes use of it."
    )
    if not rows:
        return None
    return Figure("lines", "Information gain over training", caption, rows, "share")


def _findings(figures: Mapping[str, Estimate | None], cells: Sequence[Cell]) -> list[Finding]:
    told = {
        "rho_fp": ("Context finds false positives, more than 1 % of all samples", 0.089),
        "rho_r": ("Stage 2 recovers more than 1 % of all questions", 0.0856),
    }
    findings = [
        worth(claim, own, paper) for what, (claim, paper) in told.items() if (own := figures.get(what)) is not None
    ]
    if (negative := figures.get("negatives")) is not None and (wrong := figures.get("false positives")) is not None:
        sees = f"Negatives {spread(negative)} of samples (51.1 %); wrong processes {spread(wrong)} of right answers"
        why = "Both follow from the base policy and the questions: the paper's are those of its 29K rows."
        findings.append(Finding("cannot be told", f"{sees} (15.5 %).", why))
    if len(cells) > 1:
        findings += _course(cells)
    return findings


def _course(cells: Sequence[Cell]) -> list[Finding]:
    """The gain of the last third against that of the first, seed by seed."""
    pairs = []
    for cell in cells:
        count = len(cell.measures[SERIES]["step"])
        ends = (slice(0, count // 3), slice(count - count // 3, count))
        first, last = (over_training(cell, metrics.KNOWLEDGE_GAIN, part) for part in ends)
        if first is not None and last is not None:
            pairs.append((last, first))
    if len(pairs) < 2:
        return []
    apart = paired_difference([last for last, _ in pairs], [first for _, first in pairs])
    sees = f"The gain of the last third less that of the first: {apart.mean:+.3f}{ends_of(apart)}, {apart.n} seeds."
    why = "The paper gives totals. What has been learned is in no later sample as a gain."
    return [Finding("not claimed", sees, why)]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.3f}"
