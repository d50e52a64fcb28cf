"""What references are worth that are partial, wrong in a step, or written by a weaker model; the paper left it open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from contextrl.studies.accuracies import CONTEXTRL, against, as_data, dots, of, repeated_table
from contextrl.studies.figures import Comparison
from contextrl.studies.findings import Claim, difference_said, findings_of, no_interval, says, undecided
from contextrl.studies.study import Finding, Found, Result
from contextrl.studies.tables import Table, accuracy_table

#: Name of the probe whose measure this study reads: counts of the run's verdicts beside true ones.
VERDICTS = "verdicts"
#: What an arm may lose and still be said not to suffer: two points.
_SUFFERS = 0.02


def counted(verdicts: Sequence[tuple[int, bool, bool | None, bool]]) -> dict[str, int]:
    """Counts of verdicts on right answers.

    Args:
        verdicts: of each response with a right answer: its stage, whether its steps are right, whether the run's judge
            found them right (None: unscored), and of a retry whether it was kept.
    """
    counts: Counter[str] = Counter()
    for stage, true, said, kept in verdicts:
        kind = "true_positives" if true else "false_positives"
        if stage == 1:
            counts[kind] += 1
            counts[f"{kind}_accepted"] += said is True
            counts[f"{kind}_unscored"] += said is None
        elif kept:
            counts["retries_kept"] += 1
            counts["retries_right"] += true
    return dict(counts)


def result(found: Found, *, benchmark: str, classes: Sequence[str], weak: str, sft: str, sft_weak: str) -> Result:
    """Tables, figure and findings on development images.

    Args:
        weak, sft, sft_weak: ContextRL on a weaker model's references, SFT on whole ones, SFT on the weaker model's.
    """
    title = "Accuracy after training, development images"
    tables = [accuracy_table(found.store, found.arms(), benchmark, title=title, classes=classes), _judged(found)]
    pairs = against(found, benchmark, ("misconceived",))
    tables += repeated_table(pairs, found.labels, "ContextRL with whole references less the others")
    findings = _unharmed(of(pairs, weak))
    sft_pairs = against(found, benchmark, (), arm=sft)
    if (pair := of(sft_pairs, sft_weak)) is not None:
        findings += findings_of([Claim(pair, "SFT on whole references less SFT on the weaker model's")])
    figure = dots(found, benchmark, title="Right answers by right steps, development images")
    return Result(tables, findings, figure, _losses(found, pairs), {"comparisons": as_data([*pairs, *sft_pairs])})


def _unharmed(pair: Comparison | None) -> list[Finding]:
    """Whether ContextRL does not suffer: no difference found is not enough, the interval must be narrow."""
    if pair is None:
        return []
    apart = pair.difference
    sees = f"ContextRL with whole references less ContextRL with the weaker model's: {difference_said(pair)}."
    if apart.low is None or apart.high is None:
        return [Finding("cannot be told", sees, no_interval(apart.n))]
    if apart.high < _SUFFERS:
        return [Finding("agrees", sees, f"The whole interval is below {_SUFFERS:.0%}.")]
    if says(pair) == "agrees":
        return [Finding("disagrees", sees)]
    room = f"The interval has room for none and for more than {_SUFFERS:.0%}."
    return [Finding("cannot be told", sees, room if apart.low <= 0 else undecided(apart))]


def _losses(found: Found, pairs: Sequence[Comparison]) -> list[str]:
    """What is open has no claim to agree with: only what is lost."""
    said = [
        f"{found.labels[pair.other]}: {difference_said(pair)}"
        for pair in pairs
        if pair.measure == "all" and pair.other.startswith("ref-")
    ]
    return [f"Whole references less others, answer and process: {'; '.join(said)}."] if said else []


def _judged(found: Found) -> Table:
    """How the judge's verdicts and what stage 2 kept compare with verdicts by whole references."""
    rows = []
    for name, label in found.labels.items():
        counts = counted_of(found, name)
        if not counts:
            continue
        groups = [cell.groups for cell in found.cells(name) if cell.groups.get("all_negative")]
        negative, recovered = (sum(own.get(key, 0) for own in groups) for key in ("all_negative", "recovered"))
        rows.append(
            [
                label,
                _share(counts["true_positives_accepted"], counts["true_positives"]),
                _share(rejected(counts), counts["false_positives"]),
                _share(recovered, negative),
                _share(counts["retries_right"], counts["retries_kept"]),
            ]
        )
    columns = ["arm", "true positives accepted", "false positives rejected", "groups recovered", "kept retries right"]
    note = (
        "Over all seeds: verdicts of training on right answers beside those by whole references; of all-negative "
        f"groups ({CONTEXTRL}: as the reference has it) those with a kept retry; of kept retries those that are right."
    )
    return Table("What the judge made of the references", columns, rows, note)


def counted_of(found: Found, name: str) -> Counter[str]:
    """`counted` of an arm's runs together; empty where none was asked."""
    counts: Counter[str] = Counter()
    for measured in found.measures(name, VERDICTS):
        counts.update(_whole(measured))
    return counts


def rejected(counts: Mapping[str, int]) -> int:
    """Of the false positives of stage 1 those that the run's judge rejected."""
    return counts["false_positives"] - counts["false_positives_accepted"] - counts["false_positives_unscored"]


def _whole(measured: Any) -> Mapping[str, int]:
    return {key: int(value) for key, value in measured.items()} if isinstance(measured, Mapping) else {}


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "–"
