"""What the paper left open: each a change to ContextRL, which pays or does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from contextrl.studies.accuracies import CONTEXTRL, against, as_data, dots, of, repeated_table
from contextrl.studies.cells import Cell
from contextrl.studies.costs import processor_seconds, rounded_mean
from contextrl.studies.figures import Comparison
from contextrl.studies.findings import difference_said, no_interval, says
from contextrl.studies.study import Found, Result
from contextrl.studies.tables import Table, accuracy_table

#: Of the processor's time or of tokens, that counts as a saving.
_SAVING = 0.05


def result(found: Found, *, benchmark: str, classes: Sequence[str], questions: Mapping[str, str]) -> Result:
    """Tables, figure and a paragraph for each question.

    Args:
        questions: arm's name to what it asks.
    """
    title = "Accuracy after training, development images"
    tables = [accuracy_table(found.store, found.arms(), benchmark, title=title, classes=classes), costs(found)]
    pairs = against(found, benchmark, ("misconceived",))
    tables += repeated_table(pairs, found.labels, "ContextRL less the others")
    figure = dots(found, benchmark, title="Right answers by right steps, development images")
    notes = [
        f"{question} {pays(pair)} ContextRL less {found.labels[name]}: {difference_said(pair)}.{_spent(found, name)}"
        for name, question in questions.items()
        if (pair := of(pairs, name)) is not None
    ]
    return Result(tables, [], figure, notes, {"comparisons": as_data(pairs)})


def pays(pair: Comparison) -> str:
    """Whether a change is better than ContextRL as it is, in a sentence; by the adjusted p, as everywhere."""
    apart = pair.difference
    if apart.low is None or apart.high is None:
        return f"Nothing can be told: {no_interval(apart.n)[:1].lower()}{no_interval(apart.n)[1:]}"
    told = {"agrees": "It pays here.", "disagrees": "It costs accuracy here."}
    nothing = f"No difference can be told (within {max(abs(apart.low), abs(apart.high)):.3f})."
    return told.get(says(pair, higher=False), nothing)


def costs(found: Found) -> Table:
    """Tokens, groups and processor time of every trained arm, means over seeds."""
    rows = []
    for label, cells in found.arms().items():
        trained = [cell for cell in cells if cell.steps]
        if not trained:
            continue
        groups = [
            f"{mean_of(trained, lambda cell: cell.groups.get('recovered')):.0f}",
            f"{mean_of(trained, lambda cell: cell.groups.get('all_negative')):.0f}",
        ]
        rows.append(
            [label, f"{_sampled(trained) / 1000:.0f}k", " of ".join(groups), rounded_mean(processor_seconds(trained))]
        )
    note = "Means over seeds. Processor time: of the whole command on one thread, its start included."
    return Table("What it costs", ["arm", "sampled tokens", "groups recovered", "processor time, s"], rows, note)


def mean_of(cells: Sequence[Cell], value: Callable[[Cell], float | None]) -> float:
    """Of the cells that have it; 0 where none has."""
    found = [one for cell in cells if (one := value(cell)) is not None]
    return sum(found) / len(found) if found else 0.0


def _sampled(cells: Sequence[Cell]) -> float:
    return mean_of(cells, lambda cell: cell.tokens.get("sampled"))


def _spent(found: Found, name: str) -> str:
    """How many tokens it samples beside ContextRL, where that is worth a word."""
    own, plain = _sampled(found.cells(name)), _sampled(found.cells(CONTEXTRL))
    if not own or not plain or abs(own / plain - 1) < _SAVING:
        return ""
    return f" It samples {own / plain - 1:+.0%} tokens."
