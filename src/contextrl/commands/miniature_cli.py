"""`contextrl miniature ...`: what the package carries ready-made, made anew."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contextrl.commands.shipped_configs import CONFIGS
from contextrl.console import progress_bar, status
from contextrl.disk import why_not_writable
from contextrl.errors import DiskError, InputError, nearest_key

if TYPE_CHECKING:
    from contextrl.miniature.digits import Images, Split
    from contextrl.miniature.learned_judge.training import Size

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
    task: Annotated[
        str,
        typer.Option(help="ordinary; or long: the shipped policy, taught the questions of data.train: miniature:long."),
    ] = "ordinary",
) -> None:
    """Train the miniature's base policy anew, as the shipped one was: half an hour on one core.

    That of the longer questions (`--task long`) takes ten minutes. Name the folder as `model.path` to start from it.
    """
    if task not in ("ordinary", "long"):
        raise InputError("ordinary or long", found=repr(task), where="--task")
    _check_new(output, "--output")
    console = Console()
    with status(console, "Loading torch"):
        from contextrl.miniature import BASE_POLICY
        from contextrl.miniature.base import BaseRecipe
        from contextrl.miniature.long_base import LongRecipe
        from contextrl.miniature.shipped import build_base, build_long, read_accuracy, weights_hash
    changed: dict[str, Any] = {"seed": seed} if steps is None else {"seed": seed, "steps": steps}
    shown = Console(stderr=True)
    if task == "long":
        card = build_long(LongRecipe(**changed), output, measured=questions, console=shown)
    else:
        card = build_base(BaseRecipe(**changed), output, measured=questions, console=shown)
    console.print(accuracy_table(read_accuracy(output)))
    same = card["weights_sha256"] == weights_hash(BASE_POLICY)
    console.print(f"Weights: sha256 {card['weights_sha256'][:12]}{', the shipped ones' if same else ''}")
    console.print(f"Base policy: {escape(str(output))}", soft_wrap=True)


@app.command()
def reference(
    output: Annotated[Path, typer.Option(help="Folder to write; must be new or empty.", metavar="DIR")] = Path(
        "miniature-reference"
    ),
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps.", show_default="200")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and questions.")] = 0,
    questions: Annotated[int, typer.Option(min=1, help="Development questions that it is measured on.")] = 600,
) -> None:
    """Train a larger model that was taught every digit rightly: what the base policy can be compared with.

    A few minutes on one core. It is to the base policy what Qwen3-VL-32B is to the paper's 8B policy;
    `contextrl eval` takes the folder as a model.
    """
    _check_new(output, "--output")
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


@app.command()
def judge(
    output: Annotated[Path, typer.Argument(help="Folder to write; must be new or empty.", metavar="FOLDER")],
    size: Annotated[str, typer.Option(help="small or large.")] = "large",
    seed: Annotated[int, typer.Option(min=0, help="Of weights and lessons.")] = 0,
    images: Annotated[
        str, typer.Option(help="Whose digits it learns from: train, or half of them: first-half, second-half.")
    ] = "first-half",
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps; by default the size's.")] = None,
    facts: Annotated[
        bool, typer.Option("--facts", help="It reads facts in place of a solution too: judge.context documents.")
    ] = False,
) -> None:
    """Teach a model to judge the miniature's responses: three minutes of one core, nine for the large one.

    Name the folder as `judge.path` beside `judge.kind: learned`, or serve it. With `data.train: miniature:second-half`
    a policy learns from pictures that the judge has not seen.
    """
    for option, value, known in (
        ("--size", size, ("small", "large")),
        ("--images", images, ("train", "first-half", "second-half")),
    ):
        if value not in known:
            raise InputError(", ".join(known), found=f"{value!r}{nearest_key(value, known)}", where=option)
    _check_new(output, "FOLDER")
    errors = Console(stderr=True)
    with status(errors, "Loading torch"):
        from contextrl.judge.llm.prompts import PromptSet
        from contextrl.miniature.learned_judge.training import SIZES, write_judge
    recipe = replace(SIZES[cast("Size", size)], seed=seed, images=cast("Images", images))
    recipe = recipe.with_facts() if facts else recipe
    recipe = recipe if steps is None else replace(recipe, steps=steps)
    fitted = write_judge(recipe, PromptSet.load(CONFIGS / "miniature" / "judge-prompts"), output, console=errors)
    weights = sum(parameter.numel() for parameter in fitted.model.parameters())
    Console().print(f"Judge of {weights:,} weights: {escape(str(output))}", soft_wrap=True, highlight=False)


@app.command()
def examine(
    folder: Annotated[Path, typer.Argument(help="Folder of a learned judge.", metavar="FOLDER")],
    output: Annotated[Path, typer.Option(help="JSON file to write.", metavar="FILE")],
    split: Annotated[str, typer.Option(help="Whose digits: dev or test.")] = "dev",
    count: Annotated[int, typer.Option(min=5, help="Labelled responses.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="Of the responses.")] = 0,
) -> None:
    """Find out what a learned judge's verdicts hang on, on responses whose correctness is known.

    By reference context: the verdict on each response, how sure the judge is and how often rightly, which steps it sees
    as they are; and how many verdicts on right responses change with the picture, the reference or the wording.
    """
    _check_examined(split, output)
    with status(Console(stderr=True), "Loading torch"):
        from contextrl.miniature.learned_judge.examination import examine as examined
        from contextrl.miniature.learned_judge.examination import parts
        from contextrl.miniature.learned_judge.judging import LearnedJudge
        from contextrl.records.files import write_atomically
    judge = LearnedJudge.load(folder, where="FOLDER")
    with progress_bar(Console(stderr=True), "Asking the judge", parts(judge)) as advance:
        found = examined(judge, cast("Split", split), count, seed=seed, advance=advance)
    write_atomically(output, json.dumps(found) + "\n")
    Console().print(f"Figures: {escape(str(output))}", soft_wrap=True, highlight=False)


@app.command()
def votes(
    folder: Annotated[Path, typer.Argument(help="Folder of a learned judge.", metavar="FOLDER")],
    output: Annotated[Path, typer.Option(help="JSON file to write.", metavar="FILE")],
    numbers: Annotated[str, typer.Option("--votes", help="Numbers of votes, by commas.", metavar="N,…")] = "2,3,5",
    first: Annotated[str, typer.Option(help="What it sees of the reference at first: none or answer.")] = "none",
    temperature: Annotated[float, typer.Option(min=0.01, help="That votes are drawn at.")] = 0.5,
    split: Annotated[str, typer.Option(help="Whose digits: dev or test.")] = "dev",
    count: Annotated[int, typer.Option(min=5, help="Labelled responses.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Of the responses and of what is drawn.")] = 0,
) -> None:
    """Find out what it gives to show a learned judge the solution only where its votes without it part.

    On responses whose correctness is known: verdicts with the solution never, always, and where votes part, for which
    responses it was shown, and what was asked. The setting is `judge.adaptive`.
    """
    _check_examined(split, output)
    if first not in ("none", "answer"):
        raise InputError("none or answer", found=repr(first), where="--first")
    if not all(part.isdecimal() and int(part) > 1 for part in numbers.split(",")):
        raise InputError("numbers from 2 on, such as 2,3,5", found=repr(numbers), where="--votes")
    with status(Console(stderr=True), "Loading torch"):
        from contextrl.miniature.learned_judge.judging import LearnedJudge
        from contextrl.miniature.learned_judge.votes import OTHERS, First, measure
        from contextrl.records.files import write_atomically
    judge = LearnedJudge.load(folder, where="FOLDER")
    wanted = [int(part) for part in numbers.split(",")]
    with progress_bar(Console(stderr=True), "Asking the judge", OTHERS + len(wanted)) as advance:
        found = measure(
            judge,
            cast("Split", split),
            count,
            votes=wanted,
            first=cast("First", first),
            temperature=temperature,
            seed=seed,
            advance=advance,
        )
    write_atomically(output, json.dumps(found) + "\n")
    Console().print(f"Figures: {escape(str(output))}", soft_wrap=True, highlight=False)


def _check_examined(split: str, output: Path) -> None:
    if split not in ("dev", "test"):
        raise InputError("dev or test", found=repr(split), where="--split")
    if not output.parent.is_dir():
        raise InputError("an existing folder", found=f"no folder {str(output.parent)!r}", where="--output")
    if output.is_dir():
        raise InputError("a file to write", found="a folder", where="--output", fix=f"Try {output / 'figures.json'}")
    if (problem := why_not_writable(output.parent)) is not None:
        raise DiskError(f"{output} cannot be written: {problem}", fix="Choose another place")


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


def _check_new(folder: Path, where: str) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("a new or empty folder", found=str(folder), where=where)
    problem = why_not_writable(folder)
    if problem is not None:
        raise DiskError(f"{folder} cannot be written: {problem}", fix="Choose another folder")


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
