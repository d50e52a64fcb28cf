"""What a study says: tables, one figure, findings against the paper's claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from contextrl.studies.cells import Cell, CellStore
from contextrl.studies.tables import Table

Says = Literal["agrees", "disagrees", "cannot be told", "not claimed"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One claim and what became of it.

    Attributes:
        verdict: `not claimed` where the paper says nothing of it.
        sees: what our cells show, with numbers.
        why: where the verdict needs a reason.
    """

    verdict: Says
    sees: str
    why: str = ""


@dataclass(frozen=True)
class Figure:
    """The figure of a study, in numbers.

    Attributes:
        kind: `dots` has a line for each series: its mean with an interval, and its seeds. `lines` has series over `x`.
        rows: of dots `series, value, what` (`mean` with `low, high`, or `seed` with `run, seed`); of lines
            `step, value, series`, and `low, high` for a band.
        value: what the values are.
        x: of lines, what `step` is.
        before: of dots, where all began.
        percent: values are shares.
    """

    kind: Literal["dots", "lines"]
    title: str
    caption: str
    rows: Sequence[Row]
    value: str
    x: str = "step"
    before: float | None = None
    percent: bool = True


@dataclass(frozen=True)
class Result:
    """What a study says.

    Attributes:
        notes: paragraphs under the findings.
        data: for `reproduction.json`.
    """

    tables: Sequence[Table]
    findings: Sequence[Finding] = ()
    figure: Figure | None = None
    notes: Sequence[str] = ()
    data: Any = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """Finished cells of a study.

    Attributes:
        seeds: that count.
        labels: of the study's arms, in their order, by name.
    """

    store: CellStore
    seeds: Sequence[int]
    labels: Mapping[str, str]

    def cells(self, name: str) -> list[Cell]:
        """Of an arm, in the order of the seeds; empty where none is finished."""
        return self.store.seeds(name, self.seeds)

    def arms(self) -> dict[str, list[Cell]]:
        """Label to cells, of the arms that have some."""
        return {label: cells for name, label in self.labels.items() if (cells := self.cells(name))}

    def measures(self, name: str, probe: str) -> list[Any]:
        """What a probe found in an arm's cells, in the order of the seeds; of cells that have it."""
        return [cell.measures[probe] for cell in self.cells(name) if probe in cell.measures]
