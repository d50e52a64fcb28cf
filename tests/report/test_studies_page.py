"""The page of studies: every verdict is said, every figure drawn, and what it is made of is text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from browser_pages import Opened, needs_chromium

from contextrl.commands.reproduction.pages import chart_of
from contextrl.report.studies_page import ShownFinding, ShownStudy, ShownTable, build_studies_page
from contextrl.studies.study import Figure

HOSTILE = "<img src=x onerror=alert(1)>\u202e{{ 7 * 7 }}</script><script>alert(2)</script>"
DOTS = Figure(
    "dots",
    "Accuracy",
    "On development images.",
    [
        {"series": "ours", "value": 0.9, "what": "mean", "low": 0.85, "high": 0.95},
        {"series": "ours", "value": 0.9, "what": "seed", "run": "ours", "seed": 0},
        {"series": HOSTILE, "value": 0.5, "what": "mean"},
    ],
    "right answers",
    before=0.4,
)
CURVES = Figure(
    "lines",
    "Reach",
    "By number of samples.",
    [{"step": k, "value": 1 - 0.9**k, "series": name} for name in ("base", "ours") for k in (1, 2, 4, 8)],
    "pass@k",
    x="k",
)


def page(folder: Path, text: str = "plain") -> Path:
    studies = [
        ShownStudy(
            name,
            f"{name} {text}",
            text,
            f"contextrl reproduce {name}",
            "3 seeds",
            [ShownFinding("agrees", text), ShownFinding("disagrees", "less", text)],
            [text],
            [ShownTable(text, ["arm", text], [[text, "0.5"]], text)],
            chart_of(name, figure),
        )
        for name, figure in (("methods", DOTS), ("reachability", CURVES))
    ]
    written = folder / "studies.html"
    written.write_text(build_studies_page(studies, title=f"Studies {text}", facts=text), encoding="utf-8")
    return written


def test_text_stays_text(tmp_path: Path) -> None:
    html = page(tmp_path, HOSTILE).read_text(encoding="utf-8")
    assert "<img src=x" not in html
    assert html.count("<script") == page(tmp_path).read_text(encoding="utf-8").count("<script")
    assert "\u202e" not in html


@needs_chromium
def test_figures_are_drawn_and_findings_are_counted(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, page(tmp_path, HOSTILE))
    charts = opened.page.locator("[data-chart]")
    assert opened.page.locator("[data-chart] svg").count() == charts.count() == 2
    assert opened.page.locator("header td").all_inner_texts() == ["1", "1", ""] * 2
    titles = opened.page.locator("#chart-reachability svg .role-axis-title text").all_text_contents()
    assert {"k", "pass@k"} <= set(titles)
    opened.check_quiet()
    opened.context.close()


@needs_chromium
def test_a_narrow_screen_is_not_scrolled_sideways(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, page(tmp_path), viewport={"width": 360, "height": 700})
    wide = opened.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360
    opened.context.close()
