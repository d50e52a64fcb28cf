"""The page of a set in headless Chromium: what is drawn, filters, keys, hostile text, narrow screens, paper."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_pages import Opened, needs_chromium
from PIL import Image, ImageDraw
from test_page import Elements
from typer.testing import CliRunner

from contextrl.building.tallies import Bin
from contextrl.commands.data_cli import app
from contextrl.commands.data_show_view import _label

HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "{{ 7 * 7 }} {% raw %}",
    '" onmouseover="document.title=\'owned\'" x="',
    "a\u202eb\u2066c\u0000",
    "javascript:alert(1) [bold]x[/bold] &amp; &lt;b&gt;",
    "constructor",
    "__proto__",
    "datum['x'] + signal",
)


def drawing(path: Path, number: int) -> str:
    image = Image.new("RGB", (320, 240), "white")
    pen = ImageDraw.Draw(image)
    pen.line((10 + 3 * number, 10, 300, 20 + 4 * number), fill="blue", width=4)
    pen.ellipse((50, 60 + number, 90 + 5 * number, 150), outline="red", width=5)
    image.save(path / f"{number}.png")
    return f"{number}.png"


def page_of(folder: Path, rows: list[dict[str, Any]], *options: str) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    done = CliRunner().invoke(app, ["show", str(path), *options])
    assert done.exit_code == 0, (done.output, done.exception)
    return folder / "rows.show.html"


def plain_rows(folder: Path) -> list[dict[str, Any]]:
    return [
        {
            "id": f"row {n}",
            "question": f"How long is line number {n} of the drawing, counted in units of {n + 2}?",
            "images": [drawing(folder, n)] if n % 4 else [],
            "solution": f"It is counted {'over and over ' * 40 * (n % 2)}to {n}. Answer: {n}",
            "answer": str(n),
            "answer_type": "number" if n % 3 else "text",
            "task": "perception" if n % 2 else "reasoning",
            "source": f"set/{n % 3}",
            "right": n % 4,
            "tried": 4,
            "licence": "MIT",
            "ratings": {"visual": n % 5, "clear": n / 7},
        }
        for n in range(20)
    ]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    rows = plain_rows(folder)
    return page_of(folder, [*rows, rows[5] | {"id": "again"}, {"sick": 1}])


@pytest.fixture
def opened(browser: Any, plain: Path) -> Iterator[Opened]:
    page = Opened(browser, plain)
    yield page
    page.check_quiet()
    page.context.close()


def visible_samples(opened: Opened) -> int:
    return int(opened.page.locator("#samples > .sample:visible").count())


@needs_chromium
def test_every_chart_and_picture_is_drawn(opened: Opened) -> None:
    places = opened.page.locator("[data-chart]")
    titles = opened.page.locator(".figure h3").all_inner_texts()
    assert {"Source", "Task", "Answer type", "Length of questions", "Size of pictures", "Tokens of a picture"} < {
        *titles
    }
    assert {"Pictures of a row", "Difficulty: number right", "Rating: visual", "Rating: clear"} < {*titles}
    assert opened.page.locator("[data-chart] svg").count() == places.count() == len(titles)
    # 15 of 20 rows show a picture, all rows are samples, and both rows of the pair show theirs.
    assert opened.page.locator("#samples img.shot").count() == 16
    assert opened.page.locator("#twice img.shot").count() == 2
    opened.page.evaluate("for (const one of document.querySelectorAll('img')) one.loading = 'eager'")
    opened.page.wait_for_function(
        "[...document.querySelectorAll('img.shot')].every(i => i.complete && i.naturalWidth > 99)"
    )


@needs_chromium
def test_filters_join_and_clear(opened: Opened) -> None:
    page = opened.page
    opened.counted("21 samples")
    page.locator("select[name=task]").select_option("perception")
    opened.counted("11 samples")
    page.locator("select[name=source]").select_option("set/1")
    # Odd rows whose number leaves 1 when divided by 3: 1, 7, 13, 19.
    opened.counted("4 samples")
    assert visible_samples(opened) == 4
    page.locator("input[name=text]").fill("NUMBER 13")
    opened.counted("1 sample")
    page.locator("input[name=text]").fill("no such words")
    opened.counted("No sample is like that.")
    page.locator("button[type=reset]").click()
    opened.counted("21 samples")


@needs_chromium
def test_j_and_k_go_through_the_samples(opened: Opened) -> None:
    page = opened.page
    page.locator("a.skip").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("j")
    page.keyboard.press("j")
    focused = "[...document.querySelectorAll('#samples summary')].indexOf(document.activeElement)"
    assert page.evaluate(focused) == 1
    page.keyboard.press("k")
    assert page.evaluate(focused) == 0
    page.keyboard.press("Enter")
    assert page.locator("#samples > .sample[open]").count() == 20


@needs_chromium
@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_narrow_screen_is_not_scrolled_sideways(browser: Any, plain: Path, width: int) -> None:
    opened = Opened(browser, plain, viewport={"width": width, "height": 800})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    opened.check_quiet()
    opened.context.close()


@needs_chromium
@pytest.mark.parametrize("size", [(12, 900), (32, 16), (900, 30), (150, 200), (100, 512), (512, 512)])
def test_no_picture_is_stretched(browser: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, "green").save(tmp_path / "0.png")
    row = {"question": "1 + 1?", "images": ["0.png"], "solution": "Answer: 2", "answer": "2"}
    opened = Opened(browser, page_of(tmp_path, [row]))
    opened.page.wait_for_function("document.querySelector('img.shot').naturalWidth > 0")
    # Without its border of a pixel on each side.
    width, height = opened.page.evaluate(
        "(({clientWidth: w, clientHeight: h}) => [w, h])(document.querySelector('img.shot'))"
    )
    assert abs(width - height * size[0] / size[1]) <= 1 + size[0] / size[1]
    opened.check_quiet()
    opened.context.close()


@needs_chromium
def test_on_paper_nothing_is_folded_away(opened: Opened) -> None:
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("#filters").is_visible()
    heights = opened.page.evaluate(
        "[...document.querySelectorAll('dd.long')].map(d => d.scrollHeight - d.clientHeight)"
    )
    assert max(heights) <= 1


def hostile_rows(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for n, text in enumerate(HOSTILE):
        row = {
            "id": f"{n} {text}",
            "question": f"{text} what is {n}?" + " filler" * n,
            "images": [drawing(folder, n)],
            "solution": f"{text} Answer: {n}",
            "answer": str(n),
            "source": text,
            "licence": text,
            "reference": text,
            "language": text,
            "ratings": {text: 1.5, "a.b[c]": n},
            "right": n,
        }
        rows += [row, row | {"id": f"again {text}"}, {text: text, "id": text, "question": ""}]
    return rows


def test_hostile_text_adds_no_element_and_no_attribute(plain: Path, tmp_path: Path) -> None:
    html = page_of(tmp_path, hostile_rows(tmp_path)).read_text(encoding="utf-8")
    found, own = Elements(html), Elements(plain.read_text(encoding="utf-8"))
    ours = {(tag, name) for tag, attributes in own.tags for name in attributes}
    assert {(tag, name) for tag, attributes in found.tags for name in attributes} <= ours
    assert [tag for tag, _ in found.tags if tag in ("script", "b", "iframe")] == ["script"] * 3
    assert all(one.get("src", "data:image/").startswith("data:image/") for tag, one in found.tags if tag == "img")
    assert all(one.get("href", "#").startswith(("#", "data:,")) for _, one in found.tags)
    for text in ("<img src=x onerror=", "{{ 7 * 7 }} {% raw %}", "a[U+202E]b[U+2066]c[U+0000]", "&amp; &lt;b&gt;"):
        assert text in found.text
    assert "\u202e" not in html


@needs_chromium
def test_hostile_text_runs_nowhere(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, page_of(tmp_path, hostile_rows(tmp_path), "--samples", "100"))
    assert opened.page.title() == "rows.jsonl · contextrl"
    assert opened.page.locator("[data-chart] svg").count() == opened.page.locator("[data-chart]").count()
    for text in ("constructor", "__proto__"):
        opened.page.locator("select[name=source]").select_option(text)
        opened.counted("2 samples")
    opened.page.locator(".figure .values summary").first.click()
    opened.check_quiet()
    opened.context.close()


@needs_chromium
@pytest.mark.parametrize("rows", ["no pictures", "one row", "sick"])
def test_sets_that_lack_something(browser: Any, tmp_path: Path, rows: str) -> None:
    one = {"id": "1", "question": "1 + 1?", "images": [], "solution": "Answer: 2", "answer": "2"}
    made = {
        "no pictures": [one | {"id": str(n), "answer": "2"} for n in range(3)],
        "one row": [one],
        "sick": [{"x": 1}],
    }
    opened = Opened(browser, page_of(tmp_path, made[rows]))
    said = opened.page.locator("main").inner_text()
    assert ("No row can be read." in said) == (rows == "sick")
    assert "No row shows a picture." in said
    assert "No row states a licence" in said
    assert re.search(r"None among|There was no row|2 among", said)
    opened.check_quiet()
    opened.context.close()


@needs_chromium
def test_what_all_rows_have_alike_is_said_and_not_drawn(browser: Any, tmp_path: Path) -> None:
    rows = [
        {
            "question": f"{n} and {'x' * 20_000}?",
            "images": [drawing(tmp_path, 1)],
            "solution": f"Answer: {n}",
            "answer": str(n),
            "source": HOSTILE[0],
        }
        for n in range(3)
    ]
    opened = Opened(browser, page_of(tmp_path, rows), viewport={"width": 380, "height": 800})
    titles = opened.page.locator(".figure h3").all_inner_texts()
    assert not {"Source", "Task", "Answer type", "Pictures of a row"} & {*titles}
    assert f"source: {HOSTILE[0]}" in opened.page.locator("#rows .alike").inner_text()
    assert "pictures of a row: 1" in opened.page.locator("#pictures .alike").inner_text()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 380
    # Each question has 20,000 characters: it is scrolled in its place.
    assert opened.page.locator("#samples .case").first.bounding_box()["height"] < 1600
    opened.check_quiet()
    opened.context.close()


def test_numbers_under_bars_are_whole() -> None:
    assert [_label(Bin(*one)) for one in ((12_345.0, 12_345.0, 1), (1_234_567.0, 1_234_568.0, 1), (0.5, 0.5, 1))] == [
        "12,345",
        "1,234,567",
        "0.5",
    ]
    assert _label(Bin(1e300, 1e300, 1)) == "1e+300"
