"""What studies of trained policies share: the figure of their accuracies, one arm against the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from contextrl.studies.cells import Cell
from contextrl.studies.figures import Comparison, by_seed, over_seeds, process_accuracy
from contextrl.studies.study import Figure, Found, Row
from contextrl.studies.tables import Table, comparison_table, comparisons

#: Names of the arms that all others are compared with and that all began as.
CONTEXTRL, BASE = "contextrl", "base"
#: Of figures that say nothing else.
CAPTION = "The dashed line is the policy before. A dot is the mean over seeds with its interval, rings are seeds."


def dots(found: Found, benchmark: str, *, title: str, caption: str = CAPTION, base: str = BASE) -> Figure:
    """Process accuracy of every trained arm, its mean with an interval over its seeds.

    Args:
        base: the arm that all began as.
    """
    rows: list[Row] = []
    before = over_seeds(found.cells(base), benchmark, process_accuracy)
    for name, label in found.labels.items():
        if name != base:
            rows += dots_of(label, found.cells(name), benchmark)
    value = "right answer by right steps"
    return Figure("dots", title, caption, rows, value, before=before.mean if before else None)


def dots_of(label: str, cells: Sequence[Cell], benchmark: str) -> list[Row]:
    """One line of the figure; none where no cell is finished."""
    spread = over_seeds(cells, benchmark, process_accuracy)
    if spread is None:
        return []
    ends = {} if spread.low is None else {"low": spread.low, "high": spread.high}
    # Of seeds that were made before a study asked for this set there is no value.
    valued = [(cell, by_seed([cell], benchmark, process_accuracy)) for cell in cells]
    seeds = [
        {"series": label, "value": values[0], "what": "seed", "run": cell.arm, "seed": cell.seed}
        for cell, values in valued
        if values
    ]
    return [{"series": label, "value": spread.mean, "what": "mean", **ends}, *seeds]


def against(
    found: Found, benchmark: str, classes: Sequence[str], arm: str = CONTEXTRL, base: str = BASE
) -> list[Comparison]:
    """One arm against every other of the study but the base policy."""
    names = [name for name in found.labels if name not in (base, arm)]
    others = {found.labels[name]: cells for name in names if (cells := found.cells(name))}
    return comparisons(found.store, found.cells(arm), others, benchmark, classes)


def repeated_table(pairs: Sequence[Comparison], labels: Mapping[str, str], title: str) -> list[Table]:
    """A table of the comparisons over several seeds: the difference of one seed would look like a finding."""
    repeated = [pair for pair in pairs if pair.difference.n > 1]
    return [comparison_table(repeated, labels, title=title)] if repeated else []


def of(pairs: Sequence[Comparison], other: str, measure: str = "all") -> Comparison | None:
    """The comparison with one arm in one measure."""
    return next((pair for pair in pairs if (pair.other, pair.measure) == (other, measure)), None)


def as_data(pairs: Sequence[Comparison]) -> list[dict[str, object]]:
    """For `reproduction.json`."""
    return [asdict(pair) for pair in pairs]
