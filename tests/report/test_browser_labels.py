"""The page for labels in headless Chromium: keys, the saved file, hostile text, nothing fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from browser_pages import Opened, needs_chromium
from test_label_page import HOSTILE, card

from contextrl.report.label_page import Card, build_label_page

pytestmark = needs_chromium


def opened(browser: Any, folder: Path, cards: list[Card]) -> Opened:
    path = folder / "labels.html"
    path.write_text(build_label_page("Responses", cards)[0], encoding="utf-8")
    return Opened(browser, path, accept_downloads=True)


def cards(verdict: str | None = None) -> list[Card]:
    return [Card(f"r{n}", f"{n:012d}", HOSTILE, "s", "2", f"response {n}", card().pictures, verdict) for n in range(3)]


def test_keys_label_and_the_file_holds_what_was_said(browser: Any, tmp_path: Path) -> None:
    shown = opened(browser, tmp_path, cards())
    page = shown.page
    assert page.locator("#response").inner_text() == "response 0"
    assert page.locator("#question").inner_text().startswith("</script>")
    assert page.locator("#pictures img").evaluate("picture => picture.naturalWidth") == 4
    page.keyboard.press("c")
    assert page.locator("#response").inner_text() == "response 1"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("u")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("i")
    assert page.locator("#done").inner_text() == "2 labelled"
    assert page.locator("#verdict").is_hidden()
    with page.expect_download() as download:
        page.locator("#save").click()
    download.value.save_as(tmp_path / "saved.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "saved.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows == [
        {"id": "r0", "digest": "000000000000", "label": "incorrect"},
        {"id": "r2", "digest": "000000000002", "label": "unsure"},
    ]
    assert shown.said == [], shown.said
    assert not [url for url in shown.requests if url.startswith("http")]


def test_a_verdict_that_is_shown_fixes_the_label(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, cards("incorrect")).page
    assert page.locator("#verdict").is_hidden()
    page.keyboard.press("c")
    assert page.locator("#verdict").inner_text().startswith("The judge: incorrect.")
    looks = "[...document.querySelectorAll('.labels button')].map(b => getComputedStyle(b).backgroundColor)"
    given, *others = page.evaluate(looks)
    assert given not in others, "which label was given is seen"
    page.keyboard.press("i")
    assert page.locator("#correct").get_attribute("aria-pressed") == "true"
    assert page.locator("#done").inner_text() == "1 labelled"


@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_fits_its_width(browser: Any, tmp_path: Path, width: int) -> None:
    page = opened(browser, tmp_path, cards()).page
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=str(tmp_path / f"{width}.png"))
