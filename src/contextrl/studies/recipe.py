"""Does the paper's recipe for data pay: what is always solved left out, the rest balanced by number right?"""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.studies.accuracies import against, as_data, dots, of, repeated_table
from contextrl.studies.findings import Claim, findings_of
from contextrl.studies.study import Found, Result
from contextrl.studies.tables import accuracy_table


def result(found: Found, *, benchmark: str, classes: Sequence[str], built: str, plain: str) -> Result:
    """Tables, figure and the finding on development images.

    Args:
        built, plain: arms on the set of the recipe, and on as many candidates as they come.
    """
    title = "Accuracy after training, development images"
    tables = [accuracy_table(found.store, found.arms(), benchmark, title=title, classes=classes)]
    pairs = against(found, benchmark, ("misconceived",), arm=built)
    tables += repeated_table(pairs, found.labels, "The recipe's set less the others")
    claim = "ContextRL on the recipe's set less ContextRL on as many candidates as they come"
    claims = [Claim(pair, claim, of_the_paper=False)] if (pair := of(pairs, plain)) is not None else []
    figure = dots(found, benchmark, title="Right answers by right steps, development images")
    notes = [
        "Which judge tells right from wrong in a build sees the answer alone: some references are false positives."
    ]
    return Result(tables, findings_of(claims), figure, notes, {"comparisons": as_data(pairs)})
