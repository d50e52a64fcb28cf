"""`contextrl eval`: held-out rows of one's own, and the 11 benchmarks of the paper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape

from contextrl.commands import eval_parameters as p
from contextrl.console import status
from contextrl.errors import InputError

if TYPE_CHECKING:
    from contextrl.commands.benchmark_options import BenchmarkOptions
    from contextrl.commands.config import RunConfig

#: Examples of a plug-in's or one's own rows, where nothing else is said.
_OWN_ROWS = 1000


def eval_(
    target: p.Target,
    benchmark: p.Benchmarks = None,
    data: p.Data = None,
    limit: p.Limit = None,
    predictions: p.Predictions = None,
    samples: p.Samples = None,
    temperature: p.Temperature = 1.0,
    allow_outside: p.AllowOutside = False,
    protocol: p.ProtocolName = "official",
    base_url: p.BaseUrl = None,
    judge_url: p.JudgeUrl = None,
    judge_model: p.JudgeModel = None,
    control: p.Controls = None,
    output: p.Output = None,
    seed: p.Seed = 0,
    max_new_tokens: p.MaxNewTokens = None,
    image_max_side: p.ImageMaxSide = None,
    export: p.Export = None,
    set_: p.Set = None,
    as_json: p.AsJson = False,
) -> None:
    """Evaluate on held-out data: rows of your own, greedily or by many samples, or the paper's 11 benchmarks.

    Answers are written as they come. Whatever stops the command, the same command goes on where it stopped.
    """
    from contextrl.commands import benchmark_options as given
    from contextrl.commands.benchmark_exports import forms_named

    eleven, own = given.sorted_names(benchmark or "")
    settings, options = None if base_url else _settings_of(target), None
    if eleven:
        answering, judging = given.servers(target, base_url or (), judge_url or (), judge_model, set_ or ())
        options = given.BenchmarkOptions(
            target=target,
            names=_asked_once(eleven, samples),
            protocol=given.protocol_named(protocol),
            controls=given.controls_named(control or ""),
            data=data,
            limit=limit,
            seed=seed,
            server=answering,
            judge=judging,
            predictions=predictions,
            output=output or _default_output(target),
            max_new_tokens=max_new_tokens,
            image_max_side=image_max_side,
            exports=forms_named(export or ""),
        )
    elif base_url or judge_url or control or set_:
        raise _only_for_the_eleven(benchmark)
    console = Console(stderr=as_json)
    results: dict[str, Any] = {"model": target, "benchmarks": {}}
    if own or options is None:
        own += [str(data)] if data is not None and options is None else []
        names = own if own or benchmark is not None else own_evaluation(settings)
        asked, written = (samples, temperature, seed), predictions if options is None else None
        results = _own_rows(target, settings, names, limit or _OWN_ROWS, written, console, allow_outside, asked)
    results["benchmarks"] |= {} if options is None else _eleven(options, settings, console)
    _show(results, options, console, as_json=as_json)


def _only_for_the_eleven(benchmark: str | None) -> InputError:
    fix = "Name one with --benchmark, or leave the option out"
    return InputError("one of the 11 benchmarks", found=benchmark or "none", where="--benchmark", fix=fix)


def _asked_once(eleven: list[str], samples: int | None) -> list[str]:
    """The names, where nobody asks for samples of them."""
    if samples is not None:
        found, fix = f"{eleven[0]}, whose protocol says how often it is asked", "Leave it out"
        raise InputError("rows of your own", found=found, where="--samples", fix=fix)
    return eleven


def _settings_of(target: str) -> RunConfig | None:
    from contextrl.commands.config import config_of_run, load_config
    from contextrl.records.run_directory import RunDirectory

    if target.endswith((".yaml", ".yml")):
        return load_config(target)
    directory = RunDirectory(Path(target))
    return config_of_run(directory) if directory.exists() else None


def own_evaluation(settings: RunConfig | None) -> list[str]:
    """What a run is evaluated on where nothing else is asked: its own rows, or its plug-in's held-out ones."""
    from contextrl.plugins import EVALUATIONS

    if settings is None:
        return ["miniature"]
    own = settings.data.evaluated_on or settings.data.train.partition(":")[0]
    return [own] if settings.data.evaluated_on or own in EVALUATIONS else []


def _own_rows(
    target: str,
    settings: RunConfig | None,
    names: list[str],
    limit: int,
    predictions: Path | None,
    console: Console,
    outside: bool,
    asked: tuple[int | None, float, int],
) -> dict[str, Any]:
    """Figures by benchmark; `asked` is samples (None: one greedy answer), temperature and seed."""
    if not names:
        raise InputError("a benchmark or --data FILE", found="none", where="--benchmark")
    with status(console, "Loading torch and transformers"):
        from contextrl.commands.evaluate import evaluate_benchmarks
        from contextrl.evaluation.sampling import SamplePlan
    samples, temperature, seed = asked
    plan = None if samples is None else SamplePlan(samples, temperature, seed)
    return evaluate_benchmarks(target, settings, names, limit, predictions, console, allow_outside=outside, plan=plan)


def _eleven(options: BenchmarkOptions, settings: RunConfig | None, console: Console) -> dict[str, Any]:
    from contextrl.commands.benchmark_eval import evaluate_on_benchmarks

    def local() -> Any:
        with status(console, "Loading torch and transformers"):
            from contextrl.commands.evaluate import local_model
        return local_model(options.target, settings)

    return evaluate_on_benchmarks(options, local, console)


def _default_output(target: str) -> Path:
    from contextrl.commands.benchmark_options import file_name
    from contextrl.records.run_directory import RunDirectory

    if RunDirectory(Path(target)).exists():
        return Path(target) / "benchmarks"
    return Path("evaluations") / file_name(target, "-")


def _show(results: dict[str, Any], options: BenchmarkOptions | None, console: Console, *, as_json: bool) -> None:
    from contextrl.commands.benchmark_tables import benchmark_tables, remarks
    from contextrl.commands.result_tables import evaluation_table, pass_at_k_tables
    from contextrl.evaluation.benchmarks.registry import BENCHMARKS

    if as_json:
        typer.echo(json.dumps(results, indent=2, ensure_ascii=False))
    else:
        rows = {name: row for name, row in results["benchmarks"].items() if name not in BENCHMARKS}
        if rows:
            console.print(evaluation_table({**results, "benchmarks": rows}))
        for table in pass_at_k_tables(rows):
            console.print(table)
        for table in benchmark_tables(results["benchmarks"]):
            console.print(table)
        for remark in remarks(results["benchmarks"]):
            console.print(escape(remark), highlight=False)
    if options is not None:
        if not as_json:
            console.print("How each protocol asks and reads: `note` in results.json.", highlight=False)
        console.print(f"Answers and marks: {escape(str(options.output))}", soft_wrap=True, highlight=False)
