"""Vega-Lite charts from rows of numbers: hover for values, drag to move, Alt and wheel to zoom, click a legend.

Colours are Okabe and Ito's, which colour-blind people can tell apart, and every series has its own dash, for print.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Spec = dict[str, Any]

VEGA_LITE = "6.4"
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 2, 1, 2], [1, 3], [10, 2, 2, 2])
#: Points of a series that a chart of a page's width can show; more are averaged.
MOST_POINTS = 400
HEIGHT = 220


@dataclass(frozen=True)
class Chart:
    """A figure of the page.

    Attributes:
        name: of its element and its file.
        rows: what it shows, for the table of values under it.
    """

    name: str
    title: str
    caption: str
    spec: Spec
    rows: list[Row]


def config() -> Spec:
    """What all charts share. The page's style sheet colours text and lines, for light and dark."""
    font = "system-ui, sans-serif"
    return {
        "background": None,
        "font": font,
        "view": {"stroke": None},
        "axis": {"grid": True, "tickCount": 6, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"},
        "legend": {
            "orient": "top",
            "direction": "horizontal",
            "columns": 2,
            "labelLimit": 300,
            "title": None,
            "symbolType": "stroke",
            "symbolSize": 300,
            "symbolOpacity": 1,
            "symbolStrokeWidth": 2,
            "labelFontSize": 11,
        },
    }


def _base(rows: Sequence[Row], height: int = HEIGHT) -> Spec:
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": config(),
        "data": {"values": list(rows)},
    }


def _zoom() -> Spec:
    # Without a key the page could not be scrolled past a chart; with Shift, browsers turn the wheel sideways.
    wheel = "wheel![event.altKey]"
    return {"name": "zoom", "select": {"type": "interval", "encodings": ["x"], "zoom": wheel}, "bind": "scales"}


def _shown() -> Spec:
    return {"name": "shown", "select": {"type": "point", "fields": ["series"]}, "bind": "legend"}


def _faded(full: float = 1.0) -> Spec:
    return {"condition": {"param": "shown", "value": full}, "value": 0.06}


def _x() -> Spec:
    return {
        "field": "step",
        "type": "quantitative",
        "title": "step",
        "axis": {"grid": False, "format": "~d", "tickMinStep": 1},
    }


def _y(title: str, percent: bool, field: str = "value") -> Spec:
    if not percent:
        return {"field": field, "type": "quantitative", "title": title, "scale": {"zero": False}}
    axis = {"title": title, "format": ".0%"}
    return {"field": field, "type": "quantitative", "axis": axis, "scale": {"domainMin": 0, "nice": True}}


def _colour(names: Sequence[str]) -> Spec:
    scale = {"domain": list(names), "range": [COLOURS[n % len(COLOURS)] for n in range(len(names))]}
    return {"field": "series", "type": "nominal", "scale": scale}


