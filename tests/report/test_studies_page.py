"""The page of studies: every verdict is said, every figure drawn, and what it is made of is text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from browser_pages import Opened, needs_chromium

from contextrl.commands.reproduction.pages import chart_of
from contextrl.report.shell import spans
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


def test_code_spans_are_code_and_their_text_stays_text() -> None:
    assert spans("such as `a < b`, 0.5 [0.4, 0.6]") == "such as <code>a &lt; b</code>, 0.5 [0.4,\u00a00.6]"
    assert spans("`<script>`") == "<code>&lt;script&gt;</code>"
    assert spans("a ` <b>") == "a ` &lt;b&gt;", "nothing closes it"
    assert spans("`{0.__class__}`") == "<code>{0.__class__}</code>"


def test_a_study_without_a_claim_says_so(tmp_path: Path) -> None:
    alone = ShownStudy("open", "Open", "nothing", "contextrl reproduce open", "3 seeds", [], ["A note."], [])
    assert "the paper claims nothing here" in build_studies_page([alone], title="Studies", facts="f")
    assert "the paper claims nothing here" not in page(tmp_path).read_text(encoding="utf-8")


@needs_chromium
def test_a_table_that_fits_in_two_lines_a_cell_is_not_scrolled(browser: Any, tmp_path: Path) -> None:
    """As many columns as the main comparison has, in a common window."""
    columns = ["arm", *(f"accuracy of {n}" for n in range(7)), "entropy at the end", "tokens sampled", "seeds"]
    rows = [["GRPO, process reward, ContextRL's tokens", *["0.665 [0.616, 0.715]"] * 7, "0.017", "112k", "5"]]
    studies = [
        ShownStudy(
            "m",
            "M",
            "c",
            "contextrl reproduce m",
            "s",
            [ShownFinding("agrees", "a")],
            [],
            [ShownTable("T", columns, rows)],
        )
    ]
    written = tmp_path / "wide.html"
    written.write_text(build_studies_page(studies, title="Studies", facts="f"), encoding="utf-8")
    opened = Opened(browser, written, viewport={"width": 1280, "height": 800})
    assert opened.page.evaluate("[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth)")
    opened.context.close()
    narrow = Opened(browser, written, viewport={"width": 380, "height": 800})
    seen = "(e => e.scrollWidth <= e.clientWidth)(document.querySelector('.scroll'))"
    assert narrow.page.evaluate(seen), "the number of verdicts is in sight"
    narrow.context.close()


@needs_chromium
def test_figures_are_drawn_and_findings_are_counted(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, page(tmp_path, HOSTILE))
    charts = opened.page.locator("[data-chart]")
    assert opened.page.locator("[data-chart] svg").count() == charts.count() == 2
    assert opened.page.locator("header td").all_inner_texts() == ["1", "1", "", ""] * 2
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
