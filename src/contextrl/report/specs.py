"""Vega-Lite charts from rows of numbers: hover for values, drag to move, Alt and wheel to zoom.

A page writes legends itself, where they wrap and can be pressed (`page.js`); figures for papers have Vega's.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contextrl.report.palette import colours_of, dashes
from contextrl.report.text import visible

Row = dict[str, Any]
Spec = dict[str, Any]

#: In 6.4, tooltips of the value nearest to the pointer have undefined fields: their datum is Voronoi's, not the row.
VEGA_LITE = "6.1"
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
#: Points of a series that a chart of a page's width can show; more are averaged.
MOST_POINTS = 400
#: Steps of which each has a mark of its own: a line through one of them would show nothing.
FEW_STEPS = 24
HEIGHT = 220
#: Longest labels of rows, in pixels; the page has shorter ones where it is narrow.
LABELS = 260
#: Of a chart whose colours are a scale, and what that says.
HEAT, SCALE = "heat", "groups with a right sample at stage 1"
#: Pixels beside the first and the last step, so that marks there are whole.
PADDING = 5
#: Lines and text within a figure, on any ground.
_INK = "#6b7480"


@dataclass(frozen=True)
class Chart:
    """A figure of the page.

    Attributes:
        name: of its element and its file.
        rows: what it shows, for the table of values under it.
        zero: series that are zero at every step, which are named instead of drawn.
        wide: it has the whole width of paper.
    """

    name: str
    title: str
    caption: str
    spec: Spec
    rows: list[Row]
    zero: Sequence[str] = ()
    wide: bool = False


@dataclass(frozen=True)
class Look:
    """How a series is drawn.

    Attributes:
        dash: of its line; None for an area.
    """

    name: str
    colour: str
    dash: list[int] | None = None


def looks_of(names: Sequence[str], colours: Sequence[str] | None = None) -> list[Look]:
    """Of lines: by what they mean, or in colours of the caller's."""
    chosen = list(colours or colours_of(names))
    return [Look(*look) for look in zip(names, chosen, dashes(chosen), strict=True)]


def config() -> Spec:
    """What all charts share. The page's style sheet colours text and lines, for light and dark."""
    font = "system-ui, sans-serif"
    return {
        "background": None,
        "font": font,
        "view": {"stroke": None},
        "axis": {"grid": True, "tickCount": 6, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"},
        "axisY": {"labelLimit": LABELS},
        "legend": {"disable": True},
    }


def legend_of(spec: Spec) -> list[Look]:
    """The series of a chart, in their order; empty where it has none, or names them itself."""
    encodings = [part.get("encoding", {}) for part in (spec, *spec.get("layer", []))]
    scales = {
        channel: encoding[channel]["scale"]
        for encoding in encodings
        for channel in ("color", "strokeDash")
        if "range" in encoding.get(channel, {}).get("scale", {}) and "legend" not in encoding[channel]
    }
    colours = scales.get("color", {"domain": [], "range": []})
    dashed = scales["strokeDash"]["range"] if "strokeDash" in scales else [None] * len(colours["range"])
    return [Look(*look) for look in zip(colours["domain"], colours["range"], dashed, strict=True)]


def paper_legend(spec: Spec) -> Spec:
    """The configuration of a legend in a figure of its own: one column, so that no name is cut."""
    if spec.get("name") == HEAT:
        named = {"titleLimit": 400, "gradientLength": 220, "gradientStrokeColor": _INK, "gradientStrokeWidth": 1}
        return {"orient": "top", "direction": "horizontal", "title": SCALE, **named}
    line = any(look.dash is not None for look in legend_of(spec))
    symbol = {"symbolType": "stroke", "symbolSize": 300} if line else {"symbolType": "square", "symbolSize": 100}
    return {
        "orient": "top",
        "direction": "vertical",
        "columns": 1,
        "labelLimit": 0,
        "title": None,
        "symbolOpacity": 1,
        "symbolStrokeWidth": 2,
        "labelFontSize": 11,
    } | symbol


def base(rows: Sequence[Row], height: int = HEIGHT) -> Spec:
    """What all charts of these rows begin with; `height` in pixels."""
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": config(),
        "data": {"values": list(rows)},
    }


def _shown() -> Spec:
    # A variable in place of Vega's own selection: the page's legend sets it.
    return {"name": "shown", "value": []}


