"""What learned judges find by what they see of the reference (arXiv 2602.22623, 4.3.1, table 2).

The paper's figure is the share that a judge rejects of false positives which two judges with the solution have rejected
before: recall on a set that judges chose. Here labels are known from how responses are built, so that the same figure
stands beside the honest one, and beside what it leaves out: the right responses that a judge keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from contextrl.statistics.seeds import Estimate, PairedDifference, estimate, paired_difference
from contextrl.studies.figures import Comparison
from contextrl.studies.findings import Claim, findings_of
from contextrl.studies.judge_figure import Series, balanced_figure
from contextrl.studies.study import Figure, Finding, Found, Result
from contextrl.studies.tables import Table, ends_of, spread

#: Name of the probe whose measure this study reads, and the arms by size.
EXAMINED = "examined"
SIZES = ("judge-small", "judge-large")
CONTEXTS = ("none", "answer", "solution")
#: Table 2's shares, the smaller judge as our small one.
PAPER = {
    "judge-small": {"none": 0.4625, "answer": 0.5003, "solution": 0.8198},
    "judge-large": {"none": 0.5125, "answer": 0.5460, "solution": 0.8212},
}
#: Letters of the measure: verdicts accepted, rejected; labels of true and false positives.
ACCEPTED, REJECTED, TRUE, FALSE = "ARTF"

Measure = Mapping[str, Any]
#: Of one judge in one context; None where there is nothing to count.
Value = Callable[[Measure, str], float | None]


def recall(measure: Measure, context: str) -> float | None:
    """Share of the false positives that are rejected, of those with a verdict."""
    return _share(measure, context, FALSE, REJECTED)


def retention(measure: Measure, context: str) -> float | None:
    """Share of the true positives that are accepted, of those with a verdict."""
    return _share(measure, context, TRUE, ACCEPTED)


def balanced(measure: Measure, context: str) -> float | None:
    """Mean of the two: 0.5 is a judge that looks at nothing."""
    both = recall(measure, context), retention(measure, context)
    return None if both[0] is None or both[1] is None else (both[0] + both[1]) / 2


def unscored(measure: Measure, context: str) -> float | None:
    """Share of all responses without a verdict."""
    letters = measure["verdicts"][context]
    return sum(letter not in (ACCEPTED, REJECTED) for letter in letters) / len(letters) if letters else None


def _share(measure: Measure, context: str, label: str, verdict: str) -> float | None:
    pairs = zip(measure["labels"], measure["verdicts"][context], strict=True)
    given = [letter for one, letter in pairs if one == label and letter in (ACCEPTED, REJECTED)]
    return given.count(verdict) / len(given) if given else None


@dataclass(frozen=True)
class Chosen:
    """The paper's set, in ours: right answers that both judges with the solution reject.

    Attributes:
        places: of the responses.
        false: of these, the ones that are false positives.
    """

    places: Sequence[int]
    false: int


def chosen_by(first: Measure, second: Measure) -> Chosen:
    """Of two judges that have judged the same responses."""
    pairs = zip(first["labels"], first["verdicts"]["solution"], second["verdicts"]["solution"], strict=True)
    places = [
        place
        for place, (label, one, other) in enumerate(pairs)
        if label in (TRUE, FALSE) and (one, other) == (REJECTED, REJECTED)
    ]
    return Chosen(places, sum(first["labels"][place] == FALSE for place in places))


def recall_on(measure: Measure, context: str, chosen: Chosen) -> float | None:
    """Share of the chosen responses that a judge rejects: the paper's figure."""
    letters = [measure["verdicts"][context][place] for place in chosen.places]
    given = [letter for letter in letters if letter in (ACCEPTED, REJECTED)]
    return given.count(REJECTED) / len(given) if given else None


def calibration(bins: Sequence[Sequence[float]]) -> tuple[float, float, float] | None:
    """Mean confidence, accuracy and expected calibration error (Guo et al., 2017); None where there is no verdict.

    Args:
        bins: verdicts, their confidences' sum, and how many of them are right, by bin of confidence.
    """
    total = sum(count for count, _, _ in bins)
    if not total:
        return None
    error = sum(abs(right - confidence) for _, confidence, right in bins) / total
    return sum(c for _, c, _ in bins) / total, sum(right for _, _, right in bins) / total, error


