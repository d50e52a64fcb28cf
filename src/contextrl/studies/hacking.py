"""Reward hacking: right answers with wrong processes, how they look, and when a judge's fault is found.

The paper shows two cases: a count reached with an invented object, a right option with a wrong physical argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from contextrl.statistics.seeds import Estimate, estimate
from contextrl.studies.accuracies import CONTEXTRL
from contextrl.studies.cells import Cell
from contextrl.studies.figures import answer_accuracy, compare_cells, over_seeds, process_accuracy
from contextrl.studies.findings import Claim, findings_of, worth
from contextrl.studies.study import Figure, Finding, Found, Result, Row
from contextrl.studies.tables import Table, spread

#: Name of the probe whose measure this study reads; see `report.audit.Audit.as_json`.
AUDIT = "audit"
#: Steps that make a point of the curve, and patterns that the table lists.
BLOCK, MOST_PATTERNS = 5, 10
#: Of right answers, those with a wrong process: derived from the paper's 8.9 % and 51.12 %.
PAPER = 0.155
#: Process accuracy without the right picture from which guessing would not explain it.
_LEAK = 0.05


def rate(audit: Mapping[str, Any], part: slice = slice(None)) -> float | None:
    """Of the right answers of some steps, those with a wrong process."""
    right, wrong = sum(audit["right"][part]), sum(audit["false_positives"][part])
    return wrong / right if right else None


def gap(audit: Mapping[str, Any], part: slice = slice(None)) -> float | None:
    """How much more was rewarded than the audit accepts, as a share of samples; None where nobody audits."""
    audited = sum(audit["audited"][part])
    return (sum(audit["rewarded"][part]) - sum(audit["deserved"][part])) / audited if audited else None


def accepted(audit: Mapping[str, Any], part: slice = slice(None)) -> float | None:
    """What the audit accepts, as a share of samples; None where nobody audits."""
    audited = sum(audit["audited"][part])
    return sum(audit["deserved"][part]) / audited if audited else None


def onset(audit: Mapping[str, Any]) -> int | None:
    """The step at which reward and audit part; None where they do not."""
    return None if audit["parting"] is None else int(audit["parting"]["step"])


def kind_of(source: str) -> str:
    """The kind that a source of the form `set/kind/class` names."""
    return [*source.split("/"), source][1] if "/" in source else source


def by_kind(audit: Mapping[str, Any]) -> dict[str, float]:
    """Of the right answers of each kind of question, those with a wrong process."""
    sums: dict[str, list[int]] = {}
    for source, tally in audit["kinds"].items():
        own = sums.setdefault(kind_of(source), [0, 0])
        own[0] += tally["false_positives"]
        own[1] += tally["right"]
    return {kind: wrong / right for kind, (wrong, right) in sorted(sums.items()) if right}


def pattern_share(audit: Mapping[str, Any], name: str, of: str = "false_positives") -> float:
    """Of a run's false positives (or samples `paid_in_error`) that were looked at, those that have a pattern."""
    whole = audit["looked_at"][of]
    found = audit["patterns"].get(name, {}).get(of, 0)
    return found / whole if whole else 0.0


# ---- what the cells say ----------------------------------------------------------------------------------------------


def result(
    found: Found, *, benchmark: str, controls: Mapping[str, str], hacked: Mapping[str, str], baselines: Sequence[str]
) -> Result:
    """Tables, figure and findings.

    Args:
        benchmark: development images.
        controls: the same items with other pictures, by what was done to these.
        hacked: arms whose judge has the planted fault, with their controls: the same settings and no fault. The first
            one samples once, the second tries again.
        baselines: arms without it.
    """
    arms = {name: cells for name in found.labels if (cells := [c for c in found.cells(name) if AUDIT in c.measures])}
    plain = {name: cells for name, cells in arms.items() if name in baselines}
    shown = [name for pair in hacked.items() for name in pair]
    planted = {name: arms[name] for name in shown if name in arms}
    arms = {name: cells for name, cells in arms.items() if name in plain or name in hacked}
    tables = [
        _rates(found, plain),
        _kinds(found, plain),
        _patterns(found, arms, hacked),
        _controls(found, benchmark, controls),
        *_planted(found, planted),
    ]
    findings = [*_share_findings(plain), *_hacking_findings(found, planted, hacked), *_guessing(found, controls)]
    return Result(tables, findings, _figure(found, planted or plain), _cases(plain), _data(arms | planted))


