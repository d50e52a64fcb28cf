"""Commands. torch is imported only inside a command, so that --help answers at once."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import shlex
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.table import Table

from contextrl.commands.data_cli import app as data_app
from contextrl.commands.ending import end_with
from contextrl.commands.init import init
from contextrl.commands.interrupts import EXIT_CODE, CalmGroup, terminate_as_interrupt
from contextrl.commands.judge_cli import app as judge_app
from contextrl.commands.miniature_cli import app as miniature_app
from contextrl.commands.plan_cli import plan
from contextrl.commands.program import program
from contextrl.commands.report_cli import report
from contextrl.commands.reproduce_cli import reproduce
from contextrl.console import status
from contextrl.errors import ContextRLError, InputError
from contextrl.launchers import end_with_launcher, rank
from contextrl.records.evaluation import NOTHING, percent

if TYPE_CHECKING:
    from contextrl.commands.config import RunConfig

app = typer.Typer(
    cls=CalmGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="ContextRL (arXiv 2602.22623): RL post-training of vision-language models, judged with the full solution.",
)

app.command()(init)
app.command()(plan)
app.command()(report)
app.command()(reproduce)
app.add_typer(data_app, name="data", help="Look at rows before they are trained on.")
app.add_typer(judge_app, name="judge", help="Verify responses, measure a judge, serve the miniature's.")
app.add_typer(miniature_app, name="miniature", help="The built-in miniature's base policy, made anew.")


ConfigFile = Annotated[Path, typer.Argument(help="A run's YAML file.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a key: --set train.learning_rate=1e-4", metavar="KEY=VALUE"),
]


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"contextrl {importlib.metadata.version('contextrl')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """What stands before a command."""


@app.command()
def train(
    config: ConfigFile,
    set_: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the run's last checkpoint.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in run_dir.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and print everything; no weights, no hub, no judge, no run.")
    ] = False,
) -> None:
    """Train a policy: sft, grpo, dapo or contextrl, as the configuration says."""
    from contextrl.commands.config import load_config
    from contextrl.commands.launching import launch

    settings = load_config(config, set_ or [])
    # The first process alone shows what goes on.
    console = Console(quiet=rank() > 0)
    quiet_libraries()
    if not dry_run and (code := launch(settings.launch, sys.argv[1:], console)) is not None:
        raise typer.Exit(code)
    if dry_run:
        with status(console, "Loading torch and TRL"):
            from contextrl.commands.dry_run import dry_run as show
        show(settings, console)
        return
    with status(console, "Loading torch and TRL"):
        from contextrl.commands.launch import Run
    with status(console, "Preparing the run"):
        run = Run(settings, console, ["contextrl", *sys.argv[1:]], resume=resume, overwrite=overwrite)
    try:
        results = run.train()
    except KeyboardInterrupt:
        if run.is_main:
            console.print(escape(run.where_it_stopped()), soft_wrap=True)
        raise typer.Exit(EXIT_CODE) from None
    if rank() == 0:
        console.print(results_table(results))
        console.print(results_line(results), soft_wrap=True)
        if (discovery := discovery_table(results)) is not None:
            console.print(discovery)
        run_dir = escape(str(settings.run_dir))
        console.print(f"Run directory: {run_dir}", soft_wrap=True)
        console.print(f"Model: {run_dir}/model", soft_wrap=True)
        look = shlex.join([*program(), "report", str(settings.run_dir)])
        console.print(f"Look at it: {escape(look)}", soft_wrap=True)


@app.command()
def check(
    config: ConfigFile,
    set_: Overrides = None,
) -> None:
    """Find everything that can be wrong with a run before anything is paid: rows, lengths, judge, memory."""
    from contextrl.commands.config import load_config

    settings = load_config(config, set_ or [])
    console = Console()
    quiet_libraries()
    with status(console, "Loading torch and TRL"):
        from contextrl.commands.check import check as look
    look(settings, console)


def own_evaluation(settings: RunConfig | None) -> list[str]:
    """What a run is evaluated on where nothing else is asked: its own rows, or its plug-in's held-out ones."""
    from contextrl.plugins import EVALUATIONS

    if settings is None:
        return ["miniature"]
    own = settings.data.evaluated_on or settings.data.train.partition(":")[0]
    return [own] if settings.data.evaluated_on or own in EVALUATIONS else []


