"""Results of studies as files: JSON, a page, Markdown with figures, tables in a file that quotes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from contextrl.commands.reproduction.arms import Study
from contextrl.errors import InputError
from contextrl.records.files import write_atomically
from contextrl.report.figures import for_paper
from contextrl.report.palette import cycled
from contextrl.report.specs import VEGA_LITE, Chart, Look, Spec, dots, lines, looks_of, series_names
from contextrl.report.studies_page import ShownFinding, ShownStudy, ShownTable, build_studies_page
from contextrl.studies.cells import CellStore
from contextrl.studies.study import Figure, Found, Result
from contextrl.studies.tables import quote
from contextrl.studies.writing import HOW, Written, as_json, markdown, seeds_said

JSON, PAGE = "reproduction.json", "reproduction.html"
_TITLE = "The paper's studies in the miniature"


def written(store: CellStore, study: Study, seeds: Sequence[int]) -> Written | None:
    """A study's result without tables that nothing is in; None where nothing but base policies is finished."""
    found = Found(store, seeds, study.labels)
    if not any(found.cells(arm.name) for arm in study.arms if arm.seeded):
        return None
    counts = {arm.label: len(found.cells(arm.name)) for arm in study.arms if arm.seeded}
    wanted = {arm.label: min(len(seeds), study.seeds_of(arm)) for arm in study.arms if arm.seeded}
    command = f"contextrl reproduce {study.name} --seeds {len(seeds)}"
    said, result = seeds_said(counts, wanted), _filled(_result(study, found))
    if study.setup:
        result = replace(result, notes=[*result.notes, study.setup])
    return Written(study.name, study.title, study.claim, command, said, result)


def _result(study: Study, found: Found) -> Result:
    """What a study reads from its cells.

    Raises:
        InputError: what probes have left in a cell is of another form than what this version's probes leave.
    """
    try:
        return study.result(found)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        where = f"{found.store.folder / 'cells'}, study {study.name}"
        fix = "Remove the cells of its arms that this version has not made"
        raise InputError("measures of this version", found=repr(error)[:160], where=where, fix=fix) from error


def _filled(result: Result) -> Result:
    return replace(result, tables=[table for table in result.tables if table.rows])


def write_results(output: Path, studies: Sequence[Written]) -> list[Path]:
    """`reproduction.json` and `reproduction.html`; the paths."""
    output.mkdir(parents=True, exist_ok=True)
    data, page = output / JSON, output / PAGE
    write_atomically(data, json.dumps(as_json(studies), indent=1) + "\n")
    facts = "Tiny models on handwritten digits: what a built situation shows and what it cannot"
    write_atomically(page, build_studies_page([_shown(study) for study in studies], title=_TITLE, facts=facts, how=HOW))
    return [data, page]


def write_markdown(page: Path, studies: Sequence[Written]) -> None:
    """The page, and beside it a folder of its name with a figure of each study."""
    import vl_convert

    folder = page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    figures = {}
    for study in studies:
        if study.result.figure is None or not study.result.figure.rows:
            continue
        chart = chart_of(study.name, study.result.figure)
        svg = vl_convert.vegalite_to_svg(for_paper(chart.spec), vl_version=VEGA_LITE)
        write_atomically(folder / f"{study.name}.svg", svg)
        figures[study.name] = f"{folder.name}/{study.name}.svg"
    write_atomically(page, markdown(_TITLE, studies, figures))


def quote_tables(path: Path, studies: Sequence[Written]) -> None:
    """Each study's tables between its markers in a file, where it has such."""
    text = path.read_text(encoding="utf-8")
    for study in studies:
        if f"<!-- reproduce: {study.name} -->" in text:
            quote(path, study.name, "\n".join(table.markdown() for table in study.result.tables))


def chart_of(name: str, figure: Figure) -> Chart:
    """The figure of a study as a chart of the page."""
    rows = [dict(row) for row in figure.rows]
    names = series_names(rows)
    if figure.kind == "dots":
        looks = [Look(*look) for look in zip(names, cycled(len(names)), strict=True)]
        spec: Spec = dots(rows, figure.value, looks, figure.before)
    else:
        looks = looks_of(names, cycled(len(names)))
        spec = _over(figure.x, lines(rows, figure.value, percent=figure.percent, raw=False, looks=looks))
    return Chart(name, figure.title, figure.caption, spec, rows, wide=True)


def _over(x: str, spec: Spec) -> Spec:
    """Lines over something else than steps, such as shares or numbers of samples."""
    encoding: dict[str, Any] = spec["encoding"]["x"]
    axis = encoding["axis"] if x == "step" else {"grid": False}
    return spec | {"encoding": {"x": encoding | {"title": x, "axis": axis}}}


def _shown(study: Written) -> ShownStudy:
    result = study.result
    chart = chart_of(study.name, result.figure) if result.figure is not None and result.figure.rows else None
    return ShownStudy(
        study.name,
        study.title,
        study.claim,
        study.command,
        study.seeds,
        [ShownFinding(finding.verdict, finding.sees, finding.why) for finding in result.findings],
        result.notes,
        [ShownTable(table.title, table.columns, table.rows, table.note) for table in result.tables],
        chart,
    )
