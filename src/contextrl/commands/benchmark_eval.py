"""`contextrl eval --benchmark mmstar,...`: questions, answers, marks and figures of the 11 benchmarks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from contextrl.commands.benchmark_answers import Answers, answered
from contextrl.commands.benchmark_options import BenchmarkOptions
from contextrl.console import progress_bar, status
from contextrl.evaluation.benchmarks.benchmark import Benchmark
from contextrl.evaluation.benchmarks.folder import ResultFolder
from contextrl.evaluation.benchmarks.items import Item
from contextrl.evaluation.benchmarks.marks import mark_responses, scorers_of, write_marks
from contextrl.evaluation.benchmarks.outcome import Outcome
from contextrl.evaluation.benchmarks.registry import BENCHMARKS
from contextrl.evaluation.benchmarks.rows import Items, local_copy
from contextrl.evaluation.marking import mark_all
from contextrl.judge.llm.completions import Completions, completions_of
from contextrl.judge.llm.naming import Naming
from contextrl.records.files import write_atomically

_JUDGE = Naming("benchmark judge", {"judge.base_url": "--judge-url", "judge.model": "--judge-model"})


def evaluate_on_benchmarks(options: BenchmarkOptions, console: Console) -> dict[str, Any]:
    """Figures by benchmark, as `Outcome.as_json` has them, `robust` and controls within; also written to the folder.

    Raises:
        InputError: before anything is asked: data, servers, or what is in the folder.
        ServiceError: a server is gone or its budget spent; what is answered stays, the same command goes on.
    """
    folder = ResultFolder(options.output)
    copies = {
        name: local_copy(options.data, BENCHMARKS[name], alone=len(options.names) == 1) for name in options.names
    }
    results: dict[str, Any] = {}
    with ExitStack() as stack:
        judge = None if options.judge is None else completions_of(options.judge, _JUDGE)
        if judge is not None:
            stack.callback(judge.close)
            judge.check()
        answers = stack.enter_context(answered(options))
        for name in options.names:
            items = Items(BENCHMARKS[name], copies[name], options.limit, options.seed)
            results[name] = _one(BENCHMARKS[name], items, answers, judge, options, folder, console)
            _write_results(folder, options, results)
    return results


def _one(
    benchmark: Benchmark,
    items: Items,
    answers: Answers,
    judge: Completions | None,
    options: BenchmarkOptions,
    folder: ResultFolder,
    console: Console,
) -> dict[str, Any]:
    """A benchmark's plain questions and its controls."""
    with status(console, f"Reading {benchmark.title}"):
        questions = list(items.without_pictures())
    figures: dict[str, Any] = {}
    for control in (None, *options.controls):
        given, missing, asked = answers.of(benchmark, items, questions, control, folder, console)
        for scorer in scorers_of(benchmark, options.protocol):
            with progress_bar(console, f"Scoring {benchmark.title}", len(given)) as advance:
                scored = mark_responses(
                    benchmark,
                    questions,
                    given,
                    scorer,
                    lambda steps: mark_all(steps, judge),
                    missing=missing,
                    seed=options.seed,
                    on_mark=advance,
                )
            outcome = Outcome(benchmark, options.protocol, scorer, scored, items.sick)
            write_marks(folder.marks(benchmark.name, options.protocol, scorer, control), outcome)
            _place(figures, outcome.as_json(), control, plain=scorer == options.protocol)
        if control is None:
            figures |= asked
    if judge is not None:
        figures["judge"] = {"model": judge.model}
    return figures


def _place(figures: dict[str, Any], own: dict[str, Any], control: str | None, *, plain: bool) -> None:
    """Where a scorer's figures stand: a protocol's own first, `robust` and controls beside it."""
    place = figures if control is None else figures.setdefault("controls", {}).setdefault(control, {})
    if plain:
        place |= own
    else:
        place["robust"] = own


def _write_results(folder: ResultFolder, options: BenchmarkOptions, results: Mapping[str, Any]) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    earlier: dict[str, Any] = {}
    if folder.results.is_file():
        earlier = json.loads(folder.results.read_text(encoding="utf-8"))
    kept = {**earlier.get("benchmarks", {}), **{f"{name}/{options.protocol}": row for name, row in results.items()}}
    record = {"model": options.target, "benchmarks": kept}
    write_atomically(folder.results, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
