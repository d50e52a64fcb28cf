"""The `judge` commands. torch is never imported."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from contextrl.commands import judge_parameters as p
from contextrl.errors import InputError

if TYPE_CHECKING:
    from contextrl.evaluation.judging.bench import BenchResult

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def verify(
    input_: p.Input,
    output: p.Output,
    context: p.Context = None,
    judge: p.Kind = None,
    base_url: p.BaseUrl = None,
    model: p.Model = None,
    config: p.ConfigFile = None,
    set_: p.Set = None,
    gate: p.Gate = False,
    reports: p.Reports = True,
    disclose: p.Disclose = None,
    retry_unscored: p.RetryUnscored = False,
    overwrite: p.Overwrite = False,
    limit: p.FirstRows = None,
    allow_outside: p.AllowOutside = False,
    as_json: p.AsJson = False,
) -> None:
    """Verify responses: answer, process, a mistake report for each incorrect one.

    Verdicts are written as they come. Whatever stops the command, the same command goes on where it stopped.
    """
    from contextrl.commands.judge_options import JudgeOptions, judge_config
    from contextrl.commands.judge_terminal import summary_table, verdicts_bar
    from contextrl.commands.judges import judge_from_config
    from contextrl.evaluation.judging.verification import VerifySettings, verify_file

    options = JudgeOptions(config, judge, base_url or (), model, context, disclose, set_ or ())
    settings = VerifySettings(
        input_,
        output,
        judge_config(options),
        gate,
        reports,
        retry_unscored,
        overwrite,
        limit,
        allow_outside,
    )
    errors = Console(stderr=True)
    try:
        build = partial(judge_from_config, settings.judge, gate=gate)
        summary = verify_file(settings, build, partial(verdicts_bar, errors))
    except KeyboardInterrupt:
        again = "run the same command again" + (" without --overwrite" if overwrite else "")
        errors.print(f"Stopped. What is done is in {escape(str(output))}: {again} to go on.", soft_wrap=True)
        raise typer.Exit(130) from None
    if as_json:
        record = {"output": str(output), "judge": settings.identity(), **summary.as_json()}
        typer.echo(json.dumps(record, indent=2))
        return
    console = Console()
    name = settings.judge.model if settings.judge.kind == "llm" else settings.judge.kind
    console.print(summary_table(summary, escape(f"{name}, context {settings.judge.context}, {summary.rows} rows")))
    console.print(f"Verdicts: {escape(str(output))}", soft_wrap=True)


@app.command()
def bench(
    data: p.LabelledData = "miniature",
    contexts: p.Contexts = None,
    limit: p.Drawn = None,
    seed: p.Seed = 0,
    references: p.References = None,
    allow_outside: p.AllowOutside = False,
    judge: p.Kind = None,
    base_url: p.BaseUrl = None,
    model: p.Model = None,
    config: p.ConfigFile = None,
    set_: p.Set = None,
    gate: p.Gate = False,
    second_judge: p.SecondJudge = None,
    second_base_url: p.SecondBaseUrl = None,
    second_model: p.SecondModel = None,
    output: p.Figures = None,
    as_json: p.AsJson = False,
) -> None:
    """Measure a judge on labelled responses: which false positives does it find, which true positives does it keep?

    A false positive has the right answer by a wrong process. What the judge failed on is unscored and in no rate.
    """
    from contextrl.commands.judge_options import JudgeOptions, judge_config, second_judge_config
    from contextrl.commands.judge_terminal import verdicts_bar
    from contextrl.commands.judges import judge_from_config
    from contextrl.evaluation.judging.bench import chosen_contexts, run_bench
    from contextrl.evaluation.judging.sets import load_labelled
    from contextrl.plugins import LABELLED

    options = JudgeOptions(config, judge, base_url or (), model, overrides=set_ or ())
    settings = judge_config(options)
    second = second_judge_config(options, second_judge, second_base_url or (), second_model)
    if output is not None and not output.parent.is_dir():
        raise InputError("an existing folder", found=f"no folder {str(output.parent)!r}", where="--output")
    errors = Console(stderr=True)
    names = [name.strip() for name in (contexts or "").split(",") if name.strip()]
    with errors.status("Reading the responses"):
        labelled = load_labelled(
            data, limit=limit, references=references, seed=seed, named=LABELLED, allow_outside=allow_outside
        )
        chosen = chosen_contexts(labelled, names, settings)
    try:
        bar = partial(verdicts_bar, errors)
        result = run_bench(labelled, settings, chosen, judge_from_config, bar, gate=gate, second=second)
    except KeyboardInterrupt:
        errors.print("Stopped. Replies of an LLM judge are in its cache: the same command repeats no call.")
        raise typer.Exit(130) from None
    _show_bench(result, output, as_json)


def _show_bench(result: BenchResult, output: Path | None, as_json: bool) -> None:
    from contextrl.commands.bench_tables import bench_tables
    from contextrl.records.files import write_atomically

    text = json.dumps(result.as_json(), indent=2)
    if output is not None:
        write_atomically(output, text + "\n")
    if as_json:
        typer.echo(text)
        return
    console = Console()
    for table in bench_tables(result):
        console.print(table)
    if output is not None:
        console.print(f"Figures: {escape(str(output))}", soft_wrap=True)


@app.command()
def label(
    source: Annotated[
        Path, typer.Argument(help="What judge verify wrote, or a run directory.", metavar="VERDICTS|RUN")
    ],
    output: Annotated[
        Path | None,
        typer.Option(help="Sheet to write: a page (.html), or JSON lines to fill in (.jsonl).", metavar="SHEET"),
    ] = None,
    read: Annotated[
        list[Path] | None,
        typer.Option(
            help="Labels to read back, from the page or a filled sheet; repeat for several people.", metavar="LABELS"
        ),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=1, help="Responses to draw: as many accepted ones, false positives and others.")
    ] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    show_verdicts: Annotated[
        bool, typer.Option("--show-verdicts", help="Show what the judge said: on a page once a response is labelled.")
    ] = False,
    allow_outside: p.AllowOutside = False,
    as_json: p.AsJson = False,
) -> None:
    """Let people look at a sample of verdicts, and say how far they agree with the judge.

    Without --show-verdicts nobody who labels knows the verdicts. Labels are correct, incorrect or unsure; what is
    labelled in two ways is undecided.
    """
    from contextrl.commands.judge_label import SheetOptions, agreement_table, notices, read_sheets, write_sheet

    if (output is None) == (not read):
        found = "neither" if output is None else "both"
        raise InputError("--output SHEET to write, or --read LABELS", found=found, where="the command line")
    console = Console()
    if output is not None:
        counts = write_sheet(SheetOptions(source, output, sample, seed, show_verdicts, allow_outside))
        if as_json:
            typer.echo(json.dumps({"output": str(output), "drawn": counts}))
            return
        console.print(", ".join(f"{count} {what}" for what, count in counts.items()), highlight=False)
        console.print(f"Sheet: {escape(str(output))}", soft_wrap=True)
        return
    agreement = read_sheets(source, read or [])
    if as_json:
        typer.echo(json.dumps(agreement.as_json(), indent=2))
        return
    console.print(agreement_table(agreement))
    for notice in notices(agreement):
        console.print(escape(notice), soft_wrap=True, highlight=False)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8377,
    latency: Annotated[float, typer.Option(min=0.0, help="Seconds that every reply takes.")] = 0.0,
) -> None:
    """Serve the miniature's step judge as an OpenAI-compatible server, to try an LLM judge without a GPU."""
    from contextrl.miniature.judge_server import serve as serve_judge

    try:
        serve_judge(host, port, latency)
    except OSError as error:
        raise InputError("a free port", found=error.strerror or str(error), where=f"{host}:{port}") from error
