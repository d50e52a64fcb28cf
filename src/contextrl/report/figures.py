"""Charts as files for papers: SVG and PNG, white ground, a column's width."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import vl_convert
from rich.console import Console

from contextrl.console import progress_bar
from contextrl.report.specs import VEGA_LITE, Chart, Spec, paper_legend

#: Of a figure, in pixels at 72 a inch; PNG files have three times as many.
WIDTH, SCALE = 420, 3.0


def write_figures(charts: Sequence[Chart], folder: Path, console: Console) -> list[Path]:
    """Write NAME.svg and NAME.png of every chart."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with progress_bar(console, "Figures", len(charts)) as advance:
        for chart in charts:
            spec = for_paper(chart.spec)
            for path, content in (
                (folder / f"{chart.name}.svg", vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE).encode()),
                (folder / f"{chart.name}.png", vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=SCALE)),
            ):
                path.write_bytes(content)
                written.append(path)
            advance(1)
    return written


def for_paper(spec: Spec) -> Spec:
    """A page's chart with a width and a legend of its own."""
    config = spec["config"] | {"background": "white", "legend": paper_legend(spec)}
    return spec | {"width": WIDTH, "autosize": {"type": "pad"}, "config": config}