@app.command("eval")
def eval_(
    target: Annotated[
        str, typer.Argument(metavar="CONFIG|MODEL", help="A run's YAML file, a run directory or a model.")
    ],
    benchmark: Annotated[
        str | None,
        typer.Option(
            help="Benchmarks, separated by commas; by default the run's own evaluation, for a model `miniature`.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Your own rows, judged by answer rules.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Examples of each benchmark.")] = 1000,
    predictions: Annotated[
        Path | None, typer.Option(help="Write every response and verdict to this JSONL file.")
    ] = None,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Take pictures of --data from outside its folder.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Evaluate greedily on held-out data: answer and process accuracy with their 95 % intervals."""
    from contextrl.commands.config import config_of_run, load_config
    from contextrl.plugins import EVALUATIONS, named
    from contextrl.records.run_directory import RunDirectory

    names = [name.strip() for name in (benchmark or "").split(",") if name.strip()]
    for name in names:
        named(EVALUATIONS, name, where="--benchmark")
    if data is not None:
        names.append(str(data))
    settings = None
    if target.endswith((".yaml", ".yml")):
        settings = load_config(target)
    elif RunDirectory(Path(target)).exists():
        settings = config_of_run(RunDirectory(Path(target)))
    if not names and benchmark is None:
        names = own_evaluation(settings)
    if not names:
        raise InputError("a benchmark or --data FILE", found="none", where="--benchmark")
    console = Console(stderr=as_json)
    quiet_libraries()
    with status(console, "Loading torch and transformers"):
        from contextrl.commands.evaluate import evaluate_benchmarks
    results = evaluate_benchmarks(target, settings, names, limit, predictions, console, allow_outside=allow_outside)
    if as_json:
        typer.echo(json.dumps(results, indent=2))
    else:
        console.print(evaluation_table(results))


@app.command()
def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory, a checkpoint or an adapter's folder.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.", show_default=False)],
    merge: Annotated[bool, typer.Option("--merge", help="Add an adapter to its base's weights.")] = False,
) -> None:
    """Write a trained model into a folder of its own, which transformers and vLLM load."""
    from contextrl.commands.model_names import check_is_here

    check_is_here(run)
    console = Console()
    quiet_libraries()
    with status(console, "Loading torch and transformers"):
        from contextrl.commands.export import export as write
    with status(console, "Writing the model"):
        written = write(run, output, merge=merge)
    console.print(f"{escape(str(output))}: {escape(written)}", soft_wrap=True)


def quiet_libraries() -> None:
    """Keep libraries' bars and deprecation notes, which say nothing to our users, off the terminal."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|trl|peft)\b.*")


def show_warnings() -> None:
    """What a judge's client has to say in the middle of a run goes above the progress bar."""
    logger = logging.getLogger("contextrl")
    if not logger.handlers:
        logger.addHandler(RichHandler(console=Console(stderr=True), show_path=False, show_time=False))


def results_table(results: dict[str, Any]) -> Table:
    """Accuracy before and after."""
    title = f"{results['method']}, seed {results['seed']}, {results['steps']} steps"
    if not (results["before"] or results["after"]):
        nothing = Table("not evaluated: data.eval names no held-out rows", title=title, show_header=False)
        nothing.add_row(nothing.columns[0].header)
        return nothing
    table = Table(title=title)
    data = next((row["data"] for row in (results["before"], results["after"]) if row and row.get("data")), None)
    held_out = "held-out" if data is None else f"held-out, {escape(_shown(data).removesuffix(', held out'))}"
    for column in (held_out, "answer", "answer and process", "n"):
        table.add_column(column, justify="left" if column == held_out else "right", no_wrap=column != held_out)
    for name in ("before", "after"):
        if row := results[name]:
            table.add_row(name, *_accuracies(row))
    return table


def results_line(results: dict[str, Any]) -> str:
    """What stage 2 recovered and where the time went."""
    groups, seconds = results["groups"], results["seconds"]
    recovered = f"Stage 2 recovered {groups['recovered']} of {groups['all_negative']} all-negative groups; "
    return recovered * bool(groups["all_negative"]) + ", ".join(f"{part} {s:.0f} s" for part, s in seconds.items())


def discovery_table(results: dict[str, Any]) -> Table | None:
    """Process accuracy by class of question, before and after; None where the rows' sources name no classes."""
    from contextrl.records.evaluation import by_class, parts_of

    before, after = (by_class(parts_of((results[name] or {}).get("by_source"))) for name in ("before", "after"))
    if not before or not after:
        return None
    table = Table(title="Discovery: answer and process by what a question needs")
    for column in ("class", "before", "after", "n"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for name in [name for name in before if name in after]:
        shares = [part.process_accuracy for part in (before[name], after[name])]
        cells = [NOTHING if share is None else f"{share:.1%}" for share in shares]
        table.add_row(escape(name), *cells, str(after[name].n))
    return table


def evaluation_table(results: dict[str, Any]) -> Table:
    table = Table(title=escape(str(results["model"])))
    for column in ("benchmark", "answer", "answer and process", "n"):
        table.add_column(column, justify="left" if column == "benchmark" else "right", no_wrap=column != "benchmark")
    for name, row in results["benchmarks"].items():
        table.add_row(escape(_shown(name)), *_accuracies(row))
    return table


def _shown(name: str) -> str:
    """A set's name; a path as it is from here."""
    return name.removeprefix(f"{Path.cwd()}/")


def _accuracies(row: dict[str, Any]) -> tuple[str, str, str]:
    return (
        percent(row["answer_accuracy"], row["answer_accuracy_ci95"]),
        percent(row["process_accuracy"], row["process_accuracy_ci95"]),
        str(row["n"]),
    )


def main() -> None:
    """Entry point: our own errors are one message and an exit code, never a traceback."""
    show_warnings()
    terminate_as_interrupt()
    end_with_launcher()
    try:
        app()
    except (ContextRLError, OSError, RuntimeError) as error:
        end_with(error)