# ---- what the cells say ----------------------------------------------------------------------------------------------


def result(found: Found) -> Result:
    """Tables, figure and findings from both judges' verdicts on the same responses."""
    judges = {name: by_seed for name in SIZES if (by_seed := measures_of(found, name))}
    tables = [_honest(found, judges), _protocol(found, judges), _calibrated(found, judges), _hangs_on(found, judges)]
    comparisons = _comparisons(judges)
    data = {
        "honest": {
            name: {context: _values(own, recall, context) for context in CONTEXTS} for name, own in judges.items()
        },
        "comparisons": {said: None if pair is None else vars(pair) for said, (pair, _, _) in comparisons.items()},
    }
    notes = [*_bias_said(judges), *_believes(judges)]
    return Result(tables, _findings(comparisons, judges), _figure(found, judges), notes, data)


def measures_of(found: Found, name: str) -> dict[int, Measure]:
    """What was examined of an arm's judges, by seed."""
    return {cell.seed: cell.measures[EXAMINED] for cell in found.cells(name) if EXAMINED in cell.measures}


def _values(judges: Mapping[int, Measure], value: Value, context: str) -> list[float]:
    return [one for measure in judges.values() if (one := value(measure, context)) is not None]


def over_seeds(judges: Mapping[int, Measure], value: Value, context: str) -> Estimate | None:
    """A value's mean over judges; None where it is of none."""
    values = _values(judges, value, context)
    return estimate(values) if values else None


def _honest(found: Found, judges: Mapping[str, Mapping[int, Measure]]) -> Table:
    rows = []
    for name, context in product(judges, CONTEXTS):
        own = judges[name]
        figures = [spread(over_seeds(own, value, context)) for value in (recall, retention, balanced, unscored)]
        rows.append([f"{found.labels[name]}, {context}", *figures, f"{PAPER[name][context]:.4f}", str(len(own))])
    columns = ["judge, context", "false positives rejected", "true positives kept", "balanced accuracy", "unscored"]
    note = (
        "Labels known from how responses are built. Means over judges trained with other seeds, 95 % intervals by "
        "Student's t; the responses are the same. The paper's shares are of 32B and 235B judges, on a set chosen by "
        "judges: compare them with the next table."
    )
    return Table("By known labels", [*columns, "the paper's recall", "seeds"], rows, note)


def _protocol(found: Found, judges: Mapping[str, Mapping[int, Measure]]) -> Table:
    """The paper's figure beside the honest one; where there are several seeds, other judges chose the set."""
    rows = []
    for name, context in product(judges, CONTEXTS):
        shares = list(_chosen_recalls(judges, name, context).values())
        seen = spread(estimate(shares)) if shares else "–"
        honest = spread(over_seeds(judges[name], recall, context))
        bias = _bias_of(judges, name, context)
        apart = "–" if bias is None else f"{bias.mean:+.3f}{ends_of(bias)}"
        rows.append([f"{found.labels[name]}, {context}", seen, honest, apart, f"{PAPER[name][context]:.4f}"])
    sets = [chosen for chosen in _sets(judges).values() if chosen.places]
    places, false = _size(sets)
    size = f"{places / len(sets):.0f}" if sets else "no"
    share = f"{1 - false / places:.3f}" if sets else "–"
    note = (
        f"The set: right answers that the small and the large judge with the solution both reject, {size} responses on "
        f"average, of which a share of {share} is right after all. A judge is measured on sets that judges of other "
        "seeds chose, the mean of them, which is one value for each judge; with one seed by its own, where the "
        "solution gives 1 by construction. Bias: the first figure less the second, judge by judge."
    )
    columns = ["judge, context", "recall on the chosen set", "recall by known labels", "bias", "the paper's recall"]
    return Table("By the paper's protocol", columns, rows, note)


def _sets(judges: Mapping[str, Mapping[int, Measure]]) -> dict[int, Chosen]:
    """By seed, what its two judges choose."""
    if len(judges) < 2:
        return {}
    small, large = (judges[name] for name in SIZES)
    return {seed: chosen_by(small[seed], large[seed]) for seed in small if seed in large}


