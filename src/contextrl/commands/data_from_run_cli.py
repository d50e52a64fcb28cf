"""`contextrl data from-run`: what is asked of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape


def from_run(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, of a run that samples.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Parquet file to write; pictures are embedded.")],
    rows: Annotated[
        int | None, typer.Option(min=1, help="How many.", show_default="as many as there are at this share")
    ] = None,
    false_positives: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of right answers by wrong steps.")
    ] = 0.0,
    references: Annotated[
        bool,
        typer.Option("--references", help="Write the same questions with their reference solutions instead."),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
) -> None:
    """Write right answers that a run has sampled as rows for SFT, with a share of false positives if asked for.

    Each text once, and questions take turns. Whether the steps are right is what the run's audit said, else its judge.
    Questions and pictures are read where the run read them.
    """
    from contextrl.commands.data_from_run import FromRun, rows_from_run

    asked = FromRun(run, out, rows, false_positives, seed, "references" if references else "responses")
    drawn, found = rows_from_run(asked)
    console = Console()
    wrong = sum(not one.process_correct for one in drawn)
    questions = len({one.example_id for one in drawn})
    console.print(
        f"{len(drawn):,} rows of {questions:,} questions, {wrong:,} of them false positives: {escape(str(out))}",
        soft_wrap=True,
        highlight=False,
    )
    there = f"There were {len(found.right):,} right answers by right steps and {len(found.wrong):,} by wrong steps"
    left = ", ".join(f"{count:,} {reason}" for reason, count in found.left_out.most_common())
    console.print(f"{there}; left out: {left or 'none'}.", soft_wrap=True, highlight=False)
