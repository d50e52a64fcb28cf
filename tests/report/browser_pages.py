"""Pages in headless Chromium, with what they say and ask for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from contextrl.records.run_data import read_run
from contextrl.report.page import build_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: install Debian's package chromium, which `make browser` does as root"
)
#: It runs as root in containers, and asks for nothing by itself.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


class Opened:
    """A page that is open, with what it said and asked for."""

    def __init__(self, browser: Any, html: Path, **settings: Any) -> None:
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.address = html.as_uri()
        self.page.goto(self.address)
        self.page.wait_for_selector("html[data-drawn]", state="attached")

    def shown(self) -> int:
        return int(self.page.locator("#groups > .group").count())

    def counted(self, text: str) -> None:
        self.page.wait_for_function("want => document.getElementById('count').textContent === want", arg=text)

    def check_quiet(self) -> None:
        """No console message, no request but the page itself."""
        assert self.said == [], self.said
        assert [url for url in self.requests if not url.startswith("data:")] == [self.address]


def written(folder: Path, *runs: Path) -> Path:
    path = folder / "report.html"
    path.write_text(build_page([read_run(run) for run in runs]).html, encoding="utf-8")
    return path
