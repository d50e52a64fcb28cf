"""Charts as files for papers: SVG and PNG, white ground, a column's width."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import vl_convert
from rich.console import Console
from rich.progress import track

from contextrl.console import is_live
from contextrl.report.specs import VEGA_LITE, Chart, Spec

#: Of a figure, in pixels at 72 a inch; PNG files have three times as many.
WIDTH, SCALE = 420, 3.0


def write_figures(charts: Sequence[Chart], folder: Path, console: Console) -> list[Path]:
    """Write NAME.svg and NAME.png of every chart."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for chart in track(charts, "Figures", console=console, transient=True, disable=not is_live(console)):
        spec = for_paper(chart.spec)
        for path, content in (
            (folder / f"{chart.name}.svg", vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE).encode()),
            (folder / f"{chart.name}.png", vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=SCALE)),
        ):
            path.write_bytes(content)
            written.append(path)
    return written


def for_paper(spec: Spec) -> Spec:
    """A page's chart with a width of its own."""
    config = spec["config"] | {"background": "white"}
    return spec | {"width": WIDTH, "autosize": {"type": "pad"}, "config": config}
