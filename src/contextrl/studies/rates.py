"""Methods at larger learning rates; the paper has no such study."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.studies.accuracies import CONTEXTRL, as_data, dots
from contextrl.studies.figures import adjusted_together, compare, process_accuracy
from contextrl.studies.findings import finding
from contextrl.studies.study import Found, Result
from contextrl.studies.tables import accuracy_table


def result(found: Found, *, benchmark: str, classes: Sequence[str]) -> Result:
    """Table, figure and findings: each rate's own ContextRL is beside it, in arms named `METHOD-RATE`."""
    title = "Accuracy after training, development images"
    table = accuracy_table(found.store, found.arms(), benchmark, title=title, classes=classes)
    caption = "The dashed line is the base policy."
    pairs = []
    for name in found.labels:
        method, _, rate = name.partition("-") if name.startswith(CONTEXTRL) else ("", "", "")
        others = [other for other in found.labels if method and other != name and other.endswith(f"-{rate}")]
        measures = {"all": (process_accuracy, None)}
        pairs += compare(found.cells(name), [found.cells(other) for other in others], benchmark, measures)
    pairs = adjusted_together(pairs)
    findings = [finding(pair, f"{found.labels[pair.arm]}, less {found.labels[pair.other]}") for pair in pairs]
    figure = dots(found, benchmark, title="Right answers by right steps, development images", caption=caption)
    return Result([table], findings, figure, [], {"comparisons": as_data(pairs)})
