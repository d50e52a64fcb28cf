"""Charts in headless Chromium: tooltips, legends, paper, contrast."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from browser_pages import Opened, needs_chromium, written
from run_folders import evaluated, finished_run, metrics, recovered, results, spread, write_run

from contextrl.report.palette import COLOURS, colours_of
from contextrl.report.specs import SCALE

pytestmark = needs_chromium

#: Where the visible points of a chart are, in pixels of the page, with what their rows say.
POINTS = """name => {
    const place = document.querySelector(`[data-chart='${name}']`);
    place.scrollIntoView({ block: "center", behavior: "instant" });
    const box = place.querySelector("svg").getBoundingClientRect();
    const found = [];
    const walk = (item, x, y) => {
        if (item.marktype === "group") {
            for (const group of item.items) {
                for (const mark of group.items ?? []) walk(mark, x + (group.x ?? 0), y + (group.y ?? 0));
            }
        } else if (item.marktype === "symbol" && item.role === "mark") {
            for (const mark of item.items) found.push([x + mark.x, y + mark.y]);
        }
    };
    walk(place.view.scenegraph().root, 0, 0);
    const [left, top] = place.view.origin();
    const padding = place.view.padding();
    return found.map(([x, y]) => [box.left + padding.left + left + x, box.top + padding.top + top + y]);
}"""


def tooltip_at(opened: Opened, x: float, y: float) -> dict[str, str]:
    """What the tooltip says: name to value."""
    opened.page.mouse.move(x - 1, y)
    opened.page.mouse.move(x, y)
    tooltip = opened.page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    return dict(row.split("\t") for row in tooltip.inner_text().replace(":\t", "\t").splitlines() if "\t" in row)


@pytest.mark.parametrize("name", ["outcome", "gap", "kl", "off-policy"])
def test_tooltips_of_line_charts_say_what_is_there(browser: Any, tmp_path: Path, name: str) -> None:
    steps = [
        {"step": 0, **evaluated(0.5, 0.4)},
        *(metrics(n, **{"off_policy/sample_share": 0.25, "off_policy/token_share": 0.5}) for n in range(1, 5)),
        {"step": 4, **evaluated(0.6, 0.55)},
    ]
    opened = Opened(browser, written(tmp_path, finished_run(tmp_path / "run", steps=steps)))
    rows = opened.page.evaluate("name => charts[name].rows", name)
    said = [tooltip_at(opened, x, y) for x, y in opened.page.evaluate(POINTS, name)]
    assert said
    for one in said:
        assert "undefined" not in str(one)
        (row,) = [r for r in rows if r["series"] == one["series"] and str(r["step"]) == one["step"]]
        shown = float(one["value"].rstrip("%")) / (100 if one["value"].endswith("%") else 1)
        assert shown == pytest.approx(row["value"], abs=0.0006)
    assert {one["series"] for one in said} == {row["series"] for row in rows}
    opened.check_quiet()


def methods(folder: Path, count: int) -> list[Path]:
    """Runs of so many methods, with names as long as settings make them."""
    return [
        finished_run(
            folder / f"run{n}",
            config={"method": "contextrl", "objective": {"off_policy_advantage_scale": n / 8}},
            outcome=results(0.6, 0.3 + n / 50),
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("width", [360, 1280])
def test_no_name_of_21_runs_is_cut(browser: Any, tmp_path: Path, width: int) -> None:
    opened = Opened(browser, written(tmp_path, *methods(tmp_path, 21)), viewport={"width": width, "height": 800})
    names = opened.page.evaluate("charts['compare-reward'].legend.map(look => look.name)")
    assert len(names) == 21
    assert "objective.off_policy_advantage_scale 2.5" in str(names)
    legend = opened.page.locator("#chart-compare-reward .legend button")
    assert legend.all_inner_texts() == names
    cut = """() => [...document.querySelectorAll(".legend button, .legend li")].filter(one => {
        const box = one.getBoundingClientRect();
        return box.right > innerWidth || box.left < 0 || one.scrollWidth > one.clientWidth + 1;
    }).length"""
    assert opened.page.evaluate(cut) == 0
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    shown = opened.page.locator("#chart-methods-process-accuracy .names_marks text").all_text_contents()
    assert shown == names, "each method by its dot, whole"
    opened.check_quiet()


def test_a_name_in_the_legend_hides_the_others(opened: Opened) -> None:
    paths = "[...document.querySelectorAll('#chart-gap .mark-line path')].map(p => p.getAttribute('opacity'))"

    def faded(want: int) -> None:
        opened.page.wait_for_function(f"want => {paths}.filter(o => o === '0.06').length === want", arg=want)

    buttons = opened.page.locator("#chart-gap .legend button")
    assert buttons.all_inner_texts() == ["right answer", "right answer and process"]
    faded(0)
    buttons.first.click()
    faded(1)
    assert buttons.first.get_attribute("aria-pressed") == "true"
    buttons.last.click(modifiers=["Shift"])
    faded(0)
    buttons.last.click()
    faded(1)
    buttons.last.focus()
    opened.page.keyboard.press("Enter")
    faded(0)
    assert buttons.last.get_attribute("aria-pressed") == "false"


def test_on_paper_charts_are_as_wide_as_their_columns(browser: Any, tmp_path: Path) -> None:
    """A chart that is drawn for a wide screen and shrunk to half a page has text of 4 points."""
    run = finished_run(tmp_path / "run")
    opened = Opened(browser, written(tmp_path, run), viewport={"width": 1280, "height": 900})
    page = opened.page
    before = page.evaluate("document.querySelector('#chart-outcome svg').viewBox.baseVal.width")
    page.set_viewport_size({"width": 718, "height": 1000})
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    scale = """() => [...document.querySelectorAll('[data-chart] svg')].map(svg =>
        svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"""
    page.wait_for_function(f"() => ({scale})().every(one => one > 0.9)")
    assert page.evaluate("document.querySelector('#chart-outcome svg').getBoundingClientRect().width") > 600, (
        "it is alone"
    )
    assert not page.locator("#filters").is_visible()
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    width = "document.querySelector('#chart-outcome svg').viewBox.baseVal.width"
    page.wait_for_function(f"want => Math.abs({width} - want) < 2", arg=before)
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    opened.check_quiet()


def test_a_map_says_how_many_groups_were_recovered(browser: Any, tmp_path: Path) -> None:
    groups = [recovered(1, source="set/sum"), recovered(1, source="set/sum"), spread(1, source="set/read")]
    run = write_run(tmp_path / "run", steps=[metrics(1)], groups=groups)
    opened = Opened(browser, written(tmp_path, run), viewport={"width": 360, "height": 740})
    assert opened.page.locator("#chart-kinds .recovered_marks text").all_text_contents() == ["+2"]
    labels = opened.page.locator("#chart-kinds .role-axis-label text").all_text_contents()
    assert {"sum", "read"} <= set(labels), "short, so that a phone cuts none"
    legend = opened.page.locator("#chart-kinds .legend")
    assert legend.inner_text().split() == [*f"{SCALE}:".split(), "0%", "100%"]
    box = legend.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 360
    opened.check_quiet()


def test_series_that_are_zero_are_named(browser: Any, tmp_path: Path) -> None:
    steps = [metrics(n, **{"clip_ratio/low_mean": 0.0, "clip_ratio/high_mean": 0.0}) for n in (1, 2)]
    opened = Opened(browser, written(tmp_path, write_run(tmp_path / "run", steps=steps)))
    assert opened.page.locator("#chart-false-positives .zero").inner_text() == "Zero at every step: unscored."
    assert opened.page.locator("#chart-clip").count() == 0
    assert "clipped tokens (low; high)" in opened.page.locator("#optimisation > .zero").inner_text()
    opened.check_quiet()


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """WCAG 2.2, "contrast ratio", of two colours as red, green and blue from 0 to 255."""

    def luminance(colour: tuple[float, ...]) -> float:
        parts = [part / 255 for part in colour]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def numbers(colour: str) -> tuple[float, ...]:
    if colour.startswith("#"):
        return tuple(float(int(colour[n : n + 2], 16)) for n in (1, 3, 5))
    return tuple(map(float, re.findall(r"[\d.]+", colour)[:3]))


def test_contrast_by_hand() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast(numbers("#767676"), numbers("rgb(255, 255, 255)")) == pytest.approx(4.54, abs=0.01)


BORDERS = """() => {
    const opaque = colour => !/^rgba\\(.*, 0\\)$/.test(colour);
    const groundOf = element => {
        for (let one = element; one; one = one.parentElement) {
            const colour = getComputedStyle(one).backgroundColor;
            if (opaque(colour)) return colour;
        }
    };
    const found = [];
    for (const element of document.body.querySelectorAll("*")) {
        if (!element.checkVisibility() || element.closest("svg") || !element.parentElement) continue;
        const style = getComputedStyle(element);
        for (const side of ["Top", "Right", "Bottom", "Left"]) {
            const colour = style[`border${side}Color`];
            if (parseFloat(style[`border${side}Width`]) && style[`border${side}Style`] !== "none" && opaque(colour)) {
                found.push([element.outerHTML.slice(0, 60), colour, groundOf(element.parentElement)]);
            }
        }
        if (style.textDecorationLine === "underline" && element.className === "differs") {
            found.push(["a step that differs", style.textDecorationColor, groundOf(element.parentElement)]);
        }
    }
    return found;
}"""
#: Paint of marks, lines of axes and swatches; a fill with a transparency of its own has a stroke around it.
MARKS = """() => {
    const found = [];
    const ground = getComputedStyle(document.body).backgroundColor;
    const inside = ".role-mark path, .role-mark line, .role-axis-domain line, .role-axis-tick line";
    const charts = `[data-chart]:not([data-chart="kinds"]) :is(${inside})`;
    for (const one of document.querySelectorAll(charts)) {
        const style = getComputedStyle(one);
        if (style.opacity === "0" || one.getAttribute("opacity") === "0") continue;
        const alpha = parseFloat(style.opacity);
        const stacked = one.closest(".stack_marks");
        const paints = [stacked ? null : ["stroke", alpha * style.strokeOpacity], ["fill", alpha * style.fillOpacity]];
        for (const [paint, opacity] of paints.filter(Boolean)) {
            if (style[paint] === "none" || /^rgba\\(.*, 0\\)$/.test(style[paint])) continue;
            if (paint === "fill" && opacity < 1 && style.stroke !== "none") continue;
            found.push([one.closest("[data-chart]")?.dataset.chart ?? "legend", style[paint], ground, opacity]);
        }
    }
    for (const one of document.querySelectorAll("[data-chart='kinds'] .mark-rect path")) {
        found.push(["kinds", getComputedStyle(one).stroke, ground, 1]);
    }
    return found;
}"""


@pytest.mark.parametrize(
    ("scheme", "media"), [("light", "screen"), ("dark", "screen"), ("light", "print"), ("dark", "print")]
)
@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
def test_marks_and_borders_stand_out_from_their_ground(
    browser: Any, demo: Path, tmp_path: Path, scheme: str, media: str, several: bool
) -> None:
    html = written(tmp_path, *methods(tmp_path, 9)) if several else demo
    opened = Opened(browser, html, color_scheme=scheme)
    page = opened.page
    page.emulate_media(media=media)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.locator(".group > .body mark").first.wait_for(state="attached")
    page.locator(".legend button").first.click()
    page.locator(".legend button").first.click()
    borders, marks = page.evaluate(BORDERS), page.evaluate(MARKS)
    assert len({colour for _, colour, _ in borders}) >= 4
    assert {"MARK", "differs"} <= {
        "MARK" if html.startswith("<mark") else "differs" if html.startswith("a step") else "" for html, _, _ in borders
    }
    assert len({colour for _, colour, _, _ in marks}) >= 6
    faint = {one for one in map(tuple, borders) if contrast(numbers(one[1]), numbers(one[2])) < 3}
    for chart, colour, ground, alpha in marks:
        mixed = tuple(alpha * a + (1 - alpha) * b for a, b in zip(numbers(colour), numbers(ground), strict=True))
        if contrast(mixed, numbers(ground)) < 3:
            faint.add((chart, colour, ground))
    assert not faint
    opened.check_quiet()


def test_every_colour_stands_out_on_light_and_dark_and_paper() -> None:
    names = ["answer", "unscored", "kept", "incorrect", "mixed", "scoring", "false positives", "not standalone"]
    names += ["duplicate", "truncated", "over the cap", *(f"class {n}" for n in range(8))]
    for colour in {*COLOURS, *colours_of(names)}:
        for ground in ("#ffffff", "#f6f7f9", "#14171b", "#1d2127"):
            assert contrast(numbers(colour), numbers(ground)) >= 3, (colour, ground)