def _zoom() -> Spec:
    # Without a key the page could not be scrolled past a chart; with Shift, browsers turn the wheel sideways.
    wheel = "wheel![event.altKey]"
    return {"name": "zoom", "select": {"type": "interval", "encodings": ["x"], "zoom": wheel}, "bind": "scales"}


def _faded() -> Spec:
    return {"condition": {"test": "!length(shown) || indexof(shown, datum.series) >= 0", "value": 1}, "value": 0.06}


def _x() -> Spec:
    return {
        "field": "step",
        "type": "quantitative",
        "title": "step",
        "axis": {"grid": False, "format": "~d", "tickMinStep": 1},
        "scale": {"padding": PADDING, "nice": False},
    }


def _y(title: str, rows: Sequence[Row], percent: bool, field: str = "value") -> Spec:
    y = {"field": field, "type": "quantitative", "title": title}
    if not percent:
        return y | {"scale": {"zero": False, "nice": False, "padding": PADDING}}
    top = max((float(row.get("high") or row["value"]) for row in rows), default=1.0)
    # A little above the highest, so that marks there are whole.
    scale = {"domain": [0, 1.04 * top or 1.0], "nice": False}
    return y | {"axis": {"title": title, "format": ".0%" if top > 0.05 else "~%"}, "scale": scale}


def _colour(looks: Sequence[Look]) -> Spec:
    scale = {"domain": [look.name for look in looks], "range": [look.colour for look in looks]}
    return {"field": "series", "type": "nominal", "scale": scale}


def _dash(looks: Sequence[Look]) -> Spec:
    scale = {"domain": [look.name for look in looks], "range": [look.dash for look in looks]}
    return {"field": "series", "type": "nominal", "scale": scale}


def series_names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["series"] for row in rows))


def _few(rows: Sequence[Row]) -> bool:
    return len({row["step"] for row in rows}) <= FEW_STEPS


def lines(
    rows: Sequence[Row],
    y: str,
    *,
    percent: bool = False,
    raw: bool = True,
    looks: Sequence[Look] | None = None,
) -> Spec:
    """Lines over steps; where there are many steps, a moving average over what each step had.

    Args:
        rows: `step, value, series`, and for a band around a line `low, high`; lines of one series are told apart by
            `run` where there is one.
        raw: show each step's value behind the average.
        looks: of the series, by default of those in the rows by what they mean.
    """
    looks = looks_of(series_names(rows)) if looks is None else looks
    colour, runs = _colour(looks), any("run" in row for row in rows)
    detail: Spec = {"detail": {"field": "run"}} if runs else {}
    layers: list[Spec] = []
    if any("low" in row for row in rows):
        ends = {"y": _y(y, rows, percent, "low"), "y2": {"field": "high"}}
        band = ends | {"color": colour, "stroke": colour, "opacity": _faded(), **detail}
        layers.append({"mark": {"type": "area", "fillOpacity": 0.12, "strokeWidth": 0.6}, "encoding": band})
    reach = smoothing(rows)
    if reach and raw:
        behind = {"y": _y(y, rows, percent), "color": colour, "opacity": _faded(), **detail}
        layers.append({"mark": {"type": "line", "strokeWidth": 0.5}, "encoding": behind})
    line = {
        "y": _y(y, rows, percent, "smooth" if reach else "value"),
        "color": colour,
        "strokeDash": _dash(looks),
        "opacity": _faded(),
        **detail,
    }
    mark = {"type": "line", "strokeWidth": 2, "point": {"size": 30} if _few(rows) else False}
    layers.append({"mark": mark, "encoding": line, "params": [_zoom()]})
    layers.append(_hover(_y(y, rows, percent), colour, _tooltip(rows, percent)))
    mean = {"op": "mean", "field": "value", "as": "smooth"}
    window = {"window": [mean], "frame": [-reach, reach], "groupby": ["series", "run"], "sort": [{"field": "step"}]}
    encoding = {"x": _x()}
    spec = base(rows) | {"params": [_shown()], "transform": [window] if reach else []}
    return spec | {"encoding": encoding, "layer": layers}


def smoothing(rows: Sequence[Row]) -> int:
    """Steps on each side over which a line of many steps is averaged; 0 where there are few."""
    points = len({row["step"] for row in rows})
    return points // 32 if points >= 40 else 0


