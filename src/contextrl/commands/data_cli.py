"""The `data` commands. torch is never imported."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from contextrl.commands import row_parameters as p
from contextrl.commands.data_from_run_cli import from_run
from contextrl.commands.data_show_cli import show
from contextrl.errors import InputError

if TYPE_CHECKING:
    from contextrl.data.examination import Findings, Reading

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Build sets of rows, and look at them before they are trained on."""


@app.command()
def build(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A recipe: a YAML file, a section a step.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the set; what is there of the same build is gone on with.", show_default="sets/NAME"
        ),
    ] = None,
    local: Annotated[
        Path | None, typer.Option(help="Folder with copies of the sources, where the hub cannot be reached.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Questions of each source at most.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: --set sources.0.limit=100."),
    ] = None,
    executor: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Share the steps among datatrove's tasks, here or on a cluster: its YAML file."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest instead of a table.")] = False,
) -> None:
    """Build a training set from raw questions. Whatever stops it, the same command goes on where it stopped."""
    from contextrl.commands.data_build import BuildOptions, load_executor
    from contextrl.commands.data_build import build as run
    from contextrl.commands.data_tables import show_built

    where = (out or Path("sets") / config.stem).absolute()
    tasks = None if executor is None else load_executor(executor)
    options = BuildOptions(config.absolute(), where, local and local.absolute(), limit, set_ or (), tasks)
    console = Console(stderr=as_json)
    manifest = run(options, console)
    if manifest is None:
        console.print(f"Handed in; the set is there when the last job has ended: {escape(str(where))}", soft_wrap=True)
    elif as_json:
        typer.echo(json.dumps(manifest, indent=2, ensure_ascii=False))
    else:
        show_built(manifest, where, console)


@app.command()
def hashes(
    out: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the files go; `duplicates.benchmarks` names it.")
    ],
    benchmark: Annotated[str, typer.Option(help="Which of the 11, separated by commas.")] = "all",
    data: Annotated[Path | None, typer.Option(help="A folder of local copies; else the hub is read.")] = None,
    permutations: Annotated[int, typer.Option(help="As `duplicates.permutations` of the recipe.")] = 128,
) -> None:
    """Hash the benchmarks' questions and pictures, so that a build can leave out what they have too."""
    from contextrl.commands.benchmark_options import sorted_names
    from contextrl.commands.data_hashes import write_benchmark_hashes

    names, others = sorted_names(benchmark)
    if others or not names:
        raise InputError("names of the 11 benchmarks, or all", found=", ".join(others) or "none", where="--benchmark")
    counts = write_benchmark_hashes(names, data, out, permutations, Console(stderr=True))
    for name, count in counts.items():
        typer.echo(f"{name}: {count:,} questions, {out / name}.jsonl")


@app.command()
def validate(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file or folder of rows, or a hub id.")],
    column: p.Column = None,
    split: p.Split = "train",
    answer_type: p.AnswerType = "auto",
    fix_to: Annotated[
        Path | None,
        typer.Option(help="Write the usable rows to this file (.jsonl or .parquet).", metavar="OUT"),
    ] = None,
    allow_outside: p.AllowOutside = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one for each core.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Check all rows and tell all faults, by kind, with row and line. Ends with 2 where a row is unusable."""
    from contextrl.commands.column_options import given_answer_type, given_columns
    from contextrl.commands.data_findings import findings_as_json, show_findings
    from contextrl.data.examination import Reading

    columns = given_columns(column or []) or None
    reading = Reading(file, split, columns, given_answer_type(answer_type), allow_outside)
    findings = _examined(reading, fix_to, workers)
    if as_json:
        typer.echo(json.dumps(findings_as_json(findings, fix_to), indent=2, ensure_ascii=True))
    else:
        show_findings(findings, fix_to, reading)
    raise typer.Exit(0 if findings.usable == findings.rows else InputError.exit_code)


app.command()(show)
app.command("from-run")(from_run)


def _examined(reading: Reading, fix_to: Path | None, workers: int | None) -> Findings:
    from contextrl.console import Advance, progress_bar
    from contextrl.data.examination import Looked, examine
    from contextrl.data.raw_rows import RawRow
    from contextrl.data.usable_rows import UsableRows

    with ExitStack() as stack:
        usable = None
        if fix_to is not None:
            schema = reading.source.schema() if fix_to.suffix.lower() == ".parquet" else None
            outside = reading.allow_outside
            usable = stack.enter_context(UsableRows(fix_to, reading.columns, allow_outside=outside, schema=schema))
        bar: list[Advance] = []

        def on_total(rows: int) -> None:
            bar.append(stack.enter_context(progress_bar(Console(stderr=True), "Checking rows", rows)))

        def on_row(row: RawRow | InputError, looked: Looked) -> None:
            bar[0](1)
            if usable is not None and isinstance(row, RawRow) and not looked.problems:
                usable.put(row, looked.answer_type)

        return examine(reading, workers=workers, on_total=on_total, on_row=on_row)
