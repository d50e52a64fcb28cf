"""The page in headless Chromium: charts, filters, keys, hostile text, nothing fetched, nothing complained of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser_pages import Opened, needs_chromium, written
from run_folders import metrics, recovered, spread, unreachable, write_run
from test_page import hostile_run

pytestmark = needs_chromium


def test_every_chart_is_drawn(opened: Opened) -> None:
    places = opened.page.locator("[data-chart]")
    assert places.count() > 10
    assert opened.page.locator("[data-chart] svg").count() == places.count()
    assert opened.page.evaluate("[...document.querySelectorAll('[data-chart] svg')].every(s => s.clientWidth > 100)")


def test_values_under_a_chart(opened: Opened) -> None:
    opened.page.locator("#chart-outcome .values summary").click()
    rows = opened.page.locator("#chart-outcome .values tbody tr")
    rows.last.wait_for()  # tables are made when they are opened, a moment later
    assert rows.count() == 4
    assert rows.first.inner_text().split("\t") == ["0", "0.4", "answer and process", "0.3", "0.5", "1000"]


def test_alt_and_the_wheel_zoom_and_the_wheel_alone_scrolls(opened: Opened) -> None:
    page = opened.page
    texts = "document.querySelector('#chart-outcome .role-axis-label').querySelectorAll('text')"
    labels = f"() => [...{texts}].map(text => text.textContent).sort().join()"
    chart = page.locator("#chart-outcome svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    before = page.evaluate(labels)
    page.keyboard.down("Alt")
    page.mouse.wheel(0, -400)
    page.wait_for_function(f"before => ({labels})() !== before", arg=before)
    page.keyboard.up("Alt")
    page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function(f"before => ({labels})() === before", arg=before)
    page.mouse.wheel(0, 300)
    page.wait_for_function("() => window.scrollY > 0")
    assert page.evaluate(labels) == before


@pytest.mark.parametrize(
    ("tag", "count"),
    [
        ("recovered", "4 groups"),
        ("false_positive", "4 groups"),
        ("not_standalone", "4 groups"),
        ("unreachable", "4 groups"),
        ("solved", "No group is like that."),
        ("", "12 groups"),
    ],
)
def test_filter_by_tag(opened: Opened, tag: str, count: str) -> None:
    opened.page.locator(f"input[name=tag][value='{tag}']").check()
    opened.counted(count)
    assert opened.shown() == (int(count.split()[0]) if count[0].isdigit() else 0)


def test_filters_join_and_clear(opened: Opened) -> None:
    page = opened.page
    page.locator("input[name=tag][value=recovered]").check()
    page.locator("input[name=from]").fill("2")
    page.locator("input[name=to]").fill("3")
    opened.counted("2 groups")
    page.locator("input[name=text]").fill("afresh")
    opened.counted("No group is like that.")
    page.locator("input[name=text]").fill("you are RIGHT")
    opened.counted("2 groups")
    page.locator("select[name=task]").select_option("perception")
    opened.counted("2 groups")
    page.locator("button[type=reset]").click()
    opened.counted("12 groups")


def test_a_group_shows_what_happened(opened: Opened) -> None:
    opened.page.locator("input[name=tag][value=recovered]").check()
    opened.counted("4 groups")
    first = opened.page.locator(".group").first
    first.locator("summary").click()
    first.locator(".body").wait_for()
    text = first.inner_text()
    for said in (
        "Digits: 7, 6. Largest: 7. Answer: 7",
        "kept: correct and standalone",
        "trained under the original prompt, reward 1, advantage 2.474",
        "It saw the attempt above and: Mistake: step 1 should say Digits: 7, 6. Answer the question afresh.",
        "not kept: duplicate",
        "not kept: not standalone",
        "wrong answer",
    ):
        assert said in text
    assert first.locator("img.full").count() == 1
    # The first and the third sample are alike, and so are shown once.
    heads = first.locator(".attempt:not(.retry) .head > strong:first-child").all_inner_texts()
    assert heads == ["Attempts 1, 3", "Attempt 2", "Attempt 4"]
    assert first.locator(".times").all_inner_texts() == ["×2"]
    marks = first.locator(".attempt").first.locator("mark").all_inner_texts()
    assert marks == ["1,", "6.", "6"], "Digits: 1, 6. Largest: 6. Answer: 6 against 7, 6 and 7 and 7"


def test_patterns_lead_to_their_groups(opened: Opened) -> None:
    opened.page.locator("input[name=tag][value=recovered]").check()
    opened.counted("4 groups")
    opened.page.locator("#judge table a").first.click()
    target = opened.page.locator(".group[open]")
    target.locator(".body").wait_for()
    assert "right answer, wrong process" in target.inner_text()


def test_keys_alone_are_enough(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the groups"
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id === 'gallery'")
    page.keyboard.press("j")
    page.keyboard.press("j")
    focused = "[...document.querySelectorAll('.group > summary')].indexOf(document.activeElement)"
    assert page.evaluate(focused) == 1
    page.keyboard.press("k")
    assert page.evaluate(focused) == 0
    page.keyboard.press("Enter")
    page.locator(".group[open] > .body").wait_for()
    page.locator("input[name=tag][value='']").focus()
    page.keyboard.press("ArrowRight")
    opened.counted("4 groups")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(browser: Any, demo: Path, scheme: str) -> None:
    opened = Opened(browser, demo, color_scheme=scheme)
    lightness = """name => {
        const [r, g, b] = getComputedStyle(document.querySelector(name.split('|')[0]))[name.split('|')[1]]
            .match(/\\d+/g).map(Number);
        return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
    }"""
    ground = opened.page.evaluate(lightness, "body|backgroundColor")
    for text in ("body|color", ".chart svg text|fill", ".quiet|color"):
        assert abs(opened.page.evaluate(lightness, text) - ground) > 0.45
    assert (ground > 0.5) == (scheme == "light")
    opened.check_quiet()


def test_a_phone_needs_no_sideways_scrolling(browser: Any, demo: Path) -> None:
    opened = Opened(browser, demo, viewport={"width": 360, "height": 740})
    opened.page.locator(".group summary").first.click()
    opened.page.locator(".group > .body").wait_for()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360
    opened.check_quiet()


def test_hostile_text_stays_text(browser: Any, tmp_path: Path) -> None:
    for runs in ([hostile_run(tmp_path / "a")], [tmp_path / "a", hostile_run(tmp_path / "b<i>")]):
        opened = Opened(browser, written(tmp_path, *runs))
        page = opened.page
        for number in range(page.locator(".group > summary").count()):
            page.locator(".group > summary").nth(number).click()
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        page.wait_for_function(
            "() => document.querySelectorAll('.group > .body').length === document.querySelectorAll('.group').length"
        )
        for chart in page.locator("[data-chart] svg").all():
            chart.scroll_into_view_if_needed()
            chart.hover()
        assert page.evaluate("window.pwned") is None
        assert page.locator("main script, main iframe, main i, main b, img[onerror], [onmouseover]").count() == 0
        assert page.locator("a[href^='javascript']").count() == 0
        assert "<script>window.pwned=1</script></script><img src=x" in page.locator(".group").first.inner_text()
        assert "\u202e" not in page.content()
        opened.check_quiet()


def test_the_page_forbids_what_it_does_not_need(browser: Any, demo: Path) -> None:
    """The policy holds: a script, a style or a request that somebody gets in does nothing."""
    opened = Opened(browser, demo)
    opened.page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.pwned = 1';
            document.body.append(script);
            const image = '<img src="http://127.0.0.1:9/x.png" onerror="window.pwned = 1">';
            document.body.insertAdjacentHTML('beforeend', image);
        }"""
    )
    for _ in range(100):
        if sum("Content Security Policy" in said for said in opened.said) >= 2:
            break
        opened.page.wait_for_timeout(50)
    assert sum("Content Security Policy" in said for said in opened.said) >= 2, "the script and the picture"
    assert opened.page.evaluate("window.pwned") is None


