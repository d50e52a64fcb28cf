"""Commands. torch is imported only inside a command, so that --help answers at once."""

from __future__ import annotations

import importlib.metadata
import logging
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from contextrl.commands.compare_cli import compare
from contextrl.commands.data_cli import app as data_app
from contextrl.commands.ending import end_with
from contextrl.commands.eval_cli import eval_
from contextrl.commands.init import init
from contextrl.commands.interrupts import EXIT_CODE, CalmGroup, terminate_as_interrupt
from contextrl.commands.judge_cli import app as judge_app
from contextrl.commands.miniature_cli import app as miniature_app
from contextrl.commands.plan_cli import plan
from contextrl.commands.program import program
from contextrl.commands.quiet import quiet_libraries
from contextrl.commands.report_cli import report
from contextrl.commands.reproduce_cli import reproduce
from contextrl.commands.result_tables import discovery_table, results_line, results_table
from contextrl.console import status
from contextrl.errors import ContextRLError
from contextrl.launchers import end_with_launcher, rank

if TYPE_CHECKING:
    pass

app = typer.Typer(
    cls=CalmGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="ContextRL (arXiv 2602.22623): RL post-training of vision-language models, judged with the full solution.",
)

app.command()(compare)
app.command()(init)
app.command("eval")(eval_)
app.command()(plan)
app.command()(report)
app.command()(reproduce)
app.add_typer(data_app, name="data", help="Build sets of rows, and look at them before they are trained on.")
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
    quiet_libraries()


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
    with status(console, "Loading torch and TRL"):
        from contextrl.commands.check import check as look
    look(settings, console)


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
    with status(console, "Loading torch and transformers"):
        from contextrl.commands.export import export as write
    with status(console, "Writing the model"):
        written = write(run, output, merge=merge)
    console.print(f"{escape(str(output))}: {escape(written)}", soft_wrap=True)


def show_warnings() -> None:
    """What a judge's client has to say in the middle of a run goes above the progress bar."""
    logger = logging.getLogger("contextrl")
    if not logger.handlers:
        logger.addHandler(RichHandler(console=Console(stderr=True), show_path=False, show_time=False))


def main() -> None:
    """Entry point: our own errors are one message and an exit code, never a traceback."""
    show_warnings()
    terminate_as_interrupt()
    end_with_launcher()
    try:
        app()
    except (ContextRLError, OSError, RuntimeError) as error:
        end_with(error)
