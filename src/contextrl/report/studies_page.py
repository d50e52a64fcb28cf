"""A page of studies: what is claimed, what is seen, the figure and the tables behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from contextrl.report.shell import chart_data, environment, frame_of, made_visible
from contextrl.report.specs import Chart

_SCRIPTS = ("charts.js", "studies.js")


@dataclass(frozen=True)
class ShownTable:
    """Text cells; the first column names the rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class ShownFinding:
    """A claim and what became of it: `agrees`, `disagrees`, `cannot be told` or `not claimed`."""

    verdict: str
    sees: str
    why: str = ""


@dataclass(frozen=True)
class ShownStudy:
    """A study on the page.

    Attributes:
        name: of its place on the page.
        claim: what the paper says.
        command: that makes it.
        facts: how many seeds.
    """

    name: str
    title: str
    claim: str
    command: str
    facts: str
    findings: Sequence[ShownFinding]
    notes: Sequence[str]
    tables: Sequence[ShownTable]
    chart: Chart | None = None


def build_studies_page(
    studies: Sequence[ShownStudy], *, title: str, facts: str, how: str = "", now: datetime | None = None
) -> str:
    """The page's HTML.

    Args:
        facts: a line under the title.
        how: how verdicts come about; under the table of findings.
    """
    charts = {study.name: made_visible(study.chart) for study in studies if study.chart is not None}
    template = environment().get_template("studies.html.j2")
    return template.render(
        **frame_of(_SCRIPTS),
        studies=studies,
        title=title,
        facts=facts,
        how=how,
        charts=charts,
        written=f"{now or datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        chart_data=chart_data(charts.values()),
    )
