"""What each part of the method is worth (arXiv 2602.22623, table 4, and ours)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contextrl.studies.accuracies import CONTEXTRL, against, as_data, dots, of, repeated_table
from contextrl.studies.figures import Comparison
from contextrl.studies.findings import finding, says
from contextrl.studies.study import Found, Result
from contextrl.studies.tables import Table, accuracy_table

#: Rows of the paper's table, and what they lose there.
PAPER = {
    "without-cas": ("ContextRL less w/o CAS (paper: 1.54 points)", ""),
    "without-car": (
        "ContextRL less w/o CAR (paper: 1.96 points)",
        "The step judge finds a wrong derivation without a reference too: what the solution adds are misread digits "
        "whose answer is right all the same.",
    ),
    "without-report": ("ContextRL less w/o report (paper: 0.32 points)", ""),
    "scale-1": ("ContextRL less w/o scale (paper: 0.43 points)", ""),
}
_NO_DIFFERENCE = 0.01


def result(found: Found, *, benchmark: str, classes: Sequence[str]) -> Result:
    """Tables, figure and findings on development images."""
    title = "Accuracy after training, development images"
    tables = [accuracy_table(found.store, found.arms(), benchmark, title=title, classes=classes)]
    pairs = against(found, benchmark, ("misconceived",))
    tables += repeated_table(pairs, found.labels, "ContextRL less the others")
    tables += _leaks(found)
    figure = dots(found, benchmark, title="Right answers by right steps, development images")
    findings = [finding(pair, said, why=why) for name, (said, why) in PAPER.items() if (pair := of(pairs, name))]
    notes = _what_matters(pairs, found.labels)
    return Result(tables, findings, figure, notes, {"comparisons": as_data(pairs)})


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
        elif apart.low is not None and apart.high is not None and max(-apart.low, apart.high) < _NO_DIFFERENCE:
            same.append(labels[pair.other])
    lists = {
        "ContextRL is better than": worse,
        "ContextRL is worse than": better,
        "Within a point of ContextRL, by the whole interval": same,
    }
    return [f"{name}: {'; '.join(found)}." for name, found in lists.items() if found]


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