def test_thousands_of_groups_stay_usable(browser: Any, tmp_path: Path) -> None:
    groups = [make(step, example_id=f"row-{step}") for step in range(1, 1501) for make in (unreachable, recovered)]
    opened = Opened(browser, written(tmp_path, write_run(tmp_path / "run", steps=[metrics(1)], groups=groups)))
    opened.counted("3,000 groups")
    assert opened.shown() == 40, "closed groups are made when they are asked for"
    opened.page.locator("#more").click()
    assert opened.shown() == 80
    opened.page.locator("input[name=text]").fill("row-1499")
    opened.counted("2 groups")
    opened.page.goto(f"{opened.address}#group-2990")
    opened.page.locator("#group-2990[open]").wait_for()
    opened.page.wait_for_function("() => document.activeElement.closest('.group')?.id === 'group-2990'")
    opened.requests = opened.requests[:1]
    opened.check_quiet()


@pytest.mark.parametrize(
    ("config", "steps", "groups"),
    [({}, [], []), ({"method": "sft"}, [{"step": 1, "loss": 1.0}], []), ({}, [metrics(1)], [recovered(1), spread(1)])],
    ids=["just-started", "sft", "killed"],
)
def test_runs_that_have_little_to_show(browser: Any, tmp_path: Path, config: Any, steps: Any, groups: Any) -> None:
    opened = Opened(browser, written(tmp_path, write_run(tmp_path / "run", config=config, steps=steps, groups=groups)))
    assert opened.page.locator("h1").inner_text() == "run"
    opened.check_quiet()
