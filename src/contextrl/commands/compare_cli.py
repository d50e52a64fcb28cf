"""`contextrl compare`: models on the same benchmarks, question by question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich.console import Console
from rich.markup import escape

from contextrl.errors import InputError

if TYPE_CHECKING:
    from contextrl.evaluation.benchmarks.outcome import Outcome


def compare(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="A B [C ...]",
            help="Folders that contextrl eval wrote, or runs that have one; the first is the baseline. NAME=FOLDER "
            "gives a name.",
        ),
    ],
    protocol: Annotated[
        str | None,
        typer.Option(help="official or vlmevalkit, where folders hold both.", show_default=False),
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(help="robust, to compare what responses finally say.", show_default="the protocol's own"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the resamples.")] = 0,
    paper: Annotated[bool, typer.Option(help="Show the paper's rows beside.")] = True,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare models on benchmarks: table 1's layout with intervals; a difference is marked only where it holds.

    Differences are paired by question, over the questions that all models have; p-values know which questions belong
    together and how many differences are looked at.
    """
    from contextrl.commands.compare_table import comparison_json, comparison_markdown, comparison_tables, remarks
    from contextrl.evaluation.comparison import ResultSet
    from contextrl.evaluation.comparison import compare as compared

    if len(results) < 2:
        raise InputError("two folders of results or more", found=str(len(results)), where="contextrl compare")
    sets = []
    for text in results:
        label, folder = _named(text)
        sets.append(ResultSet(label, _chosen(folder, protocol, scorer)))
    found = compared(sets, seed=seed)
    if as_json:
        typer.echo(json.dumps(comparison_json(found, paper=paper), indent=2, ensure_ascii=False))
    elif markdown:
        typer.echo(comparison_markdown(found, paper=paper))
    else:
        console = Console()
        for table in comparison_tables(found, width=console.width, paper=paper):
            console.print(table)
        for line in remarks(found, paper=paper):
            console.print(escape(line), highlight=False)


def _named(text: str) -> tuple[str, Path]:
    """(name, folder) of `NAME=FOLDER`, or of a folder that has its own name."""
    label, separator, path = text.partition("=")
    folder = Path(path if separator and not Path(text).exists() else text)
    if not folder.is_dir():
        raise InputError("a folder that contextrl eval wrote", found="no such folder", where=str(folder))
    if (folder / "benchmarks").is_dir():
        folder = folder / "benchmarks"
    shown = folder.parent.name if folder.name == "benchmarks" else folder.name
    return (label if separator and not Path(text).exists() else shown or str(folder)), folder


def _chosen(folder: Path, protocol: str | None, scorer: str | None) -> dict[str, Outcome]:
    """By benchmark, the marks of one protocol and scorer."""
    from contextrl.evaluation.benchmarks.folder import ResultFolder
    from contextrl.evaluation.benchmarks.items import Protocol, Scorer

    for value, known, where in ((protocol, Protocol, "--protocol"), (scorer, Scorer, "--scorer")):
        if value is not None and value not in get_args(known):
            raise InputError(" or ".join(get_args(known)), found=repr(value), where=where)
    chosen: dict[str, Outcome] = {}
    for (name, own, read), outcome in ResultFolder(folder).outcomes().items():
        if (protocol is not None and own != protocol) or read != (scorer or own):
            continue
        if name in chosen:
            found = f"{chosen[name].protocol} and {own} of {name}"
            raise InputError("marks of one protocol", found=found, where=str(folder), fix="Choose with --protocol")
        chosen[name] = outcome
    if not chosen:
        wanted = " ".join(filter(None, (protocol, scorer)))
        raise InputError(
            f"marks that contextrl eval wrote{f' ({wanted})' if wanted else ''}", found="none", where=str(folder)
        )
    return chosen
