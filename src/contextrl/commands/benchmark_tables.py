"""What `contextrl eval` shows of the 11 benchmarks: a line for each of table 1's columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from contextrl.evaluation.benchmarks.benchmark import Benchmark
from contextrl.evaluation.benchmarks.registry import BENCHMARKS
from contextrl.records.evaluation import NOTHING

#: Headings of the controls, which stand side by side.
_CONTROLS = {"blank-image": "blank", "shuffled-image": "other's", "no-question": "unasked"}


def benchmark_tables(results: Mapping[str, Any]) -> Iterator[Table]:
    """One table: figures, `robust` and controls beside them, how many were scored and how many not.

    Args:
        results: by benchmark's name, as `Outcome.as_json` has them.
    """
    rows = {name: row for name, row in results.items() if name in BENCHMARKS}
    if not rows:
        return
    protocol = next(iter(rows.values()))["protocol"]
    controls = list(dict.fromkeys(control for row in rows.values() for control in row.get("controls", {})))
    robust = any("robust" in row for row in rows.values())
    title = f"Protocol {protocol}: percent, ± half of the 95 % interval"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("benchmark", no_wrap=True)
    shown = [protocol, *(["robust"] if robust else []), *(_CONTROLS.get(control, control) for control in controls)]
    for heading in (*shown, "n", "fail"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, row in rows.items():
        for line in _lines(BENCHMARKS[name], row, controls, robust=robust):
            table.add_row(*line)
    yield table


def _lines(
    benchmark: Benchmark, row: Mapping[str, Any], controls: list[str], *, robust: bool
) -> Iterator[tuple[str, ...]]:
    """A benchmark's lines; its counts stand in the first."""
    counts = (str(row["n"]), str(row["n_failed"] or ""))
    several = len(benchmark.columns) > 1
    if several:
        yield (escape(benchmark.title), *[""] * (1 + robust + len(controls)), *counts)
    for metric, heading in benchmark.columns.items():
        title = f"  {heading}" if several else benchmark.title
        cells = [figure(row, metric)]
        if robust:
            cells.append(figure(row.get("robust", {}), metric))
        cells += [figure(row.get("controls", {}).get(control, {}), metric, interval=False) for control in controls]
        yield (escape(title), *cells, *(("", "") if several else counts))


def figure(row: Mapping[str, Any], metric: str, *, interval: bool = True) -> str:
    """`61.2 ±2.4`; a dash where there is none."""
    value = row.get(metric)
    if value is None:
        return NOTHING
    low, high = (row.get("ci95") or {}).get(metric) or (None, None)
    half = "" if low is None or high is None or not interval else f" ±{50 * (high - low):.1f}"
    return f"{100 * value:.1f}{half}"


def remarks(results: Mapping[str, Any]) -> Iterator[str]:
    """What a reader of the figures must know: random options, questions without a score and what they could change."""
    for name, row in results.items():
        if name not in BENCHMARKS:
            continue
        benchmark = BENCHMARKS[name]
        if row.get("left_out"):
            fields = ", ".join(row["left_out"])
            yield f"{benchmark.title}: the server does not know {fields}: answers were sampled without."
        for own in (row, row.get("robust")):
            if own is not None:
                yield from _remarks_on(f"{benchmark.title} ({own['scorer']})", benchmark, own)


def _remarks_on(title: str, benchmark: Benchmark, row: Mapping[str, Any]) -> Iterator[str]:
    if drawn := row["counts"].get("random"):
        yield f"{title}: {drawn} options were drawn at random, as the protocol does where an answer names none."
    if not row["n_failed"]:
        return
    reasons = [f"{count} x {reason}" for reason, count in row.get("failures", {}).items()]
    sick = len(row.get("sick_rows", {}))
    reasons += [f"{sick} rows that could not be read"] if sick else []
    ends = {metric: span for metric, span in row.get("range", {}).items() if metric in benchmark.columns}
    spans = [
        f"{benchmark.columns[metric]} {100 * low:.1f} to {100 * high:.1f}"
        for metric, (low, high) in ends.items()
        if low is not None and high is not None and low != high
    ]
    could = f" With them: {', '.join(spans)}." if spans and row["n"] else ""
    yield f"{title}: {row['n_failed']} not scored ({'; '.join(reasons)}).{could}"
