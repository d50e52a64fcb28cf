"""A page on a set of rows: samples, what the rows are like, how they came about, what was found twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

from contextrl.records.example import ImageHandle
from contextrl.report.outcome import Figure
from contextrl.report.pictures import Pictures, fitted_pictures
from contextrl.report.shell import chart_data, environment, frame_of, made_visible
from contextrl.report.specs import Chart
from contextrl.report.text import for_page, visible_tree

#: Bytes of pictures in a page.
PICTURE_BYTES = 8_000_000
_SCRIPTS = ("charts.js", "samples.js")


@dataclass(frozen=True)
class ShownRow:
    """A row as it is shown.

    Attributes:
        documents: texts that a judge may see in place of the solution.
        pictures: handles by names that are the same for the same picture, in order.
        facts: what else is known of it, by name.
    """

    id: str
    question: str
    answer: str
    solution: str = ""
    source: str = ""
    task: str = ""
    answer_type: str = ""
    pictures: Sequence[tuple[str, ImageHandle]] = ()
    facts: Sequence[tuple[str, str]] = ()
    documents: Sequence[str] = ()


@dataclass(frozen=True)
class ShownPair:
    """A row that is near to another.

    Attributes:
        how: how near.
        removed, kept: the two rows, None where only their names are known.
    """

    reason: str
    how: str
    removed_id: str
    kept_id: str
    removed: ShownRow | None = None
    kept: ShownRow | None = None


@dataclass(frozen=True)
class ShownStep:
    """A step of a build: rows in, rows out, and how many were removed by reason."""

    name: str
    taken: int
    given: int
    dropped: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True)
class BalanceRow:
    """A class of a group: what was asked for, what there was, what was taken; `depth` within the group's tree."""

    group: str
    label: str
    depth: int
    asked: int
    there: int
    taken: int


@dataclass(frozen=True)
class SetView:
    """All that the page shows.

    Attributes:
        facts: a line under the title.
        notices: what is wrong, each a line with details.
        charts: by section: `rows`, `pictures`, `difficulty`.
        same: by section (title, value) of what all rows have alike.
        pairs_said: where pairs come from, or why there are none.
        licences: (licence, source, rows).
        recipe: of the build; None where there is none.
        repeat: other facts of the build.
    """

    name: str
    facts: str
    headline: Sequence[Figure]
    samples: Sequence[ShownRow]
    samples_said: str
    charts: Mapping[str, Sequence[Chart]]
    notices: Sequence[tuple[str, Sequence[str]]] = ()
    same: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    steps: Sequence[ShownStep] = ()
    balance: Sequence[BalanceRow] = ()
    pairs: Sequence[ShownPair] = ()
    pairs_said: str = ""
    licences: Sequence[tuple[str, str, int]] = ()
    recipe: Mapping[str, Any] | None = None
    repeat: Sequence[tuple[str, str]] = field(default_factory=tuple)


def build_set_page(view: SetView, *, picture_bytes: int = PICTURE_BYTES, now: datetime | None = None) -> str:
    """The page's HTML.

    Args:
        picture_bytes: room for pictures; those of samples come first.
    """
    made = environment()
    made.filters["page_text"] = lambda value: for_page(str(value))
    pictures = _pictures(view, picture_bytes)
    charts = [made_visible(chart) for charts in view.charts.values() for chart in charts if chart.rows]
    recipe = view.recipe
    return made.get_template("set.html.j2").render(
        **frame_of(_SCRIPTS),
        view=view,
        pictures=pictures,
        written=f"{now or datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        chart_data=chart_data(charts),
        recipe="" if recipe is None else yaml.safe_dump(visible_tree(recipe), sort_keys=False, allow_unicode=True),
    )


def _pictures(view: SetView, room: int) -> Pictures:
    paired = [row for pair in view.pairs for row in (pair.removed, pair.kept) if row is not None]
    wanted: dict[str, ImageHandle] = {}
    for row in (*view.samples, *paired):
        for name, handle in row.pictures:
            wanted.setdefault(name, handle)
    return fitted_pictures(wanted, room)
