"""Whether the method holds where an answer is six and more steps away; the paper left it open."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.studies.accuracies import against, as_data, dots, of, repeated_table
from contextrl.studies.findings import Claim, findings_of
from contextrl.studies.study import Found, Result
from contextrl.studies.tables import Table, accuracy_table


def result(
    found: Found, *, benchmark: str, classes: Sequence[str], contextrl: str, base: str, others: Sequence[str]
) -> Result:
    """Tables, figure and findings on development images.

    Args:
        contextrl, base: names of arms.
        others: arms that the paper's claim of better training is about.
    """
    title = "Accuracy on questions of six and more steps, development images"
    tables = [accuracy_table(found.store, found.arms(), benchmark, title=title, classes=classes), _groups(found)]
    pairs = against(found, benchmark, ("misconceived",), arm=contextrl, base=base)
    tables += repeated_table(pairs, found.labels, "ContextRL less the others")
    claims = [
        Claim(pair, f"On longer questions, ContextRL less {found.labels[name]}", of_the_paper=False)
        for name in others
        if (pair := of(pairs, name)) is not None
    ]
    figure = dots(found, benchmark, title="Right answers by right steps, longer questions", base=base)
    return Result(tables, findings_of(claims), figure, [], {"comparisons": as_data(pairs)})


def _groups(found: Found) -> Table:
    """How often nothing was right at stage 1, and how often stage 2 found something."""
    rows = []
    for label, cells in found.arms().items():
        negative, recovered = (sum(cell.groups.get(key, 0) for cell in cells) for key in ("all_negative", "recovered"))
        if negative:
            share = f"{recovered / negative:.3f}" if recovered else "–"
            rows.append([label, f"{negative / len(cells):.0f}", share])
    note = "Means over seeds. Recovered: of the all-negative groups those of which a retry was kept."
    return Table("Groups without a right response", ["arm", "all-negative groups", "recovered"], rows, note)
