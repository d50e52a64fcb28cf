"""People's labels read back: what they agree on with a judge, by what the judge said, and for all that it said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from contextrl.data.problems import problems_error
from contextrl.errors import InputError
from contextrl.evaluation.judging.people import KINDS, Judged, Kind, Population
from contextrl.records.jsonl import json_lines, json_ready
from contextrl.statistics.kappa import cluster_tables, clustered_kappa
from contextrl.statistics.proportions import Rate, rate
from contextrl.statistics.strata import Stratum, weighted_kappa, weighted_rate

Label = Literal["correct", "incorrect", "unsure"]
LABELS: tuple[Label, ...] = get_args(Label)


def read_labels(path: Path, population: Population) -> dict[str, Label]:
    """Labels by key; a line whose label is null or missing is not labelled yet.

    Args:
        path: JSON lines of `id` and `label`, and `digest` where the sheet had one.

    Raises:
        InputError: one for the whole file, by line: no JSON, a label that is none, an id that the verdicts do not have,
            one of another response, or one labelled twice in two ways.
    """
    if not path.is_file():
        raise InputError("a file of labels", found="no such file", where=str(path))
    known = {item.key: item for item in population.items}
    labels: dict[str, tuple[Label, int]] = {}
    problems: list[str] = []
    count = 0
    for line in json_lines(path):
        count += 1
        found = "expected a JSON object" if line.object is None else _problem(line.object, known, labels)
        if found is not None:
            problems.append(f"line {line.number}: {found}")
        elif line.object is not None and line.object.get("label") is not None:
            labels[line.object["id"]] = (line.object["label"], line.number)
    if problems:
        raise problems_error(problems, total=f"{count} lines", where=str(path))
    return {key: label for key, (label, _) in labels.items()}


def _problem(
    row: Mapping[str, Any], known: Mapping[str, Judged], labels: Mapping[str, tuple[Label, int]]
) -> str | None:
    """What is wrong with a line."""
    key, label = row.get("id"), row.get("label")
    if not isinstance(key, str) or key not in known:
        return f"field 'id': expected an id of the verdicts, found {str(key)[:60]!r}"
    if row.get("digest", known[key].digest) != known[key].digest:
        return f"field 'digest': {key!r} is another response in the verdicts"
    if label is not None and label not in LABELS:
        return f"field 'label': expected {', '.join(LABELS)} or null, found {str(label)[:60]!r}"
    if label is not None and key in labels and labels[key][0] != label:
        before, number = labels[key]
        return f"field 'label': {key!r} is {label} here and {before} in line {number}"
    return None


@dataclass(frozen=True)
class PeopleAgreement:
    """What people and a judge agree on.

    Attributes:
        by_kind: of what the judge said, the share that people agree with.
        sample: agreement in the sample, where every kind weighs as much as was drawn of it.
        kappa: Cohen's, in the sample.
        population: agreement over all verdicts: each kind by how many there are.
        population_kappa: the same for kappa.
        rejects_wrong, keeps_right: of the responses that people find incorrect the share that the judge rejects, of
            those that they find correct the share that it accepts; over all verdicts, without an interval; None where
            there are none.
        counts: verdicts by kind; labelled, undecided and unlabelled ones.
        between: of several people, agreement and kappa of the first two on what both have decided.
        conflicts: keys that people label in two ways: undecided.
    """

    by_kind: dict[Kind, Rate]
    sample: Rate
    kappa: Rate
    population: Rate
    population_kappa: Rate
    rejects_wrong: float | None
    keeps_right: float | None
    counts: dict[str, int]
    between: tuple[Rate, Rate] | None
    conflicts: list[str]

    def as_json(self) -> dict[str, Any]:
        """With null for what cannot be said; intervals are at 95 %."""
        return dict(json_ready(asdict(self), digits=4))


def people_agreement(population: Population, people: Sequence[Mapping[str, Label]]) -> PeopleAgreement:
    """Of one or several people's labels with the verdicts.

    Who is unsure has decided nothing; a response that two people decide in two ways is undecided.

    Raises:
        InputError: nothing is decided.
    """
    known = {item.key: item for item in population.items}
    decided, conflicts, unsure = _decided(people)
    if not decided:
        raise InputError("at least one label that is correct or incorrect", found="none", where="--read")
    rows = [(known[key], label == "correct") for key, label in decided.items()]
    by_kind: dict[Kind, list[tuple[Judged, bool]]] = {kind: [] for kind in KINDS}
    for item, accepts in rows:
        by_kind[item.kind].append((item, accepts))
    strata = [
        Stratum(len(population.of(kind)), len(own), sum(accepts for _, accepts in own), kind == "accepted")
        for kind, own in by_kind.items()
    ]
    agreeing = [Stratum(s.population, s.n, s.hits if s.first else s.n - s.hits) for s in strata]
    questions = [_question(item) for item, _ in rows]
    agreed = [accepts == (item.kind == "accepted") for item, accepts in rows]
    tables = cluster_tables([item.kind == "accepted" for item, _ in rows], [accepts for _, accepts in rows], questions)
    keeps_right, rejects_wrong = _shares(strata)
    return PeopleAgreement(
        by_kind={kind: _rate(own) for kind, own in by_kind.items()},
        sample=rate(agreed, questions),
        kappa=clustered_kappa(tables),
        population=weighted_rate(agreeing),
        population_kappa=weighted_kappa(strata),
        rejects_wrong=rejects_wrong,
        keeps_right=keeps_right,
        counts={
            **{kind: len(population.of(kind)) for kind in KINDS},
            "unscored": population.unscored,
            "labelled": len(decided),
            "undecided": len(conflicts) + unsure,
        },
        between=_between(people, known),
        conflicts=conflicts,
    )


def _decided(people: Sequence[Mapping[str, Label]]) -> tuple[dict[str, Label], list[str], int]:
    """Labels that stand, keys that are labelled in two ways, and how many only unsure people have seen."""
    said: dict[str, Counter[Label]] = {}
    for labels in people:
        for key, label in labels.items():
            said.setdefault(key, Counter())[label] += 1
    decided: dict[str, Label] = {}
    conflicts, unsure = [], 0
    for key, counts in said.items():
        given: list[Label] = [label for label in ("correct", "incorrect") if counts[label]]
        if len(given) == 1:
            decided[key] = given[0]
        elif given:
            conflicts.append(key)
        else:
            unsure += 1
    return decided, conflicts, unsure


def _rate(rows: Sequence[tuple[Judged, bool]]) -> Rate:
    hits = [accepts == (item.kind == "accepted") for item, accepts in rows]
    return rate(hits, [_question(item) for item, _ in rows])


def _question(item: Judged) -> str:
    example = item.example
    return " ".join([example.question, *(str(handle) for handle in example.images if isinstance(handle, Path))])


def _shares(strata: Sequence[Stratum]) -> tuple[float | None, float | None]:
    """Of what people accept the share that the judge accepts, of what they reject the share that it rejects."""
    known = [stratum for stratum in strata if stratum.population]
    if any(not stratum.n for stratum in known):
        return None, None
    sums = {(first, right): 0.0 for first in (True, False) for right in (True, False)}
    for stratum in known:
        share = stratum.hits / stratum.n
        sums[stratum.first, True] += stratum.population * share
        sums[stratum.first, False] += stratum.population * (1 - share)
    right, wrong = (sums[True, side] + sums[False, side] for side in (True, False))
    return (sums[True, True] / right if right else None), (sums[False, False] / wrong if wrong else None)


def _between(people: Sequence[Mapping[str, Label]], known: Mapping[str, Judged]) -> tuple[Rate, Rate] | None:
    if len(people) < 2:
        return None
    first, second = people[:2]
    both = [key for key, label in first.items() if "unsure" not in (label, second.get(key, "unsure"))]
    questions = [_question(known[key]) for key in both]
    tables = cluster_tables(
        [first[key] == "correct" for key in both], [second[key] == "correct" for key in both], questions
    )
    return rate([first[key] == second[key] for key in both], questions), clustered_kappa(tables)