def _dash(names: Sequence[str]) -> Spec:
    # After the last colour the dashes move on by one, so that no two series have both alike.
    dashes = [DASHES[(n + n // len(COLOURS)) % len(DASHES)] for n in range(len(names))]
    scale = {"domain": list(names), "range": dashes}
    return {"field": "series", "type": "nominal", "scale": scale}


def lines(rows: Sequence[Row], y: str, *, percent: bool = False, points: bool = False, raw: bool = True) -> Spec:
    """Lines over steps; where there are many steps, a moving average over what each step had.

    Args:
        rows: `step, value, series`, and for a band around a line `low, high`; lines of one series are told apart by
            `run` where there is one.
        points: mark every value, where there are few.
        raw: show each step's value behind the average.
    """
    names = list(dict.fromkeys(row["series"] for row in rows))
    colour, runs = _colour(names), any("run" in row for row in rows)
    detail: Spec = {"detail": {"field": "run"}} if runs else {}
    layers: list[Spec] = []
    if any("low" in row for row in rows):
        band = {"y": _y(y, percent, "low"), "y2": {"field": "high"}, "color": colour, "opacity": _faded(0.16)}
        layers.append({"mark": {"type": "area"}, "encoding": band})
    reach = 0 if points else smoothing(rows)
    if reach and raw:
        behind = {"y": _y(y, percent), "color": colour, "opacity": _faded(0.45), **detail}
        layers.append({"mark": {"type": "line", "strokeWidth": 0.7}, "encoding": behind})
    line = {
        "y": _y(y, percent, "smooth" if reach else "value"),
        "color": colour,
        "strokeDash": _dash(names),
        "opacity": _faded(),
        **detail,
    }
    mark = {"type": "line", "strokeWidth": 2, "point": {"size": 30} if points else False}
    layers.append({"mark": mark, "encoding": line, "params": [_zoom(), _shown()]})
    layers.append(_hover(_y(y, percent), colour, _tooltip(rows, percent)))
    mean = {"op": "mean", "field": "value", "as": "smooth"}
    window = {"window": [mean], "frame": [-reach, reach], "groupby": ["series", "run"], "sort": [{"field": "step"}]}
    return _base(rows) | {"transform": [window] if reach else [], "encoding": {"x": _x()}, "layer": layers}


def smoothing(rows: Sequence[Row]) -> int:
    """Steps on each side over which a line of many steps is averaged; 0 where there are few."""
    points = len({row["step"] for row in rows})
    return points // 32 if points >= 40 else 0


def _tooltip(rows: Sequence[Row], percent: bool) -> list[Spec]:
    """What is said of a value over steps, of that which rows have."""
    form = ".1%" if percent else ".4~g"
    said: dict[str, Spec] = {name: {"type": "nominal"} for name in ("series", "run")}
    said |= {"step": {"type": "quantitative"}}
    said |= {name: {"type": "quantitative", "format": form} for name in ("value", "low", "high")}
    return [{"field": name, **how} for name, how in said.items() if any(name in row for row in rows)]


def _hover(y: Spec, colour: Spec, tooltip: list[Spec]) -> Spec:
    """The value nearest to the pointer, shown with its numbers."""
    near = {"name": "near", "select": {"type": "point", "on": "pointermove", "clear": "pointerout", "nearest": True}}
    shown = {"condition": {"param": "near", "empty": False, "value": 1}, "value": 0}
    encoding = {"y": y, "color": colour, "opacity": shown, "tooltip": tooltip}
    return {"mark": {"type": "point", "filled": True, "size": 60}, "encoding": encoding, "params": [near]}


def stacked(rows: Sequence[Row], y: str, *, percent: bool = False) -> Spec:
    """Areas over steps, one upon the other."""
    names = list(dict.fromkeys(row["series"] for row in rows))
    order = {"field": "order", "type": "quantitative"}
    ordered = [row | {"order": names.index(row["series"])} for row in rows]
    encoding = {
        "x": _x(),
        "y": _y(y, percent) | {"stack": "zero", "scale": {"domain": [0, 1]} if percent else {"zero": True}},
        "color": _colour(names),
        "opacity": {"condition": {"param": "shown", "value": 0.85}, "value": 0.08},
        "order": order,
        "tooltip": _tooltip(rows, percent),
    }
    mark = {"type": "area", "interpolate": "step-after", "line": {"strokeWidth": 0.6}}
    spec = _base(ordered) | {"mark": mark, "encoding": encoding, "params": [_zoom(), _shown()]}
    spec["config"]["legend"] |= {"symbolType": "square", "symbolSize": 100}
    return spec


def bars(rows: Sequence[Row], x: str) -> Spec:
    """Horizontal bars with their numbers: `name, value`."""
    names = [row["name"] for row in rows]
    y = {"field": "name", "type": "nominal", "sort": names, "title": None, "axis": {"labelLimit": 260, "grid": False}}
    value = {"field": "value", "type": "quantitative", "title": x, "axis": {"format": "~d"}}
    text = {"field": "value", "type": "quantitative", "format": ",d"}
    return _base(rows, 26 * len(names)) | {
        "encoding": {"y": y, "x": value},
        "layer": [
            {"mark": {"type": "bar", "color": COLOURS[0], "tooltip": True}},
            {"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": {"text": text}},
        ],
    }


def heat(rows: Sequence[Row]) -> Spec:
    """Shares by kind and part of the run, with a ring where stage 2 recovered a group.

    Args:
        rows: `kind, steps, place, share, groups, recovered`.
    """
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    parts = [row["steps"] for row in sorted(rows, key=lambda row: row["place"])]
    plain = {"labelLimit": 260, "grid": False}
    x = {"field": "steps", "type": "ordinal", "sort": list(dict.fromkeys(parts)), "title": "steps", "axis": plain}
    y = {"field": "kind", "type": "nominal", "sort": kinds, "title": None, "axis": plain}
    scale = {"domain": [0, 1], "scheme": "cividis"}
    legend = {
        "format": ".0%",
        "title": "groups with a right sample at stage 1",
        "titleLimit": 400,
        "values": [0, 0.5, 1],
        "gradientLength": 220,
        "direction": "horizontal",
    }
    tooltip = [
        {"field": "kind", "type": "nominal"},
        {"field": "steps", "type": "nominal"},
        {"field": "share", "type": "quantitative", "format": ".0%"},
        {"field": "groups", "type": "quantitative"},
        {"field": "recovered", "type": "quantitative"},
    ]
    colour = {"field": "share", "type": "quantitative", "scale": scale, "legend": legend}
    ring = {"type": "point", "shape": "circle", "size": 90, "color": "#d55e00", "strokeWidth": 2}
    return _base(rows, 26 * len(kinds)) | {
        "encoding": {"x": x, "y": y, "tooltip": tooltip},
        "layer": [
            {"mark": "rect", "encoding": {"color": colour}},
            {"transform": [{"filter": "datum.recovered > 0"}], "mark": ring},
        ],
    }


def thinned(series: Sequence[tuple[int, float]], most: int = MOST_POINTS) -> list[tuple[int, float]]:
    """At most so many points: means of neighbours, at the last one's step."""
    size = -(-len(series) // most)
    if size <= 1:
        return list(series)
    parts = [series[start : start + size] for start in range(0, len(series), size)]
    return [(part[-1][0], sum(value for _, value in part) / len(part)) for part in parts]
