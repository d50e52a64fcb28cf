"""The list of groups in headless Chromium: what is alike is shown once, signs have a key, addresses keep filters."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from browser_pages import Opened, needs_chromium, written
from run_folders import FALSE_POSITIVE, RIGHT, UNSCORED, WRONG, attempt, finished_run, group, metrics, retry, write_run

pytestmark = needs_chromium


def page_of(browser: Any, folder: Path, attempts: list[dict[str, Any]]) -> Opened:
    run = write_run(folder / "run", steps=[metrics(1)], groups=[group("all_negative", attempts)])
    opened = Opened(browser, written(folder, run))
    opened.page.locator(".group > summary").click()
    opened.page.locator(".group > .body").wait_for()
    return opened


def heads(opened: Opened) -> list[str]:
    """`Attempts 1–6 ×6` and so on, in their order."""
    heads_ = opened.page.locator(".attempt .head").all()
    return [" ".join(head.locator("strong").all_inner_texts()) for head in heads_]


def test_equal_attempts_are_shown_once_with_all_their_retries(browser: Any, tmp_path: Path) -> None:
    attempts = [attempt("Digits: 1", WRONG) for _ in range(6)] + [attempt("Digits: 2", WRONG)]
    attempts += [retry("Digits: 7", RIGHT, n, None if n == 0 else "duplicate") for n in range(6)]
    attempts += [retry("Digits: 9", WRONG, 6, "incorrect")]
    opened = page_of(browser, tmp_path, attempts)
    assert heads(opened) == ["Attempts 1–6 ×6", "Retry of 1", "Retries of 2–6 ×5", "Attempt 7", "Retry of 7"]
    pips = opened.page.locator(".pips").last
    assert pips.locator("span").all_text_contents() == ["−\u2009×7", "✓", "+\u2009×5", "−"]
    assert pips.get_attribute("aria-label") == "0 of 7 right at stage 1, 1 of 7 retries kept"
    opened.check_quiet()


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Digits: 3"},
        {"verdict": FALSE_POSITIVE},
        {"verdict": WRONG | {"mistake_report": "Mistake: another."}},
        {"truncated": True},
        {"reward": 0.5},
        {"advantage": 0.1},
        {"in_mixed_group": False},
        {"audit": RIGHT},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_differs_in_anything_is_shown_apart(browser: Any, tmp_path: Path, other: dict[str, Any]) -> None:
    opened = page_of(browser, tmp_path, [attempt("Digits: 1", WRONG), attempt("Digits: 1", WRONG) | other])
    assert heads(opened) == ["Attempt 1", "Attempt 2"]
    opened.check_quiet()


def test_a_retry_of_no_attempt_is_still_shown(browser: Any, tmp_path: Path) -> None:
    opened = page_of(browser, tmp_path, [attempt("Digits: 1", WRONG), retry("Digits: 7", RIGHT, 9)])
    assert heads(opened) == ["Attempt 1", "Retry of an attempt that is not here"]
    opened.check_quiet()


def test_every_sign_is_in_the_key(browser: Any, tmp_path: Path) -> None:
    attempts = [attempt("a", one) for one in (RIGHT, WRONG, FALSE_POSITIVE, UNSCORED, None)]
    attempts += [retry("b", RIGHT, 0), retry("c", None, 1, "not_standalone")]
    opened = page_of(browser, tmp_path, attempts)
    used = set(opened.page.locator(".group .pips > span").all_text_contents())
    assert used == {"+", "−", "~", "?", "·", "✓"}
    opened.page.locator(".key > summary", has_text="Signs").click()
    assert used <= set(opened.page.locator(".key dt").all_text_contents())
    opened.check_quiet()


def asked(opened: Opened) -> dict[str, list[str]]:
    return parse_qs(urlsplit(opened.page.url).query)


def test_filters_are_in_the_address_and_a_reload_keeps_them(opened: Opened) -> None:
    page = opened.page
    page.locator("input[name=tag][value=recovered]").check()
    page.locator("input[name=from]").fill("2")
    page.locator("select[name=task]").select_option("perception")
    page.locator("input[name=text]").fill("afresh & you")
    opened.counted("No group is like that.")
    page.locator("input[name=text]").fill("you are RIGHT")
    opened.counted("3 groups")
    assert asked(opened) == {"tag": ["recovered"], "from": ["2"], "task": ["perception"], "text": ["you are RIGHT"]}
    page.reload()
    opened.counted("3 groups")
    assert page.locator("input[name=tag][value=recovered]").is_checked()
    assert page.locator("input[name=text]").input_value() == "you are RIGHT"
    other = opened.context.new_page()
    other.goto(page.url)
    other.wait_for_function("() => document.getElementById('count').textContent === '3 groups'")
    other.close()
    page.locator("button[type=reset]").click()
    opened.counted("12 groups")
    assert asked(opened) == {}
    opened.requests = opened.requests[:1]


def test_a_section_or_a_group_in_the_address_leaves_the_filters(opened: Opened) -> None:
    page = opened.page
    page.locator("input[name=tag][value=recovered]").check()
    opened.counted("4 groups")
    page.locator("nav a[href='#judge']").click()
    assert asked(opened) == {"tag": ["recovered"]}
    page.reload()
    opened.counted("4 groups")
    place = page.locator(".group").nth(1).get_attribute("id")
    page.goto(f"{opened.address}?tag=recovered#{place}")
    opened.counted("4 groups")
    page.locator(f"#{place}[open]").wait_for()
    # Once other groups are looked for, the address of the one would bring all groups back.
    page.locator("input[name=tag][value=solved]").check()
    opened.counted("No group is like that.")
    page.reload()
    opened.counted("No group is like that.")
    assert urlsplit(page.url).fragment == ""
    opened.requests = opened.requests[:1]


@pytest.mark.parametrize(
    "query",
    [
        "tag=constructor&task=__proto__&kind=toString&run=x",
        "from=abc&to=-",
        "text=" + quote("<img src=x onerror=window.pwned=1>"),
        "nothing=1&tag=",
        "%E0%A4%A",
    ],
)
def test_an_address_may_ask_for_anything(browser: Any, demo: Path, query: str) -> None:
    opened = Opened(browser, demo)
    opened.page.goto(f"{opened.address}?{query}")
    opened.page.wait_for_selector("html[data-drawn]", state="attached")
    found = opened.page.locator("#count").inner_text()
    assert found == ("No group is like that." if query.startswith("text") else "12 groups")
    assert opened.page.evaluate("window.pwned") is None
    assert opened.said == []


def test_runs_side_by_side_are_filtered_by_name(browser: Any, tmp_path: Path) -> None:
    runs = [finished_run(tmp_path / name, config={"seed": n}) for n, name in enumerate(("one", "other"))]
    opened = Opened(browser, written(tmp_path, *runs))
    opened.page.locator("select[name=run]").select_option("other")
    opened.counted("12 groups")
    assert asked(opened) == {"run": ["other"]}
    opened.page.reload()
    opened.counted("12 groups")
    assert opened.page.locator(".group .badge").first.text_content() == "other"
    opened.requests = opened.requests[:1]
    opened.check_quiet()
