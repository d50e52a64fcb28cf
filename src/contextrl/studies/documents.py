"""What learned judges find with facts in place of a solution: documents that belong to the question."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from contextrl.studies.figures import Comparison
from contextrl.studies.findings import Claim, findings_of
from contextrl.studies.judge_figure import Series, balanced_figure
from contextrl.studies.judging import (
    EXAMINED,
    Measure,
    balanced,
    difference,
    measures_of,
    over_seeds,
    recall,
    retention,
    unscored,
)
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
    judges = {label: own for name, label in found.labels.items() if (own := measures_of(found, name))}
    series = [Series(f"{label}: {_SEEN[name]}", label, _balanced(own, name)) for label, own, name in _ways(judges)]
    data = {f"{label}, {name}": _balanced(own, name) for label, own, name in _ways(judges)}
    return Result([_table(judges)], _findings(judges), balanced_figure(series), [], data)


def _ways(judges: Judges) -> list[tuple[str, Mapping[int, Measure], str]]:
    return [(label, judges[label], name) for label, name in product(judges, _SEEN)]


def _balanced(own: Mapping[int, Measure], name: str) -> dict[int, float | None]:
    return {seed: balanced(measure, name) for seed, measure in own.items()}


def _table(judges: Judges) -> Table:
    rows = []
    for label, own, name in _ways(judges):
        figures = [spread(over_seeds(own, value, name)) for value in (recall, retention, balanced, unscored)]
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
            apart = difference(own, balanced, first, second)
            if apart is not None:
                said = f"{label[:1].upper()}{label[1:]}, balanced accuracy, {_SEEN[first]} less {_SEEN[second]}"
                claims.append(Claim(Comparison(label, first, second, apart, None), said, of_the_paper=False))
    return findings_of(claims)
