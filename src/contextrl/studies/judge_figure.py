"""The figure that studies of judges share: how well right and wrong processes are told apart, by judge and context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contextrl.statistics.seeds import estimate
from contextrl.studies.study import Figure, Row


@dataclass(frozen=True)
class Series:
    """A judge in a context.

    Attributes:
        label: what it is called.
        run: of the judge.
        values: balanced accuracy by seed; None where nothing could be counted.
    """

    label: str
    run: str
    values: Mapping[int, float | None]


def balanced_figure(series: Sequence[Series]) -> Figure:
    """Means with their intervals, and every seed."""
    rows: list[Row] = []
    for one in series:
        known = {seed: value for seed, value in one.values.items() if value is not None}
        if not known:
            continue
        mean = estimate(list(known.values()))
        ends = {} if mean.low is None else {"low": mean.low, "high": mean.high}
        rows.append({"series": one.label, "value": mean.mean, "what": "mean", **ends})
        for seed, value in known.items():
            rows.append({"series": one.label, "value": value, "what": "seed", "run": one.run, "seed": seed})
    caption = (
        "Mean of the share of false positives that a judge rejects and of true positives that it keeps; the dashed "
        "line is a judge that looks at nothing. Dots are means over judges of several seeds with intervals, rings are "
        "seeds."
    )
    return Figure("dots", "Right and wrong processes told apart", caption, rows, "balanced accuracy", before=0.5)
