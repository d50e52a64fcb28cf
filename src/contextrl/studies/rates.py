"""Methods at several learning rates; the paper has no such study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contextrl.studies.accuracies import CONTEXTRL, as_data, dots
from contextrl.studies.figures import Comparison, by_seed, compare, process_accuracy
from contextrl.studies.findings import Claim, findings_of
from contextrl.studies.study import Found, Result
from contextrl.studies.tables import accuracy_table


def result(found: Found, *, benchmark: str, classes: Sequence[str], rates: Mapping[str, Sequence[str]]) -> Result:
    """Table, figure and findings: ContextRL against each method at one rate, and each at its own best.

    Args:
        rates: a method's arm at the rate of the configurations to those at others, in one order for all methods.
    """
    title = "Accuracy after training, development images"
    table = accuracy_table(found.store, found.arms(), benchmark, title=title, classes=classes)
    caption = "The dashed line is the base policy."
    others = [name for name in rates if name != CONTEXTRL]
    claims = []
    for place, name in enumerate((CONTEXTRL, *rates[CONTEXTRL])):
        at_rate = [(other, *rates[other])[place] for other in others]
        claims += _claims(found, benchmark, name, at_rate, "")
    best = {method: _best(found, benchmark, (method, *more)) for method, more in rates.items()}
    if all(best.values()):
        claims += _claims(found, benchmark, best[CONTEXTRL], [best[name] for name in others], "Each at its best: ")
    figure = dots(found, benchmark, title="Right answers by right steps, development images", caption=caption)
    note = "A method's best rate is that of the highest mean on these images, which favours none of them."
    data = {"comparisons": as_data([claim.pair for claim in claims]), "best": best}
    return Result([table], findings_of(claims), figure, [note] if all(best.values()) else [], data)


def _claims(found: Found, benchmark: str, name: str, others: Sequence[str], said: str) -> list[Claim]:
    pairs: list[Comparison] = compare(
        found.cells(name), [found.cells(other) for other in others], benchmark, {"all": (process_accuracy, None)}
    )
    labels = found.labels
    return [Claim(p, f"{said}{labels[p.arm]}, less {labels[p.other]}", of_the_paper=False) for p in pairs]


def _best(found: Found, benchmark: str, names: Sequence[str]) -> str:
    """The arm with the highest mean; empty where none is finished."""
    means = {
        name: sum(values) / len(values)
        for name in names
        if (values := by_seed(found.cells(name), benchmark, process_accuracy))
    }
    return max(means, key=means.__getitem__, default="")