def _chosen_recalls(judges: Mapping[str, Mapping[int, Measure]], name: str, context: str) -> dict[int, float]:
    """By seed of the judge, its mean recall on sets of other seeds; on its own where there is no other.

    One judge on two sets is one observation, not two.
    """
    sets = _sets(judges)
    found = {}
    for seed, measure in judges[name].items():
        others = [chosen for own, chosen in sets.items() if own != seed or len(sets) == 1]
        shares = [share for chosen in others if (share := recall_on(measure, context, chosen)) is not None]
        if shares:
            found[seed] = sum(shares) / len(shares)
    return found


def _bias_of(judges: Mapping[str, Mapping[int, Measure]], name: str, context: str) -> PairedDifference | None:
    """Recall on chosen sets less recall by known labels, judge by judge."""
    pairs = [
        (chosen, honest)
        for seed, chosen in _chosen_recalls(judges, name, context).items()
        if (honest := recall(judges[name][seed], context)) is not None
    ]
    return paired_difference(*zip(*pairs, strict=True)) if pairs else None


def _size(sets: Sequence[Chosen]) -> tuple[int, int]:
    """Responses of all sets together, and the false positives among them."""
    return sum(len(one.places) for one in sets), sum(one.false for one in sets)


def _calibrated(found: Found, judges: Mapping[str, Mapping[int, Measure]]) -> Table:
    rows = []
    for name, context in product(judges, CONTEXTS):
        row = [f"{found.labels[name]}, {context}"]
        for measured in ("word", "path"):
            own = [calibration(one["calibration"][context][measured]) for one in judges[name].values()]
            known = [figures for figures in own if figures is not None]
            means = [sum(column) / len(known) for column in zip(*known, strict=True)] if known else []
            row += [f"{value:.3f}" for value in means] or ["–"] * 3
        rows.append(row)
    columns = ["judge, context"]
    for measured in ("the verdict's word", "the whole reply"):
        columns += [f"{measured}: confidence", "accuracy", "calibration error"]
    note = (
        "Confidence: the probability of the word that says the verdict, and of all that the reply says up to it. "
        "Accuracy: verdicts that are right, on right answers. Calibration error: in ten bins (Guo et al., 2017). "
        "Verdicts are greedy, so there are no votes whose agreement could be measured."
    )
    return Table("How sure the judges are", columns, rows, note)


def _hangs_on(found: Found, judges: Mapping[str, Mapping[int, Measure]]) -> Table:
    rows = []
    for name, context in product(judges, CONTEXTS):
        steps = [one["steps"][context] for one in judges[name].values()]
        row = [
            f"{found.labels[name]}, {context}",
            _ratio(steps, "agreed", "compared"),
            _ratio(steps, "same_first", "rejected"),
        ]
        for change, count in (
            ("picture", "before"),
            ("picture", "after"),
            ("reference", "after"),
            ("wording", "flipped"),
            ("reference_wording", "flipped"),
        ):
            changed = [c for one in judges[name].values() if (c := one["changed"].get(change, {}).get(context))]
            row.append(_ratio(changed, count, "n"))
        rows.append(row)
    columns = [
        "judge, context",
        "steps seen as they are",
        "first wrong step as the step judge's",
        "right responses accepted",
        "… under another picture",
        "… beside a wrong reference with the right answer",
        "verdicts that change with the response's wording",
        "… with the reference's",
    ]
    note = (
        "Means over seeds. Under another picture the response is wrong and so is its reference: the picture is the "
        "truth. A wrong reference has other digits and the same answer: the response stays right."
    )
    return Table("What decisions hang on", columns, rows, note)


def _ratio(counts: Sequence[Mapping[str, int]], part: str, whole: str) -> str:
    """Mean over judges, with its interval: judges of one size and several seeds may be unlike each other."""
    shares = [count[part] / count[whole] for count in counts if count[whole]]
    return spread(estimate(shares)) if shares else "–"


def _figure(found: Found, judges: Mapping[str, Mapping[int, Measure]]) -> Figure:
    series = [
        Series(
            f"{found.labels[name]}, {context}",
            name,
            {seed: balanced(measure, context) for seed, measure in judges[name].items()},
        )
        for name, context in product(judges, CONTEXTS)
    ]
    return balanced_figure(series)


# ---- findings --------------------------------------------------------------------------------------------------------

#: A difference over the seeds, whether the paper's is above zero, and how large it is where it is of the same kind.
Compared = tuple[PairedDifference | None, bool, float | None]


