"""What `contextrl eval` shows of the 11 benchmarks: a line for each of table 1's columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from contextrl.evaluation.benchmarks.benchmark import Benchmark
from contextrl.evaluation.benchmarks.registry import BENCHMARKS
from contextrl.records.evaluation import NOTHING


def benchmark_tables(results: Mapping[str, Any]) -> Iterator[Table]:
    """One table by protocol: figures, `robust` and controls beside them, how many were scored and how many not.

    Args:
        results: by benchmark's name, as `Outcome.as_json` has them.
    """
    rows = {name: row for name, row in results.items() if name in BENCHMARKS}
    if not rows:
        return
    protocol = next(iter(rows.values()))["protocol"]
    controls = list(dict.fromkeys(control for row in rows.values() for control in row.get("controls", {})))
    robust = any("robust" in row for row in rows.values())
    table = Table(title=f"Protocol {protocol}, percent with 95 % intervals", title_justify="left")
    table.add_column("benchmark")
    for heading in (protocol, *(["robust"] if robust else []), *controls, "n", "not scored"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, row in rows.items():
        for line in _lines(BENCHMARKS[name], row, controls, robust=robust):
            table.add_row(*line)
    yield table


def _lines(
    benchmark: Benchmark, row: Mapping[str, Any], controls: list[str], *, robust: bool
) -> Iterator[tuple[str, ...]]:
    """A benchmark's lines; its counts stand in the first."""
    for position, (metric, heading) in enumerate(benchmark.columns.items()):
        title = benchmark.title if heading == benchmark.title else f"{benchmark.title} {heading}"
        cells = [figure(row, metric)]
        if robust:
            cells.append(figure(row["robust"], metric) if "robust" in row else NOTHING)
        for control in controls:
            shown = row.get("controls", {}).get(control)
            cells.append(figure(shown, metric) if shown else NOTHING)
        counts = (str(row["n"]), str(row["n_failed"] or "")) if position == 0 else ("", "")
        yield (escape(title), *cells, *counts)


def figure(row: Mapping[str, Any], metric: str) -> str:
    """`61.2 [58.8, 63.5]`, and where something has no score `{60.9 to 62.1}`: what it could be with it."""
    value = row.get(metric)
    if value is None:
        return NOTHING
    low, high = (row.get("ci95") or {}).get(metric) or (None, None)
    text = f"{100 * value:.1f}"
    if low is not None and high is not None:
        text += f" \\[{100 * low:.1f}, {100 * high:.1f}]"
    ends = (row.get("range") or {}).get(metric)
    if ends and None not in ends and ends[0] != ends[1]:
        text += f" {{{100 * ends[0]:.1f} to {100 * ends[1]:.1f}}}"
    return text


def remarks(results: Mapping[str, Any]) -> Iterator[str]:
    """What a reader of the figures must know: random options, unscored questions, what a protocol does."""
    for name, row in results.items():
        if name not in BENCHMARKS:
            continue
        title = f"{BENCHMARKS[name].title} ({row['protocol']})"
        if drawn := row["counts"].get("random"):
            yield f"{title}: {drawn} options were drawn at random, as its protocol does where an answer names none."
        if row["n_failed"]:
            reasons = ", ".join(f"{count} x {reason}" for reason, count in row.get("failures", {}).items())
            sick = [f"{len(row['sick_rows'])} rows could not be read"] if row.get("sick_rows") else []
            yield f"{title}: {row['n_failed']} not scored ({'; '.join([*([reasons] if reasons else []), *sick])})."
        if note := row.get("note"):
            yield f"{title}: {note}"
