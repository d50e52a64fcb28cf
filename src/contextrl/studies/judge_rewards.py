"""A policy trained with each learned judge as its reward: how much of the step judge's result survives its errors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from contextrl.statistics.seeds import Estimate, estimate
from contextrl.studies.accuracies import BASE, against, as_data, dots, repeated_table
from contextrl.studies.cells import Cell
from contextrl.studies.figures import Figure as Measured
from contextrl.studies.figures import by_seed, compare, process_accuracy
from contextrl.studies.findings import Claim, findings_of
from contextrl.studies.study import Finding, Found, Result
from contextrl.studies.tables import Table, accuracy_table, spread

#: Names of the probes whose measures this study reads, and the arm whose judge is never wrong.
REWARDED, SHOWN, STEPS = "rewarded", "shown", "contextrl-second-half"


def rewarded(groups: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Counts of a run's attempts by what the audit finds and what the rewarded judge says: `false/rejected` and so on.

    Args:
        groups: lines of groups.jsonl.
    """
    counts: Counter[str] = Counter()
    for attempt in (attempt for group in groups for attempt in group["attempts"]):
        verdict, audit = attempt.get("verdict"), attempt.get("audit")
        if verdict is None or audit is None or audit["status"] == "unscored":
            continue
        truth = "true" if audit["status"] == "correct" else "false" if audit["answer_correct"] else "wrong"
        said = {"correct": "accepted", "incorrect": "rejected"}.get(verdict["status"], "unscored")
        counts[f"{truth}/{said}"] += 1
    return dict(sorted(counts.items()))


def share(counts: Mapping[str, int], truth: str, said: str) -> float | None:
    """Of the attempts of a kind that have a verdict, those with this one; None where there is none."""
    given = sum(counts.get(f"{truth}/{verdict}", 0) for verdict in ("accepted", "rejected"))
    return counts.get(f"{truth}/{said}", 0) / given if given else None


def survival(arm: Sequence[Cell], steps: Sequence[Cell], base: Sequence[Cell], benchmark: str) -> list[float]:
    """By seed, what an arm gains over the base policy as a share of what the step judge's run gains."""
    before = by_seed(base, benchmark, process_accuracy)
    perfect = {cell.seed: cell for cell in steps}
    shares = []
    for cell in arm:
        own, other = (
            by_seed([one], benchmark, process_accuracy) if one is not None else []
            for one in (cell, perfect.get(cell.seed))
        )
        if own and other and before and other[0] != before[0]:
            shares.append((own[0] - before[0]) / (other[0] - before[0]))
    return shares


def result(found: Found, *, benchmark: str, classes: Sequence[str]) -> Result:
    """Tables, figure and findings on development images."""
    title = "Accuracy after training, development images"
    tables = [accuracy_table(found.store, found.arms(), benchmark, title=title, classes=classes), _judges(found)]
    pairs = against(found, benchmark, ("misconceived",), arm=STEPS)
    tables += repeated_table(pairs, found.labels, "The step judge's run less the others")
    base = found.cells(BASE)
    surviving: dict[str, Estimate] = {}
    for name in found.labels:
        if name not in (BASE, STEPS):
            shares = survival(found.cells(name), found.cells(STEPS), base, benchmark)
            if shares:
                surviving[name] = estimate(shares, bounds=(-math.inf, math.inf))
    notes = [
        f"Of what the step judge's run gains in process accuracy, {found.labels[name]} gains {spread(own)}."
        for name, own in surviving.items()
    ]
    notes += _shown(found)
    notes.append(
        "Judges and policies share no picture in training: judges learn from images 0 to 599 of the train split, these "
        "policies from images 600 to 1,199, and all are evaluated on development images. The base policy had seen both "
        "halves."
    )
    findings = _findings(found, benchmark)
    figure = dots(found, benchmark, title="Right answers by right steps, by who gave the reward")
    data = {"comparisons": as_data(pairs), "survival": {name: vars(own) for name, own in surviving.items()}}
    return Result(tables, findings, figure, notes, data)


def _shown(found: Found) -> list[str]:
    """How often votes parted, where they decide what a judge is shown."""
    said = []
    for name, label in found.labels.items():
        shares = [one for measure in found.measures(name, SHOWN) if (one := measure["judge/escalated"]) is not None]
        if shares:
            said.append(f"The {label} was shown it for {spread(estimate(shares))} of what the policies wrote.")
    return said


def _judges(found: Found) -> Table:
    """How right the rewards were, on what the policies wrote while they learned."""
    rows = []
    for name, label in found.labels.items():
        counts = found.measures(name, REWARDED)
        if not counts:
            continue
        figures = []
        for truth, said in (("false", "rejected"), ("true", "accepted"), ("wrong", "rejected")):
            values = [value for count in counts if (value := share(count, truth, said)) is not None]
            figures.append(spread(estimate(values)) if values else "–")
        lost = [
            sum(n for key, n in count.items() if key.endswith("/unscored")) / sum(count.values())
            for count in counts
            if count
        ]
        figures.append(spread(estimate(lost)) if lost else "–")
        rows.append([label, *figures, str(len(counts))])
    columns = ["run", "false positives rejected", "true positives kept", "wrong answers rejected", "unscored", "seeds"]
    note = (
        "Of all attempts of the run that were judged, stage 2 included, by what the step judge with the solution says "
        "of them. A rule helps the learned judges with final answers, as it helps a judge behind a server."
    )
    return Table("The judges on what policies write while they learn", columns, rows, note)


def _findings(found: Found, benchmark: str) -> list[Finding]:
    """What the paper relies on: a judge's context matters; beside it what its errors cost."""
    measures: dict[str, tuple[Measured, Sequence[int] | None]] = {"process": (process_accuracy, None)}
    with_solution, with_answer = (found.cells(f"contextrl-judge-large{end}") for end in ("", "-answer"))
    said = "What the judge sees matters (paper, table 4: 1.96 points): large judge, solution less answer"
    claims = [Claim(pair, said, paper=0.0196) for pair in compare(with_solution, [with_answer], benchmark, measures)]
    for name in found.labels:
        if name not in (BASE, STEPS):
            said = f"What a judge's errors cost: the step judge's run less that of the {found.labels[name]}"
            pairs = compare(found.cells(STEPS), [found.cells(name)], benchmark, measures)
            claims += [Claim(pair, said, of_the_paper=False) for pair in pairs]
    return findings_of(claims)
