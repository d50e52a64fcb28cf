"""Methods at larger learning rates; the paper has no such study."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.studies.accuracies import dots
from contextrl.studies.study import Found, Result
from contextrl.studies.tables import accuracy_table


def result(found: Found, *, benchmark: str, classes: Sequence[str]) -> Result:
    """Table and figure: each rate's own ContextRL is beside it."""
    title = "Accuracy after training, development images"
    table = accuracy_table(found.store, found.arms(), benchmark, title=title, classes=classes)
    caption = "The dashed line is the base policy."
    return Result(
        [table], [], dots(found, benchmark, title="Right answers by right steps, development images", caption=caption)
    )
