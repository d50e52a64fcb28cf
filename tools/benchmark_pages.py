"""What docs/benchmarks.md says of each benchmark, from its class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from contextrl.evaluation.benchmarks.benchmark import Benchmark
from contextrl.evaluation.benchmarks.items import Scorer
from contextrl.evaluation.benchmarks.registry import BENCHMARKS

ROWS_HEAD = ("benchmark", "hub", "split", "rows", "licence", "columns")
_SCORERS: tuple[Scorer, ...] = get_args(Scorer)


def benchmark_protocols() -> str:
    """What each scorer does and misreads."""
    return "\n".join(line for benchmark in BENCHMARKS.values() for line in _protocols(benchmark))


def _protocols(benchmark: Benchmark) -> Iterator[str]:
    yield f"### {benchmark.title}\n"
    headings = ", ".join(f"`{metric}`" for metric in benchmark.columns)
    yield f"`{benchmark.name}`; columns of table 1: {headings}.\n"
    for scorer in _SCORERS:
        if note := benchmark.notes.get(scorer):
            yield f"- **{scorer}**: {note}"
    yield ""


def benchmark_rows() -> list[list[str]]:
    """Where each benchmark's rows are: benchmark, hub id, configurations and split, rows, licence, columns."""
    rows = []
    for benchmark in BENCHMARKS.values():
        source = benchmark.source
        configs = [config for config in source.configs if config]
        several = f"{configs[0]} … {configs[-1]}" if len(configs) > 2 else ", ".join(configs)
        place = f"{several} · {source.split}" if several else source.split
        columns = ", ".join(f"`{column}`" for column in source.columns)
        rows.append([benchmark.name, f"`{source.hub}`", place, f"{source.rows:,}", source.licence, columns])
    return rows
