"""`contextrl eval --benchmark mmstar,...`: questions, answers, marks and figures of the 11 benchmarks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any

from rich.console import Console

from contextrl.commands.benchmark_answers import Answers, answers_by
from contextrl.commands.benchmark_exports import export_answers
from contextrl.commands.benchmark_options import BenchmarkOptions, file_name
from contextrl.console import progress_bar, status
from contextrl.evaluation.answering.controls import Control
from contextrl.evaluation.benchmarks.folder import ResultFolder
from contextrl.evaluation.benchmarks.marks import mark_responses, scorers_of, write_marks
from contextrl.evaluation.benchmarks.outcome import Outcome
from contextrl.evaluation.benchmarks.prompts import prompts_hash
from contextrl.evaluation.benchmarks.registry import BENCHMARKS
from contextrl.evaluation.benchmarks.rows import Items, local_copy
from contextrl.evaluation.marking import mark_all
from contextrl.judge.llm.completions import Completions, completions_of
from contextrl.judge.llm.naming import Naming
from contextrl.records.files import write_atomically

_JUDGE = Naming("benchmark judge", {"judge.base_url": "--judge-url", "judge.model": "--judge-model"})


def evaluate_on_benchmarks(options: BenchmarkOptions, local: Callable[[], Any], console: Console) -> dict[str, Any]:
    """Figures by benchmark, as `Outcome.as_json` has them, `robust` and controls within; also written to the folder.

    Args:
        local: loads the model of this process, where one is to answer.

    Raises:
        InputError: before anything is asked: data, servers, or what is in the folder.
        ServiceError: a server is gone or its budget spent; what is answered stays, the same command goes on.
    """
    alone = len(options.names) == 1
    copies = {name: local_copy(options.data, BENCHMARKS[name], alone=alone) for name in options.names}
    results: dict[str, Any] = {}
    with ExitStack() as stack:
        judge = None if options.judge is None else completions_of(options.judge, _JUDGE)
        if judge is not None:
            stack.callback(judge.close)
            judge.check()
        answers = stack.enter_context(answers_by(options, local))
        for name in options.names:
            items = Items(BENCHMARKS[name], copies[name], options.limit, options.seed)
            results[name] = _evaluated(items, answers, judge, options, console)
            _write_results(options, results)
    return results


def _evaluated(
    items: Items, answers: Answers, judge: Completions | None, options: BenchmarkOptions, console: Console
) -> dict[str, Any]:
    """A benchmark's plain questions and its controls."""
    benchmark, folder = items.benchmark, ResultFolder(options.output)
    with status(console, f"Reading {benchmark.title}"):
        asked = list(items.without_pictures())
    figures: dict[str, Any] = {}
    controls: list[Control | None] = [None, *options.controls]
    for control in controls:
        given = answers.of(items, asked, control, console)
        for scorer in scorers_of(benchmark, options.protocol):
            with progress_bar(console, f"Scoring {benchmark.title}", len(given.responses)) as advance:
                scored = mark_responses(
                    benchmark,
                    asked,
                    given.responses,
                    scorer,
                    lambda steps: mark_all(steps, judge),
                    missing=given.missing,
                    seed=options.seed,
                    on_mark=advance,
                )
            outcome = Outcome(benchmark, options.protocol, scorer, scored, items.sick)
            marks = folder.marks(benchmark.name, options.protocol, scorer, control)
            write_marks(marks, outcome)
            if control is None and scorer == options.protocol:
                export_answers(options.exports, items, given, scored, marks.parent, file_name(options.target, "_"))
            _place(figures, outcome.as_json() | _judged_by(outcome, judge), control)
        if control is None:
            figures |= given.record
    return figures


def _judged_by(outcome: Outcome, judge: Completions | None) -> dict[str, Any]:
    """Who judged, by which prompts: another judge gives other figures."""
    prompts = prompts_hash(outcome.benchmark.judge_prompts.get(outcome.scorer, ()))
    if judge is None or not prompts:
        return {}
    return {"judge": {"model": judge.model, "prompts": prompts}}


def _place(figures: dict[str, Any], own: dict[str, Any], control: str | None) -> None:
    """Where a scorer's figures stand: a protocol's own first, `robust` and controls beside it."""
    place = figures if control is None else figures.setdefault("controls", {}).setdefault(control, {})
    if own["scorer"] == own["protocol"]:
        place |= own
    else:
        place["robust"] = own


def _write_results(options: BenchmarkOptions, results: Mapping[str, Any]) -> None:
    """Keep what the folder holds of other benchmarks and protocols."""
    folder = ResultFolder(options.output)
    earlier: dict[str, Any] = {}
    with suppress(OSError, ValueError, AttributeError):  # none yet, or damaged: what is known now is written
        earlier = dict(json.loads(folder.results.read_text(encoding="utf-8")).get("results", {}))
    now = {f"{name}/{options.protocol}": row for name, row in results.items()}
    record = {"model": options.target, "results": {**earlier, **now}}
    write_atomically(folder.results, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
