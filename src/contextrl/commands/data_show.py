"""`contextrl data show`: a set's rows into a page, and figures for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from contextrl.commands.data_gather import Gathered, ShowOptions, gather
from contextrl.commands.data_show_view import view_of, wrong_with
from contextrl.commands.page_place import check_page_place
from contextrl.console import status
from contextrl.data.examination import Reading
from contextrl.records.files import write_atomically
from contextrl.report.set_page import build_set_page


@dataclass(frozen=True)
class Shown:
    """What was made.

    Attributes:
        page: None where none was wanted.
        figures: for programs.
        notices: what is wrong with the rows, a line each.
    """

    page: Path | None
    figures: dict[str, Any]
    notices: Sequence[str]


def show_set(options: ShowOptions, console: Console) -> Shown:
    """Look at a set.

    Raises:
        InputError: there are no rows, or a setting is wrong; before rows are read where that can be known.
        DiskError: the disk would not take the page.
    """
    target = _target(options) if options.page else None
    gathered = gather(options, console)
    wrong = wrong_with(gathered, options.reading)
    if target is not None:
        with status(console, "Writing the page"):
            page = build_set_page(view_of(gathered, options))
            write_atomically(target, page)
    return Shown(target, figures_of(gathered), [said for said, _ in wrong])


def _target(options: ShowOptions) -> Path:
    """Where the page goes; refused now, not after everything has been read."""
    path = options.out or _beside(options.reading)
    check_page_place(path, "--out", "show.html", named=options.out is not None)
    return path


def _beside(reading: Reading) -> Path:
    source = reading.source
    if source.path.is_dir():
        return source.path / "show.html"
    if source.is_hub or source.is_pattern:
        name = "".join(character if character.isalnum() or character in "._-" else "-" for character in source.spec)
        return Path(f"{name.strip('-.') or 'rows'}.show.html")
    return source.path.with_name(f"{source.path.stem}.show.html")


def figures_of(gathered: Gathered) -> dict[str, Any]:
    """The figures as JSON has them."""
    pairs, story = gathered.pairs, gathered.story
    looked = "by the build" if pairs.removed is not None else None if pairs.compared is None else "among the rows"
    figures = gathered.figures.as_json()
    figures["near_duplicates"] = {
        "looked_for": looked,
        "rows_compared": pairs.compared,
        "count": None if looked is None else pairs.total,
        "reasons": dict(pairs.reasons),
    }
    if story is None:
        return figures | {"build": None}
    steps = [
        {"name": step.name, "in": step.taken, "out": step.given, "removed": dict(step.dropped)} for step in story.steps
    ]
    balance = [
        {"group": row.group, "classes": row.classes, "asked": row.asked, "there": row.there, "taken": row.taken}
        for row in story.balance
    ]
    build = {"name": story.name, "seed": story.seed, "rows": story.rows, "steps": steps, "balance": balance}
    return figures | {"build": build}
