"""`contextrl miniature ...`: what the package carries ready-made, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contextrl.console import status
from contextrl.errors import InputError

if TYPE_CHECKING:
    from contextrl.miniature.digits import Split

app = typer.Typer(no_args_is_help=True)


@app.callback()
def main() -> None:
    """The built-in miniature."""


@app.command()
def build(
    output: Annotated[Path, typer.Option(help="Folder to write; must be new or empty.", metavar="DIR")] = Path(
        "miniature-base"
    ),
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimizer steps; by default as many as the shipped one had.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and questions.")] = 0,
    questions: Annotated[int, typer.Option(min=1, help="Development questions that it is measured on.")] = 600,
) -> None:
    """Train the miniature's base policy anew, as the shipped one was: half an hour on one core.

    Name the folder as `model.path` to start from it.
    """
    _check_new(output)
    console = Console()
    with status(console, "Loading torch"):
        from contextrl.miniature import BASE_POLICY
        from contextrl.miniature.base import BaseRecipe
        from contextrl.miniature.shipped import build_base, read_accuracy, weights_hash
    recipe = BaseRecipe(seed=seed) if steps is None else BaseRecipe(seed=seed, steps=steps)
    card = build_base(recipe, output, measured=questions, console=Console(stderr=True))
    console.print(accuracy_table(read_accuracy(output)))
    same = card["weights_sha256"] == weights_hash(BASE_POLICY)
    console.print(f"Weights: sha256 {card['weights_sha256'][:12]}{', the shipped ones' if same else ''}")
    console.print(f"Base policy: {escape(str(output))}", soft_wrap=True)


@app.command()
def reference(
    output: Annotated[Path, typer.Option(help="Folder to write; must be new or empty.", metavar="DIR")] = Path(
        "miniature-reference"
    ),
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps.", show_default="800")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and questions.")] = 0,
    questions: Annotated[int, typer.Option(min=1, help="Development questions that it is measured on.")] = 600,
) -> None:
    """Train a larger model that was taught every digit rightly: what the base policy can be compared with.

    About ten minutes on one core. It is to the base policy what Qwen3-VL-32B is to the paper's 8B policy;
    `contextrl eval` takes the folder as a model.
    """
    _check_new(output)
    console = Console()
    with status(console, "Loading torch"):
        from contextrl.miniature.reference import ReferenceRecipe
        from contextrl.miniature.shipped import build_reference, overall, read_accuracy
    recipe = ReferenceRecipe(seed=seed) if steps is None else ReferenceRecipe(seed=seed, steps=steps)
    card = build_reference(recipe, output, measured=questions, console=Console(stderr=True))
    accuracy = read_accuracy(output)
    console.print(accuracy_table(accuracy))
    answer, process = overall(accuracy)
    console.print(f"All: answer {answer:.1%}, answer and process {process:.1%}", highlight=False)
    console.print(f"Weights: sha256 {card['weights_sha256'][:12]}")
    console.print(f"Reference model: {escape(str(output))}", soft_wrap=True)


def _check_new(output: Path) -> None:
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError("a new or empty folder", found=str(output), where="--output")


@app.command()
def questions(
    output: Annotated[Path, typer.Argument(help="Parquet file to write.", metavar="FILE")],
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 400,
    split: Annotated[str, typer.Option(help="Whose digits: train, dev or test.")] = "train",
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    solutions_of: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Write solutions too: this policy's own, greedily, where its answer is right, else the miniature's.",
        ),
    ] = None,
) -> None:
    """Write questions about digits as anybody would have them, with answers and without solutions: for a data build.

    With the base policy's solutions (`--solutions-of miniature`) they are rows whose references a weaker model wrote.
    """
    if split not in ("train", "dev", "test"):
        raise InputError("train, dev or test", found=repr(split), where="--split")
    if output.suffix != ".parquet":
        raise InputError("a file ending in .parquet", found=output.name, where="FILE")
    from contextrl.miniature.questions import write_questions

    model = None
    if solutions_of is not None:
        from contextrl.commands.models import policy_folder

        model = policy_folder(solutions_of)
    write_questions(output, count, cast("Split", split), seed, model)
    Console().print(f"{count:,} questions: {escape(str(output))}", soft_wrap=True, highlight=False)


def accuracy_table(accuracy: dict[str, dict[str, Any]]) -> Table:
    """How each kind of digits is read, at once and after being told."""
    table = Table(title="Development questions, by the digits they need")
    for column in ("digits", "n", "answer", "answer and process", "retried after a report", "told only: wrong"):
        table.add_column(column, justify="left" if column == "digits" else "right")
    keys = ("answer_accuracy", "process_accuracy", "recovered_after_report", "recovered_without_report")
    for name, row in accuracy.items():
        shares = ["-" if row[key] is None else f"{row[key]:.1%}" for key in keys]
        table.add_row(name, str(row["n"]), *shares)
    return table