def _comparisons(judges: Mapping[str, Mapping[int, Measure]]) -> dict[str, Compared]:
    """What is claimed, by its words."""
    claims: dict[str, Compared] = {}
    for name, own in judges.items():
        size = name.removeprefix("judge-")
        paper = PAPER[name]
        # Few claims: with three seeds each weakens the others.
        measured: tuple[tuple[Value, str, tuple[str, ...]], ...] = (
            (recall, "recall of false positives", ("answer", "solution")),
            (balanced, "balanced accuracy", ("solution",)),
        )
        for value, what, contexts in measured:
            for context in contexts:
                rise = paper[context] - paper["none"]
                said = f"{size} judge, {what}, {context} less none (the paper's recall: {rise:+.3f})"
                same = rise if value is recall else None
                claims[said] = (difference(own, value, context, "none"), True, same)
    gaps = {context: _gaps(judges, context) for context in ("none", "solution")}
    if gaps["none"] and len(gaps["none"]) == len(gaps["solution"]):
        said = "gap of the sizes in balanced accuracy, solution less none (the paper's recall: +0.001 less +0.050)"
        claims[said] = (paired_difference(gaps["solution"], gaps["none"]), False, None)
    return claims


def difference(judges: Mapping[int, Measure], value: Value, first: str, second: str) -> PairedDifference | None:
    """A value in the first context less that in the second, judge by judge; None where no judge has both."""
    both = [(value(measure, first), value(measure, second)) for measure in judges.values()]
    known = [(one, other) for one, other in both if one is not None and other is not None]
    return paired_difference(*zip(*known, strict=True)) if known else None


def _gaps(judges: Mapping[str, Mapping[int, Measure]], context: str) -> list[float]:
    """By seed, how much better the large judge is; see `balanced`."""
    if len(judges) < 2:
        return []
    small, large = (judges[name] for name in SIZES)
    pairs = [(balanced(large[seed], context), balanced(small[seed], context)) for seed in small if seed in large]
    return [one - other for one, other in pairs if one is not None and other is not None]


def _findings(comparisons: Mapping[str, Compared], judges: Mapping[str, Mapping[int, Measure]]) -> list[Finding]:
    # The paper measures recall alone.
    claims = [
        Claim(Comparison("", "", said, apart, None), said, up, rise, of_the_paper=not up or rise is not None)
        for said, (apart, up, rise) in comparisons.items()
        if apart is not None
    ]
    return [*findings_of(claims), *_bias(judges)]


def _bias(judges: Mapping[str, Mapping[int, Measure]]) -> list[Finding]:
    """The paper's people agreed with 95.8 % of 1,000 rejections: ours are known."""
    sets = [chosen for chosen in _sets(judges).values() if chosen.places]
    if not sets:
        return []
    places, false = _size(sets)
    sees = f"Of the responses that both judges with the solution reject {false / places:.3f} are false positives"
    why = "The share depends on how many true positives there are to be rejected; here as many as false ones."
    return [Finding("cannot be told", f"{sees} (the paper: people agreed with 95.8 % of 1,000).", why)]


def _believes(judges: Mapping[str, Mapping[int, Measure]]) -> list[str]:
    """The picture is the truth and the reference an aid (A.2): whether a judge with the solution keeps to that."""
    said = []
    for name, own in judges.items():
        picture, reference = (
            _ratio([one["changed"][change]["solution"] for one in own.values()], "after", "n")
            for change in ("picture", "reference")
        )
        size = name.removeprefix("judge-")
        said.append(
            f"the {size} judge accepts {picture} of the responses that agree with their reference and not with the "
            f"picture, and {reference} of those that agree with the picture and not with their reference"
        )
    if not said:
        return []
    return [f"The picture is meant to be the truth and the reference an aid. With the solution {'; '.join(said)}."]


def _bias_said(judges: Mapping[str, Mapping[int, Measure]]) -> list[str]:
    biases = [
        f"{name.removeprefix('judge-')}, {context} {bias.mean:+.3f}{ends_of(bias)}"
        for name, context in product(judges, CONTEXTS)
        if (bias := _bias_of(judges, name, context)) is not None
    ]
    if not biases:
        return []
    return [
        f"Bias of the paper's protocol, recall on the chosen set less recall by known labels: {'; '.join(biases)}. A "
        "set that judges with the solution chose holds what such judges find, and says nothing of what they miss or of "
        "right responses that they reject."
    ]
