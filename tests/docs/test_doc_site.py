"""`make docs`: the site builds without a warning, and nothing in it is left to fetch or unresolved."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import PAGES, ROOT


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the site is built from, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    (folder / "src").symlink_to(ROOT / "src")
    return folder


@pytest.fixture(scope="module")
def site(project: Path) -> Path:
    built = build(project)
    assert built.returncode == 0, built.stdout + built.stderr
    return project / "build" / "docs"


def test_every_page_is_built(site: Path) -> None:
    assert {path.stem for path in site.glob("*.html")} == {page.stem for page in PAGES} | {"404"}


def test_the_reference_has_what_it_names(site: Path) -> None:
    text = (site / "api.html").read_text(encoding="utf-8")
    named = re.findall(r"^::: ([\w.]+)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(named) > 15
    assert [path for path in named if f'id="{path}"' not in text] == []
    for member in ("records.verdict.Verdict", "judge.protocol.JudgeRequest", "data.loading.load_examples"):
        assert f'id="contextrl.{member}"' in text


def test_pages_fetch_nothing_from_elsewhere(site: Path) -> None:
    fetched = re.compile(r'<(?:script|img|link|iframe)\b[^>]*?(?:src|href)="?(https?:[^"\s>]+)')
    found = {
        url
        for page in site.glob("*.html")
        for url in fetched.findall(page.read_text(encoding="utf-8"))
        if 'rel="canonical"' not in url
    }
    assert found == set()


def test_pictures_are_there(site: Path) -> None:
    for page in site.glob("*.html"):
        for source in re.findall(r'<img\b[^>]*?src="?([^"\s>]+)', page.read_text(encoding="utf-8")):
            assert (site / source).is_file(), f"{page.name}: {source}"


def test_a_broken_link_stops_the_build(project: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "zensical.toml").write_text('[project]\nsite_name = "x"\nsite_dir = "build"\n')
    page = tmp_path / "docs" / "index.md"
    page.write_text("# A\n\n[b](#a)\n")
    assert build(tmp_path).returncode == 0
    page.write_text("# A\n\n[b](#gone)\n")
    assert build(tmp_path).returncode != 0
