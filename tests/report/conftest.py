"""A browser, and the page of a finished run in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_pages import ARGUMENTS, CHROMIUM, Opened, written
from run_folders import finished_run


# Of one module each: while playwright runs, nothing else in the process can have an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    return written(folder, finished_run(folder / "run"))


@pytest.fixture
def opened(browser: Any, demo: Path) -> Iterator[Opened]:
    page = Opened(browser, demo)
    yield page
    page.check_quiet()
    page.context.close()
