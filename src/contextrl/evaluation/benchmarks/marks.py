"""Marks of a benchmark's responses on disk: what was asked, what was read out of the answer, and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.benchmark import Benchmark
from contextrl.evaluation.benchmarks.items import How, Item, Mark, Protocol, Response, Scored, Scorer, failed
from contextrl.evaluation.benchmarks.outcome import Outcome
from contextrl.evaluation.benchmarks.registry import BENCHMARKS
from contextrl.evaluation.benchmarks.steps import Step
from contextrl.records.files import write_atomically
from contextrl.records.jsonl import read_objects

#: Follows the steps of many responses to their marks, in any order.
MarkAll = Callable[[Iterator[tuple[str, Step]]], Iterator[tuple[str, Mark]]]


def scorers_of(benchmark: Benchmark, protocol: Protocol) -> list[Scorer]:
    """A protocol's own scorer, and `robust` beside it, where a benchmark has one."""
    return [scorer for scorer in (protocol, "robust") if scorer in benchmark.scorers]


def mark_responses(
    benchmark: Benchmark,
    items: Sequence[Item],
    responses: Mapping[str, Response],
    scorer: Scorer,
    mark_all: MarkAll,
    *,
    missing: Mapping[str, str],
    seed: int = 0,
    on_mark: Callable[[], None] = lambda: None,
) -> list[Scored]:
    """Score what was answered; what was not is counted apart.

    Args:
        responses: by item's id.
        missing: why an item has no response, by its id.
    """
    marks: dict[str, Mark] = {}

    def steps() -> Iterator[tuple[str, Step]]:
        for item in items:
            if (response := responses.get(item.id)) is not None:
                yield item.id, benchmark.score(item, response, scorer, seed=seed)

    for identity, mark in mark_all(steps()):
        marks[identity] = mark
        on_mark()
    return [Scored(item, marks.get(item.id) or failed(missing.get(item.id, "no answer"))) for item in items]


def write_marks(path: Path, outcome: Outcome) -> None:
    """A line for each question: its columns without pictures, its mark; the first line says what they are of."""
    head = {
        "benchmark": outcome.benchmark.name,
        "protocol": outcome.protocol,
        "scorer": outcome.scorer,
        "sick": dict(outcome.sick),
    }
    lines = [head, *(_line(one) for one in outcome.scored)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def read_marks(path: Path) -> Outcome:
    """What `write_marks` wrote.

    Raises:
        InputError: the file is another one.
    """
    try:
        head, *lines = read_objects(path)
        benchmark = BENCHMARKS[head["benchmark"]]
        return Outcome(benchmark, head["protocol"], head["scorer"], [_scored(line) for line in lines], head["sick"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("marks that `contextrl eval` wrote", found="another file", where=str(path)) from error


def _line(one: Scored) -> dict[str, Any]:
    mark = one.mark
    return {
        "id": one.item.id,
        "score": mark.score,
        "extracted": mark.extracted,
        "how": mark.how,
        "label": mark.label,
        "detail": mark.detail,
        "cluster": one.item.cluster,
        "columns": dict(one.item.columns),
    }


def _scored(line: Mapping[str, Any]) -> Scored:
    how = line["how"]
    if how not in get_args(How):
        raise ValueError(how)
    item = Item(str(line["id"]), dict(line["columns"]), cluster=str(line["cluster"]))
    score = None if line["score"] is None else float(line["score"])
    return Scored(item, Mark(score, line["extracted"], how, str(line["label"]), str(line["detail"])))
