"""`contextrl report`: what is asked of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from contextrl.errors import InputError


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            help="The page; by default RUN/report.html, and report.html here for several runs.", metavar="FILE"
        ),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Also write every chart as SVG and PNG into this folder.", metavar="DIR")
    ] = None,
    megabytes: Annotated[
        int, typer.Option(min=3, help="Most of the page; groups and pictures are chosen to fit.")
    ] = 10,
    follow: Annotated[
        bool, typer.Option("--follow", help="Serve a page that follows the run while it goes, until Ctrl-C.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Of --follow; by default 8765, or a free one.")
    ] = None,
    text: Annotated[
        bool, typer.Option("--text", help="Page through the groups in the terminal; elsewhere print the first ones.")
    ] = False,
    only: Annotated[
        str, typer.Option(help="Of --text: groups that are recovered, false_positive, unreachable, ...", metavar="KIND")
    ] = "",
    groups: Annotated[int, typer.Option(min=1, help="Of --text: most groups that are printed.")] = 20,
) -> None:
    """Show a run, or several side by side, in one HTML file that needs no network and no server."""
    chosen = [name for name, value in (("--follow", follow), ("--text", text)) if value]
    written = [name for name, value in (("--output", output), ("--figures", figures)) if value is not None]
    if len(chosen) > 1 or (chosen and written):
        raise InputError(f"{chosen[0]} alone", found=f"{(chosen[1:] + written)[0]} too", where=chosen[0])
    if chosen:
        from contextrl.commands import follow as shown

        if follow:
            shown.follow(runs, megabytes, port, Console())
        else:
            shown.show_groups(runs, only, groups, Console())
        return
    from contextrl.commands.report import write_page
    from contextrl.report.text import visible

    console = Console()
    page = write_page(runs, output, figures, megabytes, Console(stderr=True))
    console.print(f"Report: {escape(visible(str(page)))}", soft_wrap=True)
    if figures is not None:
        console.print(f"Figures: {escape(visible(str(figures)))}", soft_wrap=True)
