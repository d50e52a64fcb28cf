"""Charts of what a set's rows are like: bars by name, and columns over bins of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contextrl.report.palette import BLUE
from contextrl.report.specs import HEIGHT, Chart, Row, Spec, bars, base

#: Names that a chart shows; the rest are one bar.
MOST_BARS = 20
#: Characters of labels that fit side by side under a chart on a phone.
_ONE_LINE = 30
#: Rows up to which each number has its tick.
_WHOLE_TICKS = 5


def counted(name: str, title: str, caption: str, counts: Sequence[tuple[str, int]], colour: str = BLUE) -> Chart:
    """Rows by name, in the order that is given; of many names the first ones and the rest together."""
    rows: list[Row] = [{"name": label, "value": count} for label, count in counts[:MOST_BARS]]
    if len(counts) > MOST_BARS:
        rest = counts[MOST_BARS:]
        rows.append({"name": f"({len(rest):,} others)", "value": sum(count for _, count in rest)})
    return Chart(name, title, caption, bars(rows, "rows", colour), rows)


def columns(name: str, title: str, caption: str, x: str, bins: Sequence[tuple[str, int]], what: str = "rows") -> Chart:
    """Numbers in bins.

    Args:
        bins: their labels and what is in them, in order.
    """
    rows: list[Row] = [{x: label, what: count} for label, count in bins]
    return Chart(name, title, caption, _columns(rows, x, what), rows)


def _columns(rows: Sequence[Row], x: str, what: str) -> Spec:
    names = [row[x] for row in rows]
    angle = 0 if sum(map(len, names)) <= _ONE_LINE else -40
    short = {"labelAngle": angle, "labelOverlap": False, "grid": False}
    labels: dict[str, Any] = {"field": x, "type": "ordinal", "sort": None, "scale": {"domain": names}, "axis": short}
    top = max((int(row[what]) for row in rows), default=0)
    ticks: dict[str, Any] = {"format": ",d", "tickMinStep": 1}
    if top <= _WHOLE_TICKS:  # halves would be there too, written as whole numbers
        ticks["values"] = list(range(top + 1))
    value = {"field": what, "type": "quantitative", "title": what, "axis": ticks}
    tooltip = [{"field": x, "type": "nominal"}, {"field": what, "type": "quantitative", "format": ",d"}]
    encoding = {"x": labels, "y": value, "tooltip": tooltip}
    mark = {"type": "bar", "color": BLUE}
    return base(rows, HEIGHT) | {"mark": mark, "encoding": encoding}
