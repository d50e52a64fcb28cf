"""`contextrl reproduce`: what is asked, and where the results go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from contextrl.commands.page_place import make_folder
from contextrl.commands.shipped_configs import CONFIGS
from contextrl.errors import InputError

if TYPE_CHECKING:
    from contextrl.commands.reproduction.arms import Arm, Study
    from contextrl.commands.reproduction.runner import Runner
    from contextrl.studies.cells import CellStore
    from contextrl.studies.tables import Table
    from contextrl.studies.writing import Written

#: Of the widest table that a terminal is shown; wider ones are in the page.
_COLUMNS = 6
#: Of runs in a message.
_NAMED = 5


def reproduce(
    studies: Annotated[
        list[str] | None, typer.Argument(metavar="[STUDY...]", help="By default all; see below.")
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
    """The paper's studies and those it left open, in the miniature; a killed command goes on where it was.

    The paper's: methods, ablations, judges, judge-rewards, false-positives, information-gain. Beside them: adaptive,
    documents, hacking, reachability, references, open, long-horizon, recipe, rates. Held-out images are looked at by
    methods alone. Each says what the paper claims, what is seen, and whether that agrees.
    """
    from contextrl.commands.reproduction.studies import chosen_studies
    from contextrl.studies.cells import CellStore

    chosen = chosen_studies(studies or [])
    if not (configs / "contextrl.yaml").is_file():
        raise InputError("the miniature's configurations", found=f"no {configs / 'contextrl.yaml'}", where="--configs")
    if quick:
        if not any(study.quick for study in chosen):
            found = ", ".join(study.name for study in chosen)
            raise InputError("a study that has a quick look", found=found, where="--quick", fix="Leave --quick out")
        output, seeds = output / "quick", 1
    _check_places(output, page, readme)
    store = CellStore(output)
    runner = _runner(store, configs, jobs, quick=quick)
    if only_tables:
        _say_old(runner, chosen, seeds)
    else:
        # Seed by seed: what is stopped has whole comparisons with fewer seeds.
        for seed in range(seeds):
            runner.run(_arms(chosen, seed, quick=quick), [seed])
    _write(store, chosen, seeds, page, readme)


def _check_places(output: Path, page: Path | None, readme: Path | None) -> None:
    """Found now, not after hours of training.

    Raises:
        InputError: nothing can be written there.
    """
    make_folder(output, "--output")
    if page is not None:
        if page.is_dir():
            raise InputError("a file to write", found="a folder", where="--page", fix=f"Try {page / 'reproduction.md'}")
        make_folder(page.parent, "--page")
    if readme is not None:
        text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else None
        if text is None or "<!-- reproduce: " not in text:
            found = f"no such file as {readme}" if text is None else f"none in {readme}"
            raise InputError("a file with a line <!-- reproduce: STUDY -->", found=found, where="--readme")


def _runner(store: CellStore, configs: Path, jobs: int, *, quick: bool) -> Runner:
    from contextrl.commands.reproduction.runner import QUICK_ITEMS, QUICK_STEPS, Plan, Runner
    from contextrl.commands.reproduction.studies import STUDIES

    known = tuple(STUDIES.values())
    plan = Plan(configs, known, QUICK_ITEMS, QUICK_STEPS, jobs) if quick else Plan(configs, known, jobs=jobs)
    return Runner(store, plan, Console(stderr=True))


def _say_old(runner: Runner, studies: Sequence[Study], seeds: int) -> None:
    """What is finished may be of settings that have changed since: tables without training show it all the same."""
    from contextrl.commands.reproduction.studies import arms_of

    old = [
        f"{arm.name} (seed {seed})"
        for arm in arms_of(studies)
        for seed in range(seeds if arm.seeded else 1)
        if runner.store.read(arm.name, seed) is not None and runner.finished(arm, seed) is None
    ]
    if old:
        named = ", ".join(old[:_NAMED]) + (f" and {len(old) - _NAMED} more" if len(old) > _NAMED else "")
        said = f"Shown though this version would make them anew, without --only-tables: {named}"
        runner.console.print(escape(said), style="yellow", highlight=False)


def _write(store: CellStore, studies: Sequence[Study], seeds: int, page: Path | None, readme: Path | None) -> None:
    from contextrl.commands.reproduction.pages import quote_tables, write_markdown, write_results, written

    results = [result for study in studies if (result := written(store, study, range(seeds))) is not None]
    if not results:
        # An earlier page stays as it is.
        raise InputError("finished runs of these studies", found="none", where=str(store.folder), fix="See --output")
    console = Console()
    for result in results:
        _print(console, result)
    for path in write_results(store.folder, results):
        console.print(f"Written: {escape(str(path))}", soft_wrap=True)
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        write_markdown(page, results)
    if readme is not None:
        quote_tables(readme, results)


def _arms(studies: Sequence[Study], seed: int, *, quick: bool) -> list[Arm]:
    """What is trained with a seed: studies that need fewer seeds have none of it."""
    from contextrl.commands.reproduction.studies import arms_of

    wanted_of = {arm: max(study.seeds_of(arm) for study in studies if arm in study.arms) for arm in arms_of(studies)}
    arms = [arm for arm, seeds in wanted_of.items() if seed < seeds]
    wanted = {name for study in studies for name in study.quick}
    return [arm for arm in arms if arm.name in wanted] if quick else arms


def _print(console: Console, study: Written) -> None:
    console.print(f"\n[bold]{escape(study.title)}[/]")
    for table in study.result.tables:
        shown = _shown(table)
        if console.measure(shown).minimum <= console.width and len(table.columns) <= _COLUMNS:
            console.print(shown)
    for finding in study.result.findings:
        console.print(f"[bold]{finding.verdict}[/]: {escape(finding.sees)} {escape(finding.why)}", highlight=False)
    for note in study.result.notes:
        console.print(escape(note), highlight=False)


def _shown(table: Table) -> Any:
    from rich.table import Table as RichTable

    shown = RichTable(title=escape(table.title), caption=escape(table.note))
    for number, column in enumerate(table.columns):
        shown.add_column(escape(column), justify="left" if number == 0 else "right")
    for row in table.rows:
        shown.add_row(*map(escape, row))
    return shown
