"""What `contextrl data validate` says of a file's rows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from contextrl.data.columns import typed_columns
from contextrl.data.examination import Findings, Reading
from contextrl.data.proposal import likely_columns
from contextrl.errors import InputError
from contextrl.report.text import visible

#: How the kind of a fault begins that a field is not there.
_ABSENT = "a field '"


def findings_as_json(findings: Findings, fix_to: Path | None) -> dict[str, Any]:
    """Counts and faults for programs."""
    kinds = [{"kind": name, "count": kind.count, "first": kind.first} for name, kind in findings.by_count]
    written = None if fix_to is None or not findings.usable else str(fix_to)
    counts = {"rows": findings.rows, "usable": findings.usable, "with_documents": findings.with_documents}
    return {**counts, "faults": kinds, "written": written}


def show_findings(findings: Findings, fix_to: Path | None, reading: Reading) -> None:
    """Print faults by kind, the commonest first, then what is usable and what to do next."""
    console = Console()
    for name, kind in findings.by_count:
        count = f"{kind.count:,} x expected {escape(visible(name))}"
        console.print(f"[bold]{count}[/bold]", soft_wrap=True, highlight=False)
        for line in _folded(kind.first):
            console.print(f"  {escape(visible(line))}", soft_wrap=True, highlight=False)
        if kind.count > len(kind.first):
            console.print("  ...", highlight=False)
    console.print(f"{findings.usable:,} of {findings.rows:,} rows are usable.", highlight=False)
    if findings.with_documents:
        every = "" if findings.with_documents == findings.usable else "; judge.context: documents needs them in all"
        console.print(f"{findings.with_documents:,} of these have documents{every}.", highlight=False)
    if options := _proposed(findings, reading):
        console.print("Columns seem to have other names. Try:", highlight=False)
        said = f"  contextrl data validate {shlex.quote(reading.spec)} {options}"
        console.print(escape(visible(said)), soft_wrap=True, highlight=False)
    if fix_to is None:
        return
    if not findings.usable:
        console.print(f"Nothing is written to {escape(visible(str(fix_to)))}.", soft_wrap=True, highlight=False)
        return
    console.print(f"Usable rows: {escape(visible(str(fix_to)))}", soft_wrap=True)
    if reading.columns is not None:
        said = "They have their columns' names as before: read them with the same --column, or data.columns."
        console.print(said, soft_wrap=True)


def _folded(lines: Sequence[str]) -> list[str]:
    """Lines; of such as say the same of several rows the first, and the places of the others."""
    folded: list[str] = []
    for said, same in groupby(lines, key=lambda line: line.partition(": expected ")[2]):
        first, *others = same
        folded.append(first)
        if others and said:
            file = f"{first.partition(', ')[0]}, "
            places = (line.partition(": expected ")[0].removeprefix(file) for line in others)
            folded.append(f"the same in {'; '.join(places)}")
        else:
            folded += others
    return folded


def _proposed(findings: Findings, reading: Reading) -> str:
    """Options that name columns, where most rows lack a field and columns look like it; else empty."""
    lacking = [
        name.removeprefix(_ABSENT).partition("'")[0]
        for name, kind in findings.kinds.items()
        if name.startswith(_ABSENT) and kind.count * 2 > findings.rows
    ]
    if not lacking or reading.columns is not None:
        return ""
    try:
        found = likely_columns(reading.spec, reading.split)
    except InputError:
        return ""
    return typed_columns({name: found[name] for name in found if name in (*lacking, "id")})
