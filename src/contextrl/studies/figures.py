"""Figures of arms over seeds, and of the differences between two arms on the same items with the same seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from contextrl.statistics.seeds import Estimate, PairedDifference, estimate, holm, paired_difference
from contextrl.studies.cells import FALSE_POSITIVE, RIGHT, UNSCORED, Cell

#: A figure of one cell's outcomes on one set; None where there is nothing to count.
Figure = Callable[[str], float | None]


def share_of(letters: str, outcomes: str) -> float | None:
    """Share of scored items whose outcome is one of `letters`."""
    scored = [letter for letter in outcomes if letter != UNSCORED]
    return sum(letter in letters for letter in scored) / len(scored) if scored else None


def process_accuracy(outcomes: str) -> float | None:
    """Right answers by right steps, of all scored items."""
    return share_of(RIGHT, outcomes)


def answer_accuracy(outcomes: str) -> float | None:
    """Right answers, of all scored items."""
    return share_of(RIGHT + FALSE_POSITIVE, outcomes)


def false_positive_rate(outcomes: str) -> float | None:
    """Of the right answers, those by wrong steps."""
    answers = [letter for letter in outcomes if letter in RIGHT + FALSE_POSITIVE]
    return answers.count(FALSE_POSITIVE) / len(answers) if answers else None


def by_seed(cells: Sequence[Cell], benchmark: str, figure: Figure, places: Sequence[int] | None = None) -> list[float]:
    """A figure of every cell that has it.

    Args:
        places: of the items that count; by default all.
    """
    values = []
    for cell in cells:
        outcomes = cell.outcomes.get(benchmark)
        if outcomes is None:
            continue
        value = figure(outcomes if places is None else "".join(outcomes[place] for place in places))
        if value is not None:
            values.append(value)
    return values


def over_seeds(
    cells: Sequence[Cell], benchmark: str, figure: Figure, places: Sequence[int] | None = None
) -> Estimate | None:
    """Mean and interval of a figure over the cells' seeds."""
    values = by_seed(cells, benchmark, figure, places)
    return estimate(values) if values else None


@dataclass(frozen=True)
class Comparison:
    """How much better one arm is than another.

    Attributes:
        difference: over the seeds that both have; the items are the same.
        adjusted: p after Holm's adjustment for all comparisons of the table; None where there is no p.
    """

    arm: str
    other: str
    measure: str
    difference: PairedDifference
    adjusted: float | None


def compare(
    arm: Sequence[Cell],
    others: Sequence[Sequence[Cell]],
    benchmark: str,
    measures: Mapping[str, tuple[Figure, Sequence[int] | None]],
) -> list[Comparison]:
    """Paired differences of one arm with several others, adjusted together for how many there are.

    Args:
        measures: name to a figure and the items that it is over.
    """
    rows: list[tuple[str, str, str, PairedDifference]] = []
    for other in others:
        shared = of_same_seeds(arm, other)
        for name, (figure, places) in measures.items():
            sides = [[by_seed([cell], benchmark, figure, places) for cell in pair] for pair in shared]
            # A seed of which one side has no value is left out, not the comparison.
            known = [(ours[0], theirs[0]) for ours, theirs in sides if ours and theirs]
            if known:
                difference = paired_difference(*zip(*known, strict=True))
                rows.append((shared[0][0].arm, shared[0][1].arm, name, difference))
    return adjusted_together([Comparison(*row, row[3].p) for row in rows])


def of_same_seeds(ours: Sequence[Cell], others: Sequence[Cell]) -> list[tuple[Cell, Cell]]:
    """Cells of two arms in pairs of one seed, in the order of the first arm."""
    by_seed_of_other = {cell.seed: cell for cell in others}
    return [(cell, by_seed_of_other[cell.seed]) for cell in ours if cell.seed in by_seed_of_other]


def compare_cells(
    ours: Sequence[Cell], others: Sequence[Cell], figure: Callable[[Cell], float | None], measure: str
) -> Comparison | None:
    """The paired difference of a figure that is no outcome on a set; None where no seed has both sides."""
    pairs = of_same_seeds(ours, others)
    values = [(figure(own), figure(other)) for own, other in pairs]
    known = [(own, other) for own, other in values if own is not None and other is not None]
    if not known:
        return None
    return Comparison(pairs[0][0].arm, pairs[0][1].arm, measure, paired_difference(*zip(*known, strict=True)), None)


def adjusted_together(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same with p adjusted (Holm) for how many of these are tested."""
    adjusted = iter(holm([pair.difference.p for pair in comparisons if pair.difference.p is not None]))
    return [replace(pair, adjusted=None if pair.difference.p is None else next(adjusted)) for pair in comparisons]
