"""`contextrl init`: a configuration that runs, from the user's own rows or from one that the package carries."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contextrl.commands import row_parameters as p
from contextrl.commands.program import program
from contextrl.console import status
from contextrl.errors import InputError

_ARGUMENTS = "[NAME] [OUT.yaml]"


def init(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar=_ARGUMENTS, help="A shipped configuration to copy, unless --data is given, and the file to write."
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Your rows: a file, a folder or a hub id.", metavar="FILE", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The policy: a folder or a hub id.", metavar="ID|FOLDER", show_default=False)
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="An OpenAI-compatible server; without one, rules compare answers.", metavar="URL"),
    ] = None,
    judge_model: Annotated[
        str | None, typer.Option(help="The judge's name there, if the server offers several.", metavar="NAME")
    ] = None,
    column: p.Column = None,
    list_: Annotated[bool, typer.Option("--list", help="Name the shipped configurations.")] = False,
) -> None:
    """Write a configuration that runs: from a look at your rows, or a copy of a shipped one."""
    given, console = list(names or ()), Console()
    if list_:
        console.print(shipped_table())
    elif data is not None:
        _from_data(given, data, model, judge, judge_model, column or [], console)
    elif model or judge or judge_model or column:
        raise InputError("--data FILE beside these options", found="none", where="init")
    elif not given:
        raise InputError(
            "--data FILE, or the name of a shipped configuration",
            found="neither",
            where="init",
            fix="contextrl init --list names them; contextrl init miniature copies the smallest",
        )
    else:
        _copied(given, console)


def shipped_table() -> Table:
    from contextrl.commands.shipped_configs import shipped_configs, shipped_files, what_it_is

    table = Table(title="Shipped configurations: contextrl init NAME [OUT.yaml]")
    table.add_column("name", no_wrap=True)
    table.add_column("what it is")
    for listed in (shipped_configs(), shipped_files()):
        for name, path in listed.items():
            table.add_row(name, escape(what_it_is(path)))
        table.add_section()
    return table


def _copied(given: list[str], console: Console) -> None:
    from contextrl.commands.shipped_configs import shipped_config, shipped_files

    source = shipped_config(given[0])
    is_run = source not in shipped_files().values()
    name = given[0].strip("/").replace("/", "-")
    out = _free(given[1:], name) if is_run else _free(given[1:], Path(name).stem, (source.suffix,))
    _write(out, source.read_text(encoding="utf-8"))
    console.print(f"Wrote {escape(str(out))}", soft_wrap=True)
    if is_run:
        _say_next(out, console)
    else:
        console.print("Next: its first lines say how it is used", soft_wrap=True)


def _from_data(
    given: list[str],
    data: str,
    model: str | None,
    judge: str | None,
    judge_model: str | None,
    column: list[str],
    console: Console,
) -> None:
    out = _free(given, Path(data.partition(":")[0].rstrip("/")).stem)
    from contextrl.commands.first_config import Asked, first_config

    with status(console, "Looking at the rows"):
        first = first_config(Asked(data, model, judge, judge_model, column), out)
    _write(out, first.text)
    console.print(f"Wrote {escape(str(out))}: {escape(first.summary)}", soft_wrap=True)
    for note in first.notes:
        console.print(f"Note: {escape(note)}.", soft_wrap=True)
    _say_next(out, console)


def _free(given: list[str], name: str, suffixes: tuple[str, ...] = (".yaml", ".yml")) -> Path:
    """The file to write.

    Raises:
        InputError: it is there already, or is no YAML file.
    """
    if len(given) > 1:
        raise InputError("one file to write", found=" ".join(given), where="init")
    out = Path(given[0]) if given else Path(f"{name.removesuffix('.yaml')}{suffixes[0]}")
    if out.suffix not in suffixes:
        raise InputError(f"a file ending in {suffixes[0]}", found=str(out), where="init")
    if out.exists() or out.is_symlink():
        raise InputError("a new file", found="one that is there", where=str(out), fix="Name another, or move it away")
    return out


def _write(out: Path, text: str) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError("a place to write to", found=error.strerror or str(error), where=str(out)) from error


def _say_next(out: Path, console: Console) -> None:
    check, train = (escape(shlex.join([*program(), verb, str(out)])) for verb in ("check", "train"))
    console.print(f"Next: {check}, then {train}", soft_wrap=True)
