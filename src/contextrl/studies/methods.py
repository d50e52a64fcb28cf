"""The main comparison (arXiv 2602.22623, table 1): methods at equal steps, equal tokens and equal time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from contextrl.statistics.seeds import estimate
from contextrl.studies.accuracies import CONTEXTRL, against, as_data, dots, of, repeated_table
from contextrl.studies.costs import processor_seconds, rounded_mean
from contextrl.studies.figures import Comparison, answer_accuracy, compare, of_same_seeds, over_seeds, process_accuracy
from contextrl.studies.figures import Figure as Measured
from contextrl.studies.findings import Claim, findings_of
from contextrl.studies.study import Found, Result
from contextrl.studies.tables import Table, accuracy_table, spread

_REFERENCE = "reference-model"
#: The paper's ContextRL less the others, in points: SFT is on references by another model, for five epochs.
_PAPER = {
    "sft-foreign-epochs": ("SFT on references by another hand", {"perception": 3.15, "reasoning": 4.43}),
    "grpo": ("GRPO with the answer reward", {"perception": 0.97, "reasoning": 4.20}),
    "dapo": ("DAPO", {"perception": 0.48, "reasoning": 1.69}),
}
#: The paper's ContextRL less its 32B judge model, in points.
_PAPERS_REFERENCE = {"perception": 1.12, "reasoning": -2.66}


def result(
    found: Found, *, benchmark: str, blank: str, classes: Sequence[str], tasks: Mapping[str, Sequence[str]]
) -> Result:
    """Tables, figure and findings.

    Args:
        blank: the same items without pictures.
        tasks: kinds of questions by task.
    """
    title = "Accuracy after training, held-out images"
    tables = [
        accuracy_table(found.store, found.arms(), benchmark, title=title, classes=classes, blank=blank),
        _by_task(found, benchmark, tasks),
        _costs(found),
    ]
    pairs = against(found, benchmark, ("misconceived",))
    tables += repeated_table(pairs, found.labels, "ContextRL less the others")
    figure = dots(found, benchmark, title="Right answers by right steps, held-out images")
    claims = [*_papers(found, benchmark, tasks), *_larger(found, benchmark, tasks), *_ours(found, pairs)]
    return Result(tables, findings_of(claims), figure, _notes(found), {"comparisons": as_data(pairs)})


def _papers(found: Found, benchmark: str, tasks: Mapping[str, Sequence[str]]) -> list[Claim]:
    """Table 1, as it counts: answers, by task."""
    claims = []
    for name, (said, points) in _PAPER.items():
        measures = _answers(found, benchmark, tasks)
        for pair in compare(found.cells(CONTEXTRL), [found.cells(name)], benchmark, measures):
            paper = points[pair.measure]
            what = f"ContextRL less {said}, answers in {pair.measure} (paper: {paper:+.2f} points)"
            claims.append(Claim(pair, what, paper=paper / 100))
    return claims


def _larger(found: Found, benchmark: str, tasks: Mapping[str, Sequence[str]]) -> list[Claim]:
    """The paper's policy against its larger judge model: it passes in one task and stays behind in the other."""
    # One model, whatever the seed: what varies is ours.
    larger = [replace(cell, seed=own.seed) for own in found.cells(CONTEXTRL) for cell in found.cells(_REFERENCE)[:1]]
    claims = []
    for pair in compare(found.cells(CONTEXTRL), [larger], benchmark, _answers(found, benchmark, tasks)):
        paper = _PAPERS_REFERENCE[pair.measure]
        said = f"ContextRL less one larger model, answers in {pair.measure} (paper: {paper:+.2f} points)"
        claims.append(Claim(pair, said, higher=paper > 0, paper=paper / 100))
    return claims


def _ours(found: Found, pairs: Sequence[Comparison]) -> list[Claim]:
    """What the paper does not compare: answers by right steps, at equal steps, tokens and time."""
    every = [pair for name in found.labels if (pair := of(pairs, name)) is not None and name != _REFERENCE]
    said = "Answers by right steps, ContextRL less "
    return [Claim(pair, f"{said}{found.labels[pair.other]}", of_the_paper=False) for pair in every]


def _answers(
    found: Found, benchmark: str, tasks: Mapping[str, Sequence[str]]
) -> dict[str, tuple[Measured, Sequence[int] | None]]:
    items = found.store.items(benchmark)
    return {task: (answer_accuracy, items.of_kinds(kinds)) for task, kinds in tasks.items()} if items else {}


def _by_task(found: Found, benchmark: str, tasks: Mapping[str, Sequence[str]]) -> Table:
    """The paper's two averages."""
    items = found.store.items(benchmark)
    columns = ["arm", *(f"{task}, {what}" for task in tasks for what in ("answer", "answer and process"))]
    rows = []
    for label, cells in found.arms().items():
        places = [items.of_kinds(kinds) if items else [] for kinds in tasks.values()]
        figures = [over_seeds(cells, benchmark, f, p) for p in places for f in (answer_accuracy, process_accuracy)]
        rows.append([label, *map(spread, figures)])
    return Table("Perception and reasoning", columns, rows, "Means over seeds with 95 % intervals.")


def _costs(found: Found) -> Table:
    """What a run takes, beside GRPO with the same reward."""
    rows = []
    for label, cells in found.arms().items():
        trained = [cell for cell in cells if cell.steps]
        if trained:
            sampled = [cell.tokens.get("sampled", 0) / 1000 for cell in trained]
            rows.append(
                [
                    label,
                    rounded_mean([c.steps for c in trained]),
                    rounded_mean(sampled),
                    rounded_mean(processor_seconds(trained)),
                ]
            )
    note = (
        "Means over seeds. Processor time: of the whole command on one thread, its start included. With ContextRL's "
        "tokens or time a seed has as many steps as cost what ContextRL's cost with that seed, each at its own cost."
    )
    return Table("What it costs", ["arm", "steps", "sampled tokens, thousands", "processor time, s"], rows, note)


def _notes(found: Found) -> list[str]:
    """What stage 2 costs, seed by seed."""
    shares = []
    for pair in of_same_seeds(found.cells(CONTEXTRL), found.cells("grpo-process")):
        own, other = (processor_seconds([cell]) for cell in pair)
        if own and other:
            shares.append(own[0] / other[0] - 1)
    if not shares:
        return []
    more = estimate(shares, bounds=(-1.0, math.inf))
    ends = "" if more.low is None or more.high is None else f" [{more.low:.0%}, {more.high:.0%}]"
    return [
        f"Stage 2 costs {more.mean:.0%}{ends} of processor time beside GRPO with the same reward and as many steps. "
        "Judging costs nothing here; a judge model is asked about every retry too."
    ]
