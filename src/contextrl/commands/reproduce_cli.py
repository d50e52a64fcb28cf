"""`contextrl reproduce`: what is asked, and the tables that come of it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from contextrl.commands.shipped_configs import CONFIGS
from contextrl.errors import InputError

if TYPE_CHECKING:
    from contextrl.commands.arms import Study
    from contextrl.studies.cells import CellStore
    from contextrl.studies.figures import Comparison
    from contextrl.studies.tables import Table


def reproduce(
    studies: Annotated[
        list[str] | None, typer.Argument(metavar="[STUDY...]", help="methods, ablations, rates; by default all.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0 to N - 1 of every arm.", metavar="N")] = 5,
    output: Annotated[
        Path, typer.Option(help="Folder of finished runs' figures and of reproduction.json.", metavar="DIR")
    ] = Path("reproduction"),
    configs: Annotated[
        Path,
        typer.Option(
            help="Folder of the miniature's configurations.", metavar="DIR", show_default="those of the package"
        ),
    ] = CONFIGS / "miniature",
    quick: Annotated[bool, typer.Option("--quick", help="One seed, 20 steps, 200 items: a look, no result.")] = False,
    jobs: Annotated[
        int, typer.Option(min=1, help="Runs at once, one thread each.", show_default="processors of the machine")
    ] = os.cpu_count() or 1,
    page: Annotated[
        Path | None, typer.Option(help="Also write the tables to this Markdown file.", metavar="FILE")
    ] = None,
    readme: Annotated[
        Path | None, typer.Option(help="Put the tables between the markers of this file.", metavar="FILE")
    ] = None,
    only_tables: Annotated[
        bool, typer.Option("--only-tables", help="Train nothing: tables of what is finished.")
    ] = False,
) -> None:
    """Train and compare the paper's methods and ablations in the miniature; a killed command goes on where it was.

    methods: held-out images, with the pictures blanked as a control. ablations: development images. rates: development
    images, the main methods at two and four times the learning rate.
    """
    from contextrl.commands.reproduce import QUICK_ITEMS, QUICK_STEPS, Plan, Runner, arms_of, chosen_studies
    from contextrl.studies.cells import CellStore

    chosen = chosen_studies(studies or [])
    if not (configs / "contextrl.yaml").is_file():
        raise InputError("the miniature's configurations", found=f"no {configs / 'contextrl.yaml'}", where="--configs")
    if quick:
        output, seeds = output / "quick", 1
    plan = Plan(configs, QUICK_ITEMS, QUICK_STEPS, jobs) if quick else Plan(configs, jobs=jobs)
    store = CellStore(output)
    if not only_tables:
        Runner(store, plan, Console(stderr=True)).run(arms_of(chosen), range(seeds))
    console = Console()
    texts: dict[str, str] = {}
    summary: dict[str, Any] = {}
    for study in chosen:
        tables, differences = study_tables(store, study, range(seeds))
        texts[study] = "\n".join(table.markdown() for table in tables)
        summary[study] = [asdict(comparison) for comparison in differences]
        for table in tables:
            console.print(_shown(table))
    output.mkdir(parents=True, exist_ok=True)
    (output / "reproduction.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    _write_pages(texts, page, readme)
    console.print(f"Figures: {escape(str(output / 'reproduction.json'))}", soft_wrap=True)


def study_tables(store: CellStore, study: Study, seeds: range) -> tuple[list[Table], list[Comparison]]:
    """The tables of one study, and ContextRL's comparisons with its other arms."""
    from contextrl.commands.arms import ARMS, BASE, BLANK, CONTEXTRL, DEV, TEST
    from contextrl.commands.reproduce import cells_by_label
    from contextrl.miniature.classes import FAMILIARITIES
    from contextrl.studies.tables import accuracy_table, comparison_table, comparisons

    arms = cells_by_label(store, study, seeds)
    benchmark, blank = (TEST, BLANK) if study == "methods" else (DEV, None)
    images = "held-out images" if study == "methods" else "development images"
    title = f"Accuracy after training, {images}"
    tables = [accuracy_table(store, arms, benchmark, title=title, classes=FAMILIARITIES, blank=blank)]
    others = {label: cells for label, cells in arms.items() if label not in (BASE.label, CONTEXTRL.label)}
    if study == "rates":
        return tables, []  # each rate's own ContextRL is beside it
    differences = comparisons(store, arms.get(CONTEXTRL.label, []), others, benchmark, ("misconceived",))
    # The difference of one seed is in the JSON; in a table it would look like a finding.
    if repeated := [pair for pair in differences if pair.difference.n > 1]:
        labels = {arm.name: arm.label for arm in ARMS[study]}
        tables.append(comparison_table(repeated, labels, title="ContextRL less the others"))
    return tables, differences


def _write_pages(texts: dict[str, str], page: Path | None, readme: Path | None) -> None:
    from contextrl.studies.tables import quote

    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        head = "# The paper's studies in the miniature\n\nWritten by `contextrl reproduce`, never by hand.\n"
        parts = [f"\n## {study.capitalize()}\n\n{text}" for study, text in texts.items()]
        page.write_text(head + "".join(parts), encoding="utf-8")
    if readme is not None:
        for study, text in texts.items():
            quote(readme, study, text)


def _shown(table: Table) -> Any:
    from rich.table import Table as RichTable

    shown = RichTable(title=escape(table.title), caption=escape(table.note))
    for number, column in enumerate(table.columns):
        shown.add_column(escape(column), justify="left" if number == 0 else "right")
    for row in table.rows:
        shown.add_row(*map(escape, row))
    return shown