def _tooltip(rows: Sequence[Row], percent: bool) -> list[Spec]:
    """What is said of a value over steps, of that which rows have."""
    form = ".1%" if percent else ".4~g"
    said: dict[str, Spec] = {name: {"type": "nominal"} for name in ("series", "run")}
    said |= {name: {"type": "quantitative"} for name in ("step", "questions")}
    said |= {name: {"type": "quantitative", "format": form} for name in ("value", "low", "high")}
    return [{"field": name, **how} for name, how in said.items() if any(name in row for row in rows)]


def _hover(y: Spec, colour: Spec, tooltip: list[Spec]) -> Spec:
    """The value nearest to the pointer, shown with its numbers."""
    near = {"name": "near", "select": {"type": "point", "on": "pointermove", "clear": "pointerout", "nearest": True}}
    shown = {"condition": {"param": "near", "empty": False, "value": 1}, "value": 0}
    encoding = {"y": y, "color": colour, "opacity": shown, "tooltip": tooltip}
    return {"mark": {"type": "point", "filled": True, "size": 60}, "encoding": encoding, "params": [near]}


def stacked(rows: Sequence[Row], y: str, *, percent: bool = False) -> Spec:
    """Areas over steps, one upon the other; a bar for each step where there are few."""
    names = series_names(rows)
    looks = [Look(name, colour) for name, colour in zip(names, colours_of(names), strict=True)]
    ordered = [row | {"order": names.index(row["series"])} for row in rows]
    few = _few(rows)
    ordinal = {"field": "step", "type": "ordinal", "title": "step", "axis": {"labelAngle": 0, "labelOverlap": True}}
    encoding = {
        "x": ordinal if few else _x(),
        "y": _y(y, rows, percent) | {"stack": "zero", "scale": {"domain": [0, 1]} if percent else {"zero": True}},
        "color": _colour(looks),
        "opacity": _faded(),
        "order": {"field": "order", "type": "quantitative"},
        "tooltip": _tooltip(rows, percent),
    }
    # Between neighbours a line in the colour of the ground: no seven colours stand out from each other.
    line = {"stroke": "white", "strokeWidth": 0.5}
    mark = {"type": "bar", **line} if few else {"type": "area", "interpolate": "step-after", **line}
    params = [_shown()] if few else [_shown(), _zoom()]
    return base(ordered) | {"name": "stack", "params": params, "mark": mark, "encoding": encoding}


def _rows_in_order(field: str, names: Sequence[str]) -> Spec:
    # A domain in place of Vega-Lite's `sort`, which would write the names into an expression.
    return {"field": field, "type": "nominal", "sort": None, "scale": {"domain": list(names)}, "title": None}


def bars(rows: Sequence[Row], x: str, colour: str) -> Spec:
    """Horizontal bars with their numbers: `name, value`."""
    names = [row["name"] for row in rows]
    y = _rows_in_order("name", names) | {"axis": {"grid": False}}
    axis = {"format": ",d", "tickMinStep": 1, "labelSeparation": 8, "labelOverlap": "greedy"}
    value = {"field": "value", "type": "quantitative", "title": x, "axis": axis}
    text = {"field": "value", "type": "quantitative", "format": ",d"}
    return base(rows, 26 * len(names)) | {
        "encoding": {"y": y, "x": value},
        "layer": [
            {"mark": {"type": "bar", "color": colour, "tooltip": True}},
            {"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": {"text": text}},
        ],
    }


def heat(rows: Sequence[Row]) -> Spec:
    """Shares by kind and part of the run; where stage 2 recovered groups, their number.

    Args:
        rows: `kind, steps, place, share, groups, recovered`.
    """
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    parts = [row["steps"] for row in sorted(rows, key=lambda row: row["place"])]
    plain = {"grid": False, "labelOverlap": True}
    x = {"field": "steps", "type": "ordinal", "sort": list(dict.fromkeys(parts)), "title": "steps", "axis": plain}
    short = {"labelExpr": f"slice(datum.label, {len(_shared_folder(kinds))})", "grid": False}
    y = _rows_in_order("kind", kinds) | {"axis": short}
    tooltip = [
        {"field": "kind", "type": "nominal"},
        {"field": "steps", "type": "nominal"},
        {"field": "share", "type": "quantitative", "format": ".0%"},
        {"field": "groups", "type": "quantitative"},
        {"field": "recovered", "type": "quantitative"},
    ]
    scale = {"domain": [0, 1], "scheme": "cividis"}
    colour = {"field": "share", "type": "quantitative", "scale": scale}
    ink = {"condition": {"test": "datum.share > 0.5", "value": "#000000"}, "value": "#ffffff"}
    number = {"text": {"field": "recovered", "type": "quantitative", "format": "+d"}, "color": ink}
    return base(rows, 26 * len(kinds)) | {
        "name": HEAT,
        "encoding": {"x": x, "y": y, "tooltip": tooltip},
        "layer": [
            {"mark": {"type": "rect", "stroke": _INK, "strokeWidth": 1}, "encoding": {"color": colour}},
            {
                "name": "recovered",
                "transform": [{"filter": "datum.recovered > 0"}],
                "mark": {"type": "text", "fontSize": 10},
                "encoding": number,
            },
        ],
    }


