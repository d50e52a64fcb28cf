"""What each part of the method is worth (arXiv 2602.22623, table 4, and ours)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contextrl.studies.accuracies import CONTEXTRL, against, as_data, dots, of, repeated_table
from contextrl.studies.figures import Comparison
from contextrl.studies.findings import WORTH, Claim, findings_of, says
from contextrl.studies.references import counted_of, rejected
from contextrl.studies.study import Found, Result
from contextrl.studies.tables import Table, accuracy_table

_WITHOUT_CAR = "without-car"
#: Rows of the paper's table, and the points that they lose there.
PAPER = {
    "without-cas": ("w/o CAS", 1.54),
    _WITHOUT_CAR: ("w/o CAR", 1.96),
    "without-report": ("w/o report", 0.32),
    "scale-1": ("w/o scale", 0.43),
}
#: Of our own arms, those without which the method would be another.
CORE = ("no-rollback", "more-samples", "no-standalone")


def result(found: Found, *, benchmark: str, classes: Sequence[str]) -> Result:
    """Tables, figure and findings on development images."""
    title = "Accuracy after training, development images"
    tables = [accuracy_table(found.store, found.arms(), benchmark, title=title, classes=classes)]
    pairs = against(found, benchmark, ("misconceived",))
    tables += repeated_table(pairs, found.labels, "ContextRL less the others")
    tables += _leaks(found)
    figure = dots(found, benchmark, title="Right answers by right steps, development images")
    claims = [
        Claim(pair, f"ContextRL less {row} (paper: {points} points)", paper=points / 100)
        for name, (row, points) in PAPER.items()
        if (pair := of(pairs, name))
    ]
    claims += [
        Claim(pair, f"ContextRL less {found.labels[name]}", of_the_paper=False)
        for name in CORE
        if (pair := of(pairs, name))
    ]
    notes = [*_what_matters(pairs, found.labels), *_identified(found)]
    return Result(tables, findings_of(claims), figure, notes, {"comparisons": as_data(pairs)})


def _what_matters(pairs: Sequence[Comparison], labels: Mapping[str, str]) -> list[str]:
    """Changes that make a difference, by the adjusted p, and those whose whole interval is within a point of none."""
    worse, better, same = [], [], []
    for pair in (pair for pair in pairs if pair.measure == "all"):
        apart = pair.difference
        said = f"{labels[pair.other]} ({apart.mean:+.3f})"
        if says(pair) == "agrees":
            worse.append(said)
        elif says(pair) == "disagrees":
            better.append(said)
        elif apart.n > 1:
            # Of seeds that do not differ there is no interval: what they all show stands in.
            low, high = (apart.mean if end is None else end for end in (apart.low, apart.high))
            same += [labels[pair.other]] if max(-low, high) < WORTH else []
    lists = {
        "ContextRL is better than": worse,
        "ContextRL is worse than": better,
        "Within a point of ContextRL, by the whole interval": same,
    }
    return [f"{name}: {'; '.join(found)}." for name, found in lists.items() if found]


def _identified(found: Found) -> list[str]:
    """What a judge without the solution lets pass while training: identification is one thing, the end another."""
    said = []
    for name in (_WITHOUT_CAR, CONTEXTRL):
        counts = counted_of(found, name)
        if not counts["false_positives"] or not counts["retries_kept"]:
            return []
        shares = (
            rejected(counts) / counts["false_positives"],
            counts["retries_right"] / counts["retries_kept"],
        )
        said.append("{:.3f} of the false positives, and {:.3f} of the retries that it keeps are right".format(*shares))
    return [f"While training the judge that sees the answer only rejects {said[0]}; with the solution it is {said[1]}."]


def _leaks(found: Found) -> list[Table]:
    """How often a mistake report states the final answer, by level of disclosure."""
    rows = []
    for name, label in found.labels.items():
        leaked = [v for shares in found.measures(name, "leaks") for v in shares.values() if v is not None]
        if leaked:
            named = "reports of level hint (ContextRL)" if name == CONTEXTRL else label
            rows.append([named, f"{sum(leaked) / len(leaked):.3f}"])
    note = "Share of mistake reports that state the final answer, mean over the steps that wrote any, and over seeds."
    return [Table("Answers that reports give away", ["arm", "share of reports"], rows, note)] if rows else []