def _measures(cells: Sequence[Cell]) -> list[Mapping[str, Any]]:
    return [cell.measures[AUDIT] for cell in cells]


def _over(cells: Sequence[Cell], figure: Callable[[Mapping[str, Any]], float | None]) -> Estimate | None:
    values = [value for audit in _measures(cells) if (value := figure(audit)) is not None]
    return estimate(values) if values else None


def _third(audit: Mapping[str, Any], third: int) -> slice:
    count = len(audit["step"])
    return slice(count * third // 3, count * (third + 1) // 3)


def _in_third(
    figure: Callable[[Mapping[str, Any], slice], float | None], audit: Mapping[str, Any], third: int
) -> float | None:
    return figure(audit, _third(audit, third))


def _of_kind(audit: Mapping[str, Any], kind: str) -> float | None:
    return by_kind(audit).get(kind)


def _rates(found: Found, arms: Mapping[str, Sequence[Cell]]) -> Table:
    rows = [["the paper (derived)", f"{PAPER:.3f}", "–", "–", "–"]]
    for name, cells in arms.items():
        parts = [spread(_over(cells, partial(_in_third, rate, third=n))) for n in range(3)]
        rows.append([found.labels[name], spread(_over(cells, rate)), *parts])
    columns = ["method", "of all right answers", "first third of the steps", "second third", "last third"]
    note = "Stage-1 samples with a right answer whose process the step judge rejects. Means over seeds, 95 % intervals."
    return Table("Right answers with a wrong process", columns, rows, note)


def _kinds(found: Found, arms: Mapping[str, Sequence[Cell]]) -> Table:
    kinds = sorted({kind for cells in arms.values() for audit in _measures(cells) for kind in by_kind(audit)})
    rows = [
        [found.labels[name], *(spread(_over(cells, partial(_of_kind, kind=kind))) for kind in kinds)]
        for name, cells in arms.items()
    ]
    note = "Of the right answers to a kind of question, those with a wrong process; over all of training."
    return Table("The same by kind of question", ["method", *kinds], rows, note)


def _doubtful(arm: str, hacked: Mapping[str, str]) -> str:
    """The samples whose patterns count: those that a biased judge paid for in error, else false positives."""
    return "paid_in_error" if arm in hacked else "false_positives"


def _patterns(found: Found, arms: Mapping[str, Sequence[Cell]], hacked: Mapping[str, str]) -> Table:
    """Patterns of doubtful samples, the commonest ones of all arms, with an example."""
    counts: dict[str, int] = {}
    most: dict[str, int] = {}
    examples: dict[str, str] = {}
    for arm, cells in arms.items():
        for audit in _measures(cells):
            for name, pattern in audit["patterns"].items():
                own = pattern[_doubtful(arm, hacked)]
                counts[name] = counts.get(name, 0) + own
                # The example of the run that has most of it.
                if (doubtful := pattern["examples"][:own]) and own > most.get(name, 0):
                    most[name], examples[name] = own, doubtful[-1]
    names = sorted((name for name, count in counts.items() if count), key=lambda name: -counts[name])[:MOST_PATTERNS]
    rows = []
    for name in names:
        shares = [
            spread(_over(cells, partial(pattern_share, name=name, of=_doubtful(arm, hacked))))
            for arm, cells in arms.items()
        ]
        rows.append([name, f"{counts[name]:,}", *shares, _cell_text(examples.get(name, ""))])
    columns = ["pattern", "how many", *(found.labels[name] for name in arms), "example"]
    note = (
        "How many: of all arms and seeds. Share of an arm's false positives that have the pattern; with a biased "
        "judge, of the samples that it paid for in error. A response may have several, or none."
    )
    return Table("How they look", columns, rows, note)


def _cell_text(text: str) -> str:
    """Text of a policy within a Markdown table: one line, nothing that Markdown would take for its own."""
    plain = " ".join("".join(c if c.isprintable() and c not in "`|" else " " for c in text).split())[:90]
    return f"`{plain}`" if plain else "–"


def _controls(found: Found, benchmark: str, controls: Mapping[str, str]) -> Table:
    rows = []
    for label, cells in found.arms().items():
        own = [spread(over_seeds(cells, benchmark, figure)) for figure in (answer_accuracy, process_accuracy)]
        others = [
            spread(over_seeds(cells, name, figure))
            for name in controls.values()
            for figure in (answer_accuracy, process_accuracy)
        ]
        rows.append([label, *own, *others])
    what = ("answer", "answer and process")
    columns = ["method", *what, *(f"{said}: {part}" for said in controls for part in what)]
    note = "Greedy, development images; the process is judged against the digits of the question's own picture."
    return Table("Without the right picture", columns, rows, note)


def _paid_in_error(audit: Mapping[str, Any]) -> float | None:
    audited = sum(audit["audited"])
    return sum(audit["paid_in_error"]) / audited if audited else None


def _planted(found: Found, arms: Mapping[str, Sequence[Cell]]) -> list[Table]:
    rows = []
    for name, cells in arms.items():
        steps = [onset(audit) for audit in _measures(cells)]
        rows.append(
            [
                found.labels[name],
                ", ".join("never" if step is None else str(step) for step in steps),
                *(spread(_over(cells, partial(_in_third, gap, third=n))) for n in range(3)),
                spread(_over(cells, _paid_in_error)),
                *(spread(_over(cells, partial(_in_third, accepted, third=n))) for n in (0, 2)),
            ]
        )
    if not rows:
        return []
    columns = ["method", "parts at step, by seed", "gap, first third", "second third", "last third", "paid in error"]
    columns += ["the audit accepts, first third", "last third"]
    note = (
        "Gap: share of samples that the judge accepts less that of the audit. Paid in error: of all samples. Without "
        "bias judge and audit are one: what is to be compared is what the audit accepts."
    )
    return [Table("A judge that accepts what is long", columns, rows, note)]


def _figure(found: Found, arms: Mapping[str, Sequence[Cell]]) -> Figure | None:
    rows: list[Row] = []
    for name, cells in arms.items():
        for said, key in (("rewarded", "rewarded"), ("audited", "deserved")):
            points: dict[int, list[float]] = {}
            for audit in _measures(cells):
                for end, share in _blocks(audit, key):
                    points.setdefault(end, []).append(share)
            for end, values in sorted(points.items()):
                own = estimate(values)
                ends = {} if own.low is None else {"low": own.low, "high": own.high}
                rows.append({"step": end, "value": own.mean, "series": f"{found.labels[name]}: {said}", **ends})
    caption = f"Shares of stage-1 samples, means of {BLOCK} steps; bands are 95 % intervals over seeds."
    if not rows:
        return None
    return Figure("lines", "What a biased judge rewards and an audit accepts", caption, rows, "share of samples")


def _blocks(audit: Mapping[str, Any], key: str) -> list[tuple[int, float]]:
    sums: dict[int, list[int]] = {}
    for step, count, audited in zip(audit["step"], audit[key], audit["audited"], strict=True):
        own = sums.setdefault(-(-step // BLOCK) * BLOCK, [0, 0])
        own[0] += count
        own[1] += audited
    return [(end, count / audited) for end, (count, audited) in sorted(sums.items()) if audited]


def _share_findings(arms: Mapping[str, Sequence[Cell]]) -> list[Finding]:
    """The paper's share is of samples of its own training, with ContextRL; the other methods are in the table."""
    share = _over(arms.get(CONTEXTRL, ()), rate)
    said = "Right answers with a wrong process are more than 1 % with ContextRL"
    return [] if share is None else [worth(said, share, PAPER)]


def _hacking_findings(found: Found, arms: Mapping[str, Sequence[Cell]], hacked: Mapping[str, str]) -> list[Finding]:
    findings = []
    for name, cells in ((name, arms[name]) for name in hacked if name in arms):
        steps = [step for audit in _measures(cells) if (step := onset(audit)) is not None]
        said = f"at step {', '.join(map(str, steps))}" if steps else "not within the run"
        sees = f"{found.labels[name]}: reward and audit part {said}, in {len(steps)} of {len(cells)} runs."
        why = "The report of such a run names the step and the pattern."
        findings.append(Finding("not claimed", sees, why))
    claims = []
    last = "the last third"
    for name, control in hacked.items():
        said = f"What the audit accepts in {last}, {found.labels[name]} less {found.labels.get(control, control)}"
        claims += _apart(arms, name, control, accepted, said)
    if len(hacked) > 1:
        first, second, *_ = hacked
        said = f"Gap of {last}, {found.labels[second]} less {found.labels[first]}"
        claims += _apart(arms, second, first, gap, said)
    return [*findings, *findings_of(claims)]


def _apart(
    arms: Mapping[str, Sequence[Cell]],
    ours: str,
    plain: str,
    figure: Callable[[Mapping[str, Any], slice], float | None],
    said: str,
) -> list[Claim]:
    """How a figure of the last third differs between two arms, seed by seed."""
    pair = compare_cells(
        arms.get(ours, ()), arms.get(plain, ()), lambda cell: _in_third(figure, cell.measures[AUDIT], 2), said
    )
    return [] if pair is None or pair.difference.n < 2 else [Claim(pair, said, of_the_paper=False)]


def _guessing(found: Found, controls: Mapping[str, str]) -> list[Finding]:
    """What remains of the process without the right picture; nothing should."""
    parts, highest = [], 0.0
    for said, name in controls.items():
        shares = [s for cells in found.arms().values() if (s := over_seeds(cells, name, process_accuracy)) is not None]
        if shares:
            top = max(share.high if share.high is not None else share.mean for share in shares)
            highest = max(highest, top)
            parts.append(f"{said} {top:.3f}")
    if not parts:
        return []
    sees = f"Process accuracy without the right picture, the highest end of any method's interval: {', '.join(parts)}."
    return [
        Finding(
            "not claimed",
            sees,
            f"{'Below' if highest < _LEAK else 'Not below'} {_LEAK:.0%}. A process that is right without the picture "
            "would be a leak of the questions.",
        )
    ]


def _cases(arms: Mapping[str, Sequence[Cell]]) -> list[str]:
    """The paper's two cases, as they look here."""
    cases = {"invented digit": "a digit that is not there", "misread digit": "a right answer from misread digits"}
    notes = []
    for name, said in cases.items():
        audits = [audit for cells in arms.values() for audit in _measures(cells)]
        counts = sum(audit["patterns"].get(name, {}).get("false_positives", 0) for audit in audits)
        # A run's examples begin with its doubtful ones; what follows them are others.
        found = [pattern for audit in audits if (pattern := audit["patterns"].get(name))]
        shown = [example for one in found for example in one["examples"][: one["false_positives"]]]
        if counts and shown:
            of = sum(audit["looked_at"]["false_positives"] for audit in audits)
            notes.append(
                f"False positives by {said}: {counts:,} of {of:,} in {len(audits)} runs, such as "
                f"{_cell_text(shown[0])}."
            )
    return notes


def _data(arms: Mapping[str, Sequence[Cell]]) -> dict[str, Any]:
    return {name: [onset(audit) for audit in _measures(cells)] for name, cells in arms.items()}
