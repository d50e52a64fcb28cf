"""What learned judges find with facts in place of a solution: documents that belong to the question."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from contextrl.statistics.seeds import estimate, paired_difference
from contextrl.studies.figures import Comparison
from contextrl.studies.findings import Claim, findings_of
from contextrl.studies.judge_figure import Series, balanced_figure
from contextrl.studies.judging import EXAMINED, Measure, Value, balanced, recall, retention, unscored
from contextrl.studies.study import Finding, Found, Result
from contextrl.studies.tables import Table, spread

__all__ = ["EXAMINED", "result"]

#: What a judge sees, by its name in the measure.
_SEEN = {
    "none": "nothing",
    "answer": "the answer",
    "documents-some": "facts on some digits, and the answer",
    "documents-all": "facts on every digit, and the answer",
    "solution": "the solution",
}
#: What is asked of each judge: balanced accuracy with the first less that with the second.
_ASKED = (("documents-all", "answer"), ("documents-some", "answer"), ("solution", "documents-all"))

#: By label of the judge, its measures by seed.
Judges = Mapping[str, Mapping[int, Measure]]


def result(found: Found) -> Result:
    """A table and a figure of both judges in every context."""
    judges = {
        label: own
        for name, label in found.labels.items()
        if (own := {cell.seed: cell.measures[EXAMINED] for cell in found.cells(name) if EXAMINED in cell.measures})
    }
    series = [
        Series(f"{label}: {_SEEN[name]}", label, _by_seed(own, balanced, name)) for label, own, name in _ways(judges)
    ]
    data = {f"{label}, {name}": dict(_by_seed(own, balanced, name)) for label, own, name in _ways(judges)}
    return Result([_table(judges)], _findings(judges), balanced_figure(series), [], data)


def _ways(judges: Judges) -> list[tuple[str, Mapping[int, Measure], str]]:
    return [(label, judges[label], name) for label, name in product(judges, _SEEN)]


def _by_seed(own: Mapping[int, Measure], value: Value, name: str) -> dict[int, float | None]:
    return {seed: value(measure, name) for seed, measure in own.items()}


def _table(judges: Judges) -> Table:
    rows = []
    for label, own, name in _ways(judges):
        figures = []
        for value in (recall, retention, balanced, unscored):
            known = [one for one in _by_seed(own, value, name).values() if one is not None]
            figures.append(spread(estimate(known)) if known else "–")
        rows.append([f"{label}: {_SEEN[name]}", *figures, str(len(own))])
    columns = ["judge, and what it sees", "false positives rejected", "true positives kept", "balanced accuracy"]
    note = (
        "Labels known from how responses are built, the same for every judge. These judges were taught facts beside "
        "the other contexts, with as many lessons in each as those of the judge study. Facts: how many digits the "
        "picture shows, and which they are; of some digits at least one is left out and one is told."
    )
    return Table("By known labels", [*columns, "unscored", "seeds"], rows, note)


def _findings(judges: Judges) -> list[Finding]:
    claims = []
    for label, own in judges.items():
        for first, second in _ASKED:
            both = [(balanced(measure, first), balanced(measure, second)) for measure in own.values()]
            known = [(one, other) for one, other in both if one is not None and other is not None]
            if known:
                apart = paired_difference(*zip(*known, strict=True))
                said = f"{label[:1].upper()}{label[1:]}, balanced accuracy, {_SEEN[first]} less {_SEEN[second]}"
                claims.append(Claim(Comparison(label, first, second, apart, None), said, of_the_paper=False))
    return findings_of(claims)
