"""`contextrl data show`: what is asked of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from contextrl.commands import row_parameters as p


def show(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A file or folder of rows, the folder of a build, or a hub id.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="PAGE", help="The page.", show_default="FOLDER/show.html, NAME.show.html beside a file"),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, max=500, help="Rows that are shown.")] = 24,
    seed: Annotated[int, typer.Option(help="Of the rows that are drawn.")] = 0,
    processor: Annotated[
        str,
        typer.Option(
            metavar="MODEL_OR_PATH",
            help="Whose tokens pictures are counted in; by its configuration alone.",
            show_default="Qwen3-VL's",
        ),
    ] = "",
    column: p.Column = None,
    split: p.Split = "train",
    answer_type: p.AnswerType = "auto",
    duplicates: Annotated[
        bool,
        typer.Option(
            "--duplicates/--no-duplicates",
            help="Look for near-duplicates where no build has: in the first 10,000 rows.",
        ),
    ] = True,
    allow_outside: p.AllowOutside = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures; the page is then written only where --out names it.")
    ] = False,
) -> None:
    """Show a set in one HTML file that needs no network: samples, distributions, a build's steps, near-duplicates."""
    from contextrl.commands.column_options import given_answer_type, given_columns
    from contextrl.commands.data_gather import ShowOptions
    from contextrl.commands.data_show import show_set
    from contextrl.data.examination import Reading
    from contextrl.report.text import visible

    reading = Reading(file, split, given_columns(column or []) or None, given_answer_type(answer_type), allow_outside)
    options = ShowOptions(reading, out, samples, seed, processor, duplicates, page=out is not None or not as_json)
    shown = show_set(options, Console(stderr=True))
    if as_json:
        typer.echo(json.dumps(shown.figures, indent=2, ensure_ascii=True, allow_nan=False))
        return
    console = Console()
    for line in shown.notices:
        console.print(escape(visible(line)), soft_wrap=True, highlight=False)
    console.print(f"Page: {escape(visible(str(shown.page)))}", soft_wrap=True)