def _shared_folder(names: Sequence[str]) -> str:
    """What all names that are paths begin with, as they are shown: `set/` of `set/sum` and `set/read`."""
    folders = [visible(name).split("/")[:-1] for name in names]
    shared = list(itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False)))
    folder = "".join(f"{parts[0]}/" for parts in shared)
    return folder if len(names) > 1 and folder.isascii() else ""


def dots(rows: Sequence[Row], x: str, looks: Sequence[Look], before: float | None) -> Spec:
    """The figure of papers: each method's mean as a dot with its interval, its seeds as points under it.

    Args:
        rows: `series, value, what`, which is `mean` (with `low, high` where there is an interval) or `seed` (with
            `run, seed`).
        looks: of the methods, in the order in which they are shown.
        before: where all began, marked by a line.
    """
    names = [look.name for look in looks]
    y = _rows_in_order("series", names) | {"axis": None}
    axis = {"title": x, "format": ".0%"}
    method = {"field": "series", "type": "nominal", "title": "method"}
    known = any("low" in row for row in rows)
    shares = [{"field": name, "type": "quantitative", "format": ".1%"} for name in ("value", "low", "high")]
    mean_said = [method, *(shares if known else shares[:1])]
    seed_said = [method, *({"field": name, "type": "nominal"} for name in ("run", "seed")), shares[0]]

    def value(field: str = "value") -> Spec:
        return {"field": field, "type": "quantitative", "axis": axis, "scale": {"zero": False, "nice": True}}

    def layer(name: str, what: str, mark: Spec, encoding: Spec, also: str = "") -> Spec:
        keep = [{"filter": f"datum.what == '{what}'{also}"}]
        return {"name": name, "transform": keep, "mark": mark, "encoding": {"y": y, **encoding}}

    colour = _colour(looks) | {"legend": None}
    # Above its row, where a phone has room for it.
    named = {"type": "text", "align": "left", "fontSize": 11, "yOffset": -13, "limit": {"expr": "width"}}
    ends = {"x": value("low"), "x2": {"field": "high"}, "color": colour, "tooltip": mean_said}
    ring = {"type": "point", "filled": False, "size": 28, "yOffset": 11, "strokeWidth": 1.2, "opacity": 1}
    dot = {"type": "point", "filled": True, "size": 90, "opacity": 1}
    layers = [
        layer("names", "mean", named, {"x": {"value": 4}, "text": {"field": "series"}}),
        *(
            [layer("intervals", "mean", {"type": "rule", "strokeWidth": 2}, ends, " && isValid(datum.low)")]
            if known
            else []
        ),
        layer("seeds", "seed", ring, {"x": value(), "color": colour, "tooltip": seed_said}),
        layer("means", "mean", dot, {"x": value(), "color": colour, "tooltip": mean_said}),
    ]
    if before is not None:
        rule = {"type": "rule", "strokeDash": [4, 3], "color": _INK, "tooltip": "before training"}
        start = {"name": "before", "data": {"values": [{"value": before}]}, "mark": rule}
        layers.insert(0, start | {"encoding": {"x": value()}})
    return base(rows, 48 * len(names)) | {"layer": layers}


def thinned(series: Sequence[tuple[int, float]], most: int = MOST_POINTS) -> list[tuple[int, float]]:
    """At most so many points: means of neighbours, at the last one's step."""
    size = -(-len(series) // most)
    if size <= 1:
        return list(series)
    parts = [series[start : start + size] for start in range(0, len(series), size)]
    return [(part[-1][0], sum(value for _, value in part) / len(part)) for part in parts]
