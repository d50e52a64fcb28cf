"""`contextrl report`: runs into a page, and figures for papers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from contextrl.commands.config import settings_of_the_method
from contextrl.commands.page_place import check_page_place, make_folder
from contextrl.console import progress_bar
from contextrl.errors import InputError
from contextrl.plugins import PATTERNS
from contextrl.records.files import write_atomically
from contextrl.records.run_data import RunData, read_run, with_names_of_their_own
from contextrl.report.figures import write_figures
from contextrl.report.gallery import MEGABYTES
from contextrl.report.page import build_page
from contextrl.report.patterns import RULES, Rule
from contextrl.report.text import visible

#: Damaged lines that are named one by one.
MOST_NAMED = 5


def write_page(
    paths: Sequence[Path],
    output: Path | None = None,
    figures: Path | None = None,
    megabytes: float = MEGABYTES,
    console: Console | None = None,
) -> Path:
    """Write a page of one run, or of several side by side.

    Args:
        output: by default RUN/report.html for one run, ./report.html for several.
        figures: a folder for SVG and PNG files of every chart, if they are wanted.
        megabytes: most of the page; groups and pictures are chosen to fit.

    Returns:
        The page's path.

    Raises:
        InputError: a run is not there, or a place to write to is not a place for it.
    """
    console = console or Console(stderr=True)
    runs = with_names_of_their_own([read_run(path) for path in distinct(paths)])
    target = output or (runs[0].path if len(runs) == 1 else Path()) / "report.html"
    check_page_place(target, "--output", "report.html", named=output is not None)
    if figures is not None:
        make_folder(figures, "--figures")
    with progress_bar(console, "Reading groups", sum(run.count_groups() for run in runs)) as advance:
        page = build_page(
            runs,
            megabytes=megabytes,
            method_settings=settings_of_the_method,
            advance=partial(advance, 1),
            rules=audit_rules(),
        )
    try:
        write_atomically(target, page.html)
    except OSError as error:
        raise InputError("a place for the page", found=f"{target}: {error.strerror}", where="--output") from error
    for run in runs:
        if run.damaged:
            console.print(damage_of(run), soft_wrap=True, markup=False, highlight=False)
    if figures is not None:
        write_figures(page.charts, figures, console)
    return target


def audit_rules() -> list[Rule]:
    """Patterns of responses that an audit looks for: the report's own, and plug-ins'."""
    return [*RULES, *(rule for rules in PATTERNS.values() for rule in rules())]


def damage_of(run: RunData) -> str:
    """What of a run could not be read, in one line."""
    more = f" and {len(run.damaged) - MOST_NAMED} more" if len(run.damaged) > MOST_NAMED else ""
    return visible(f"Not readable in {run.name}: {', '.join(run.damaged[:MOST_NAMED])}{more}. It is left out.")


def distinct(paths: Sequence[Path]) -> list[Path]:
    """A run that is named twice is one run."""
    return list({os.path.realpath(path): path for path in paths}.values())
