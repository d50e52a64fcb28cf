"""The page for labels: all that is in it is data, and nothing of a verdict unless it is to be seen."""

from __future__ import annotations

import json
import re
from typing import Any

from PIL import Image

from contextrl.report.label_page import Card, build_label_page

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202e{{ 7 * 7 }}"
PICTURE = ("red", Image.new("RGB", (4, 4), (255, 0, 0)))


def card(**changes: Any) -> Card:
    columns = {"question": HOSTILE, "solution": "Answer: 2", "answer": "2", "response": HOSTILE, "pictures": [PICTURE]}
    return Card("r0", "0123456789ab", **(columns | changes))


def data_of(page: str) -> list[dict[str, Any]]:
    match = re.search(r'<script type="application/json" id="label-data">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    return list(json.loads(match[1]))


def test_foreign_text_is_data_and_nothing_else() -> None:
    page, left_out = build_label_page(HOSTILE, [card()])
    assert left_out == 0
    assert "alert(1)</script>" not in page
    assert "<img src=x" not in page
    assert "49" not in page.partition("<body>")[2].partition("<main>")[0]
    (shown,) = data_of(page)
    assert shown["response"].startswith("</script>")
    assert "[U+202E]" in shown["question"]
    assert shown["pictures"][0].startswith("data:image/png;base64,")
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "innerHTML" not in page


def test_a_picture_that_several_show_is_there_once_in_memory_and_for_each_in_the_data() -> None:
    page, _ = build_label_page("Responses", [card(), card()])
    first, second = data_of(page)
    assert first["pictures"] == second["pictures"] != []


def test_a_verdict_is_in_the_page_only_if_it_is_to_be_seen() -> None:
    blind, _ = build_label_page("Responses", [card()])
    seen, _ = build_label_page("Responses", [card(verdict="incorrect", report="Mistake: step 1 is wrong.")])
    assert data_of(blind)[0]["verdict"] is None
    assert "Mistake: step 1" not in blind
    assert data_of(seen)[0]["report"] == "Mistake: step 1 is wrong."
    assert "the label stays as it is" in seen
    assert "the label stays as it is" not in blind


def test_a_page_needs_no_charts() -> None:
    page, _ = build_label_page("Responses", [card()])
    assert len(page) < 40_000
