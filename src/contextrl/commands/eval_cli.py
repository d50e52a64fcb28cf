"""`contextrl eval`: held-out rows of one's own, and the 11 benchmarks of the paper."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from contextrl.commands.quiet import quiet_libraries
from contextrl.console import status
from contextrl.errors import InputError

if TYPE_CHECKING:
    from contextrl.commands.benchmark_options import BenchmarkOptions
    from contextrl.commands.config import RunConfig

#: Examples of a plug-in's or one's own rows, where nothing else is said.
_OWN_ROWS = 1000
_ELEVEN = "The 11 benchmarks"
_UNUSUAL = re.compile(r"[^\w.-]+")


def eval_(
    target: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG|RUN|MODEL",
            help="A run's YAML file, a run directory, or a model: its folder, its hub id, its name at --base-url.",
        ),
    ],
    benchmark: Annotated[
        str | None,
        typer.Option(
            help="Benchmarks, separated by commas: simplevqa, mmstar, ..., perception, reasoning, all; by default the "
            "run's own evaluation, for a model `miniature`.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Your own rows, judged by answer rules; or a local copy of the benchmark.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Examples of each benchmark; of your own rows 1,000.", show_default="all"),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="The 11: score the answers of this file (lmms-eval's, VLMEvalKit's, or lines of id and response). "
            "Your own rows: write every response and verdict to it."
        ),
    ] = None,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Take pictures of --data from outside its folder.")
    ] = False,
    protocol: Annotated[
        str,
        typer.Option(help="official (the authors') or vlmevalkit (the paper's).", rich_help_panel=_ELEVEN),
    ] = "official",
    base_url: Annotated[
        list[str] | None,
        typer.Option(help="An OpenAI-compatible server of MODEL; may be repeated.", rich_help_panel=_ELEVEN),
    ] = None,
    judge_url: Annotated[
        list[str] | None,
        typer.Option(help="A server of the model that reads and judges answers.", rich_help_panel=_ELEVEN),
    ] = None,
    judge_model: Annotated[str | None, typer.Option(help="Its name there.", rich_help_panel=_ELEVEN)] = None,
    control: Annotated[
        str | None,
        typer.Option(
            help="blank-image, shuffled-image or no-question, or several with commas: what is right all the same is "
            "guessed or leaked.",
            rich_help_panel=_ELEVEN,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The folder of answers and marks; what is in it is gone on with. By default RUN/benchmarks or "
            "evaluations/MODEL.",
            rich_help_panel=_ELEVEN,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Of sampling, of what --limit draws, of random options.", rich_help_panel=_ELEVEN)
    ] = 0,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest answer.", show_default="the protocol's", rich_help_panel=_ELEVEN)
    ] = None,
    image_max_side: Annotated[
        int | None,
        typer.Option(min=1, help="Scale larger pictures down to it, in pixels.", rich_help_panel=_ELEVEN),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Of a server: --set server.max_concurrency=256, --set judge.budget.calls=10000",
            metavar="KEY=VALUE",
            rich_help_panel=_ELEVEN,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Evaluate on held-out data: greedily on rows of your own, by either protocol on the paper's 11 benchmarks.

    Answers are written as they come. Whatever stops the command, the same command goes on where it stopped.
    """
    from contextrl.commands.benchmark_options import BenchmarkOptions, controls_named, protocol_named, servers
    from contextrl.commands.benchmark_options import sorted_names as sorted_by_kind

    asked = [name.strip() for name in (benchmark or "").split(",") if name.strip()]
    eleven, own = sorted_by_kind(asked)
    settings = None if base_url else _settings_of(target)
    if eleven:
        answering, judging = servers(target, base_url or (), judge_url or (), judge_model, set_ or ())
        options = BenchmarkOptions(
            target=target,
            names=eleven,
            protocol=protocol_named(protocol),
            controls=controls_named(control or ""),
            data=data,
            limit=limit,
            seed=seed,
            server=answering,
            judge=judging,
            predictions=predictions,
            output=output or _default_output(target),
            max_new_tokens=max_new_tokens,
            image_max_side=image_max_side,
        )
    elif base_url or judge_url or control or set_:
        fix = "Name one with --benchmark, or leave the option out"
        raise InputError("one of the 11 benchmarks", found=benchmark or "none", where="--benchmark", fix=fix)
    console = Console(stderr=as_json)
    results: dict[str, Any] = {"model": target, "benchmarks": {}}
    if own or not eleven:
        names = own + ([str(data)] if data is not None and not eleven else [])
        results = _own_rows(
            target,
            settings,
            names if names or benchmark is not None else own_evaluation(settings),
            limit or _OWN_ROWS,
            None if eleven else predictions,
            console,
            allow_outside=allow_outside,
        )
    if eleven:
        results["benchmarks"] |= _eleven(options, settings, console)
    _show(results, options if eleven else None, console, as_json=as_json)


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
    *,
    allow_outside: bool,
) -> dict[str, Any]:
    if not names:
        raise InputError("a benchmark or --data FILE", found="none", where="--benchmark")
    quiet_libraries()
    with status(console, "Loading torch and transformers"):
        from contextrl.commands.evaluate import evaluate_benchmarks
    return evaluate_benchmarks(target, settings, names, limit, predictions, console, allow_outside=allow_outside)


def _eleven(options: BenchmarkOptions, settings: RunConfig | None, console: Console) -> dict[str, Any]:
    from contextrl.commands.benchmark_eval import evaluate_on_benchmarks

    def local() -> Any:
        quiet_libraries()
        with status(console, "Loading torch and transformers"):
            from contextrl.commands.evaluate import local_model
        return local_model(options.target, settings)

    return evaluate_on_benchmarks(options, local, console)


def _default_output(target: str) -> Path:
    from contextrl.records.run_directory import RunDirectory

    if RunDirectory(Path(target)).exists():
        return Path(target) / "benchmarks"
    return Path("evaluations") / (_UNUSUAL.sub("-", target).strip("-.") or "model")


def _show(results: dict[str, Any], options: BenchmarkOptions | None, console: Console, *, as_json: bool) -> None:
    from contextrl.commands.benchmark_tables import benchmark_tables, remarks
    from contextrl.commands.result_tables import evaluation_table
    from contextrl.evaluation.benchmarks.registry import BENCHMARKS

    if as_json:
        typer.echo(json.dumps(results, indent=2, ensure_ascii=False))
    else:
        rows = {name: row for name, row in results["benchmarks"].items() if name not in BENCHMARKS}
        if rows:
            console.print(evaluation_table({**results, "benchmarks": rows}))
        for table in benchmark_tables(results["benchmarks"]):
            console.print(table)
        for remark in remarks(results["benchmarks"]):
            console.print(escape(remark), highlight=False)
    if options is not None:
        if not as_json:
            console.print("How each protocol asks and reads: `note` in results.json.", highlight=False)
        console.print(f"Answers and marks: {escape(str(options.output))}", soft_wrap=True, highlight=False)
