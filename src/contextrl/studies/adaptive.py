"""What it gives to show a judge the solution only where its votes without it part, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contextrl.statistics.seeds import Estimate, estimate, paired_difference
from contextrl.studies.figures import Comparison
from contextrl.studies.findings import Claim, findings_of
from contextrl.studies.judge_figure import Series, balanced_figure
from contextrl.studies.judging import FALSE, TRUE, balanced, recall, retention, unscored
from contextrl.studies.study import Figure, Finding, Found, Result
from contextrl.studies.tables import Table, spread

#: Name of the probe whose measure this study reads.
VOTES = "votes"
#: What is compared, by name in the measure.
_ALONE = {
    "first-greedy": "never shown, greedy",
    "first-drawn": "never shown, drawn",
    "solution-greedy": "always shown, greedy",
    "solution-drawn": "always shown, drawn",
}

Measure = Mapping[str, Any]


def shown(measure: Measure, name: str) -> float:
    """Share of the responses that the judge was shown the solution for."""
    marks: str = measure["shown"][name]
    return marks.count("1") / len(marks)


def at_random(measure: Measure, name: str) -> float | None:
    """Balanced accuracy to be expected if as many true and as many false positives were shown, each drawn by lot."""
    parts = []
    for label, value in ((TRUE, retention), (FALSE, recall)):
        marks = [mark for one, mark in zip(measure["labels"], measure["shown"][name], strict=True) if one == label]
        without, with_it = value(measure, "first-drawn"), value(measure, "solution-drawn")
        if not marks or without is None or with_it is None:
            return None
        share = marks.count("1") / len(marks)
        parts.append(without + share * (with_it - without))
    return sum(parts) / len(parts)


def kept(measures: Sequence[Measure], name: str) -> float | None:
    """What is left of the balanced accuracy that a solution always shown brings, of the means over all seeds.

    None where it cannot be told that it brings any: a share of what may be nothing says nothing.
    """
    rows = [[balanced(one, way) for way in (name, "first-drawn", "solution-drawn")] for one in measures]
    known = [[value for value in row if value is not None] for row in rows if None not in row]
    if not known:
        return None
    own, without, always = (list(values) for values in zip(*known, strict=True))
    gain = paired_difference(always, without)
    # Of seeds that do not differ there is no interval: what they all show stands in. One seed tells nothing.
    low = gain.mean if gain.low is None else gain.low
    if gain.n == 1 or low <= 0:
        return None
    return float((sum(own) - sum(without)) / (sum(always) - sum(without)))


def result(found: Found) -> Result:
    """A table and a figure of every way, and a paragraph for each judge."""
    judges = {label: own for name, label in found.labels.items() if (own := found.measures(name, VOTES))}
    tables = [_table(label, own) for label, own in judges.items()]
    notes = [said for label, own in judges.items() if (said := _said(label, own))]
    if notes:
        notes.append(
            "Votes cost more than one look with the solution: it saves solutions that are to be written, not tokens."
        )
    data = {label: {name: _values(own, name) for name in _names(own)} for label, own in judges.items()}
    return Result(tables, _findings(judges), _figure(judges), notes, data)


def _names(measures: Sequence[Measure]) -> list[str]:
    """Ways that every seed has, the adaptive ones last."""
    return [name for name in measures[0]["verdicts"] if all(name in one["verdicts"] for one in measures)]


def _label(name: str) -> str:
    return _ALONE.get(name) or f"shown where {name.rpartition('-')[2]} votes part"


def _values(measures: Sequence[Measure], name: str) -> dict[str, list[float]]:
    return {
        "balanced": [value for one in measures if (value := balanced(one, name)) is not None],
        "shown": [shown(one, name) for one in measures],
        "tokens": [one["tokens"][name] / len(one["labels"]) for one in measures],
    }


def _mean(values: Sequence[float | None]) -> Estimate | None:
    known = [value for value in values if value is not None]
    return estimate(known) if known else None


def _table(label: str, measures: Sequence[Measure]) -> Table:
    rows = []
    for name in _names(measures):
        figures = [spread(_mean([value(one, name) for one in measures])) for value in (balanced, recall, retention)]
        by_lot = spread(_mean([at_random(one, name) for one in measures])) if name not in _ALONE else "–"
        lost = _mean([unscored(one, name) for one in measures])
        share = _mean([shown(one, name) for one in measures])
        asked, tokens = (
            _mean([one[what][name] / len(one["labels"]) for one in measures]) for what in ("requests", "tokens")
        )
        rows.append(
            [
                _label(name),
                *figures,
                by_lot,
                "–" if share is None else f"{share.mean:.3f}",
                "–" if asked is None else f"{asked.mean:.2f}",
                "–" if tokens is None else f"{tokens.mean:.0f}",
                "–" if lost is None else f"{lost.mean:.3f}",
            ]
        )
    columns = ["the solution is", "balanced accuracy", "false positives rejected", "true positives kept"]
    columns += ["balanced accuracy if as many were shown by lot", "responses it is shown for", "requests a response"]
    first, temperature = measures[0]["first"], measures[0]["temperature"]
    sees = "nothing of the reference" if first == "none" else "the answer"
    seeds = f"{len(measures)} seeds" if len(measures) > 1 else "one seed"
    note = (
        f"Labels known from how responses are built; {len(measures[0]['labels'])} responses, {seeds} of judges. "
        f"Without the solution the judge sees {sees}; drawn replies have temperature {temperature:g}. An adaptive "
        "verdict with the solution is drawn once, as `always shown, drawn`. Tokens: of prompts, pictures and replies."
    )
    return Table(f"{label[:1].upper()}{label[1:]}", [*columns, "tokens a response", "unscored"], rows, note)


def _figure(judges: Mapping[str, Sequence[Measure]]) -> Figure:
    series = [
        Series(f"{label}: {_label(name)}", label, {seed: balanced(one, name) for seed, one in enumerate(measures)})
        for label, measures in judges.items()
        for name in _names(measures)
    ]
    return balanced_figure(series)


def _said(label: str, measures: Sequence[Measure]) -> str | None:
    """What it pays, by number of votes."""
    parts = []
    for name in _names(measures):
        own, always = (_mean([balanced(one, way) for one in measures]) for way in (name, "solution-drawn"))
        by_lot, share = _mean([at_random(one, name) for one in measures]), _mean([shown(one, name) for one in measures])
        if name in _ALONE or own is None or always is None or by_lot is None or share is None:
            continue
        rest = kept(measures, name)
        left = "" if rest is None else f", {rest:.0%} of what the solution brings"
        tokens = [one["tokens"][name] / one["tokens"]["solution-drawn"] for one in measures]
        parts.append(
            f"with {name.rpartition('-')[2]} votes it is shown for {share.mean:.0%} of the responses, balanced "
            f"accuracy is {own.mean:.3f} ({always.mean:.3f} where it is always shown, {by_lot.mean:.3f} where it is "
            f"shown for as many by lot{left}), for {sum(tokens) / len(tokens):.1f} times the tokens"
        )
    return f"{label[:1].upper()}{label[1:]}: {'; '.join(parts)}." if parts else None


def _findings(judges: Mapping[str, Sequence[Measure]]) -> list[Finding]:
    """Whether votes part where a judge errs: more is right than where as many are shown by lot."""
    pairs = []
    for label, measures in judges.items():
        for name in _names(measures):
            if name in _ALONE:
                continue
            both = [(balanced(one, name), at_random(one, name)) for one in measures]
            known = [(own, lot) for own, lot in both if own is not None and lot is not None]
            if known:
                apart = paired_difference(*zip(*known, strict=True))
                pairs.append(Comparison(label, f"{name.rpartition('-')[2]} votes", "", apart, None))
    said = "Votes part where the {} errs, {}: balanced accuracy less that by lot"
    return findings_of([Claim(pair, said.format(pair.arm, pair.other), of_the_paper=False) for pair in pairs])
