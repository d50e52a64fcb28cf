"""`contextrl report`: runs into a page, and figures for papers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from contextrl.errors import InputError
from contextrl.report.figures import write_figures
from contextrl.report.page import build_page
from contextrl.report.reading import read_run
from contextrl.run_directory import write_atomically


def write_report(
    paths: Sequence[Path], output: Path | None, figures: Path | None, console: Console | None = None
) -> Path:
    """Write a page of one run, or of several side by side.

    Args:
        output: by default RUN/report.html for one run, ./report.html for several.
        figures: a folder for SVG and PNG files of every chart, if they are wanted.

    Returns:
        The page's path.

    Raises:
        InputError: a run is not there, or a place to write to is not a place for it.
    """
    console = console or Console(stderr=True)
    runs = [read_run(path) for path in _distinct(paths)]
    target = output or (runs[0].path if len(runs) == 1 else Path()) / "report.html"
    if target.is_dir():
        raise InputError("a file to write", found="a folder", where="--output", fix=f"Try {target / 'report.html'}")
    if figures is not None and figures.exists() and not figures.is_dir():
        raise InputError("a folder", found="a file", where="--figures")
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        reading = bar.add_task("Reading groups", total=sum(run.count_groups() for run in runs))
        page = build_page(runs, advance=partial(bar.advance, reading))
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, page.html)
    if figures is not None:
        write_figures(page.charts, figures, console)
    return target


def _distinct(paths: Sequence[Path]) -> list[Path]:
    """A run that is named twice is one run."""
    return list({path.resolve(): path for path in paths}.values())
