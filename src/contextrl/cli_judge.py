"""The `judge` commands. torch is never imported."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from contextrl.errors import InputError
from contextrl.judge.types import Disclosure, ReferenceContext

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

_JUDGE, _SECOND = "The judge", "A second judge"
NamedJudge = Literal["steps", "rules"]
Kind = Annotated[
    NamedJudge | None,
    typer.Option(
        "--judge", help="steps: the miniature's verifier; rules: the final answer only.", rich_help_panel=_JUDGE
    ),
]
BaseUrl = Annotated[
    list[str] | None,
    typer.Option(
        help="OpenAI-compatible server, http://host:8000/v1; repeat for several that serve the same model.",
        metavar="URL",
        rich_help_panel=_JUDGE,
    ),
]
Model = Annotated[str | None, typer.Option(help="The model's name there.", metavar="NAME", rich_help_panel=_JUDGE)]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Take the judge section of a run's YAML; other options override it.", rich_help_panel=_JUDGE
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a key: --set judge.votes=3", metavar="KEY=VALUE", rich_help_panel=_JUDGE),
]
Gate = Annotated[
    bool,
    typer.Option("--gate", help="Let rules reject certainly wrong answers without a call.", rich_help_panel=_JUDGE),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of a table.")]


@app.command()
def verify(
    input_: Annotated[
        Path,
        typer.Option(
            "--input",
            help="JSON lines: question, images (paths relative to this file), solution, answer, answer_type, response; "
            "id if you have one.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option(help="The same lines with `verdict`.", show_default=False)],
    context: Annotated[
        ReferenceContext | None,
        typer.Option(help="What the judge sees of the reference; by default solution, or the config's."),
    ] = None,
    judge: Kind = None,
    base_url: BaseUrl = None,
    model: Model = None,
    config: ConfigFile = None,
    set_: Set = None,
    gate: Gate = False,
    reports: Annotated[bool, typer.Option(help="Ask for a mistake report on each incorrect response.")] = True,
    disclose: Annotated[
        Disclosure | None, typer.Option(help="How much a report may say; by default correction.")
    ] = None,
    standalone: Annotated[
        bool, typer.Option("--standalone", help="Also ask whether each response stands on its own (LLM judges).")
    ] = False,
    retry_unscored: Annotated[
        bool, typer.Option("--retry-unscored", help="Judge once more what an earlier start left unscored.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew; forget an output that is there.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Judge only the first rows.")] = None,
    as_json: AsJson = False,
) -> None:
    """Verify responses: answer, process, a mistake report for each incorrect one.

    Verdicts are written as they come. Whatever stops the command, the same command goes on where it stopped.
    """
    from contextrl.judge.options import JudgeOptions, judge_config
    from contextrl.judge.terminal import summary_table, verdicts_bar
    from contextrl.judge.verification import VerifySettings, verify_file

    options = JudgeOptions(config, judge, base_url or (), model, context, disclose, set_ or ())
    settings = VerifySettings(
        input_, output, judge_config(options), gate, reports, standalone, retry_unscored, overwrite, limit
    )
    errors = Console(stderr=True)
    try:
        summary = verify_file(settings, partial(verdicts_bar, errors))
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
    data: Annotated[
        str,
        typer.Option(
            help="miniature, processbench:PATH, visualprocessbench:PATH (local copies), or FILE.jsonl: the lines of "
            "`judge verify` with answer_correct and process_correct."
        ),
    ] = "miniature",
    contexts: Annotated[
        str | None,
        typer.Option(help="none,answer,solution or some of them; by default all that the set can serve."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many responses, drawn at random; by default all; miniature: 600.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw and of the miniature's responses.")] = 0,
    references: Annotated[
        Path | None,
        typer.Option(help="JSON lines of id or question, answer, solution, for sets that come without."),
    ] = None,
    judge: Kind = None,
    base_url: BaseUrl = None,
    model: Model = None,
    config: ConfigFile = None,
    set_: Set = None,
    gate: Gate = False,
    second_judge: Annotated[
        NamedJudge | None, typer.Option(help="Compare with this judge.", rich_help_panel=_SECOND)
    ] = None,
    second_base_url: Annotated[
        list[str] | None,
        typer.Option(help="Compare with an LLM judge there.", metavar="URL", rich_help_panel=_SECOND),
    ] = None,
    second_model: Annotated[
        str | None, typer.Option(help="Its model's name.", metavar="NAME", rich_help_panel=_SECOND)
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a judge on labelled responses: which false positives does it find, which true positives does it keep?

    A false positive has the right answer by a wrong process. What the judge failed on is unscored and in no rate.
    """
    from contextrl.judge.bench.command import chosen_contexts, run_bench
    from contextrl.judge.bench.sets import load_labelled
    from contextrl.judge.bench.tables import bench_tables
    from contextrl.judge.options import JudgeOptions, judge_config, second_judge_config
    from contextrl.judge.terminal import verdicts_bar
    from contextrl.run_directory import write_atomically

    options = JudgeOptions(config, judge, base_url or (), model, overrides=set_ or ())
    settings = judge_config(options)
    second = second_judge_config(options, second_judge, second_base_url or (), second_model)
    if output is not None and not output.parent.is_dir():
        raise InputError("an existing folder", found=f"no folder {str(output.parent)!r}", where="--output")
    errors = Console(stderr=True)
    names = [name.strip() for name in (contexts or "").split(",") if name.strip()]
    with errors.status("Reading the responses"):
        labelled = load_labelled(data, limit=limit, references=references, seed=seed)
        chosen = chosen_contexts(labelled, names, settings)
    try:
        result = run_bench(labelled, settings, chosen, partial(verdicts_bar, errors), gate=gate, second=second)
    except KeyboardInterrupt:
        errors.print("Stopped. Replies of an LLM judge are in its cache: the same command repeats no call.")
        raise typer.Exit(130) from None
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
