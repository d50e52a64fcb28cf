"""What a build says in the terminal when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contextrl.building.step_files import FAILED

#: Reasons and classes that a table names; the manifest has all.
_MOST = 4


def show_built(manifest: Mapping[str, Any], out: Path, console: Console) -> None:
    """The funnel of the steps, the balance where there is one, and where the set is."""
    console.print(_funnel(manifest["steps"]))
    for step in manifest["steps"]:
        if table := step["notes"].get("table"):
            console.print(_balance(table))
    if failed := {step["name"]: step["notes"][FAILED] for step in manifest["steps"] if step["notes"].get(FAILED)}:
        steps = ", ".join(f"{name} {number:,}" for name, number in failed.items())
        console.print(
            f"{sum(failed.values()):,} requests to models failed for good ({steps}), and the set was made without what "
            "they were to say. The same command asks them again.",
            soft_wrap=True,
        )
    there = f"{_many(manifest['rows'], 'row')} and {_many(manifest['pictures']['files'], 'picture')}"
    console.print(f"{there}: {escape(str(out))}", soft_wrap=True)
    named = escape(quote(str(out)))
    console.print(f"Look at them: contextrl data show {named}", soft_wrap=True, highlight=False)
    console.print(f"Train on them: contextrl init --data {named}", soft_wrap=True, highlight=False)


def _funnel(steps: list[Mapping[str, Any]]) -> Table:
    table = Table(title="Steps")
    for name, justify in (("step", "left"), ("in", "right"), ("out", "right"), ("removed because", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for step in steps:
        table.add_row(step["name"], f"{step['taken']:,}", f"{step['given']:,}", _reasons(step["dropped"]))
    return table


def _reasons(dropped: Mapping[str, int]) -> str:
    """The commonest first."""
    ordered = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"{count:,} {escape(reason)}" for reason, count in ordered[:_MOST]]
    if len(ordered) > _MOST:
        lines.append(f"{sum(count for _, count in ordered[_MOST:]):,} for {len(ordered) - _MOST} other reasons")
    return "\n".join(lines)


def _balance(rows: list[Mapping[str, Any]]) -> Table:
    """Groups and their classes of the first feature: the whole tree is in the manifest and the card."""
    table = Table(title="Balance")
    for name, justify in (
        ("group", "left"),
        ("class", "left"),
        ("asked", "right"),
        ("there", "right"),
        ("taken", "right"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in rows:
        if len(row["classes"]) < 2:
            classes = ", ".join(f"{feature} {value}" for feature, value in row["classes"].items())
            figures = (f"{row[name]:,}" for name in ("asked", "available", "taken"))
            table.add_row(escape(row["group"]), escape(classes or "all"), *figures)
    return table


def _many(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
