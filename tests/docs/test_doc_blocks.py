"""Every fenced block of the pages runs, or says above itself why not.

A page's blocks run in their order in one folder: a block with a title is that file, commands run in this process,
`train` as `--dry-run`, configurations are parsed, Python is executed.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_pages import PAGES, README, REASONS, Block, blocks
from run_folders import finished_run
from typer.testing import CliRunner

from contextrl.building.recipe import BuildRecipe
from contextrl.commands.cli import app
from contextrl.commands.config import parse_config
from contextrl.integrations.datatrove_stages import ExecutorSettings
from contextrl.settings import validated

LANGUAGES = ("sh", "yaml", "python", "json", "jsonl", "text")
WITH_BLOCKS = [page for page in (README, *PAGES) if blocks(page)]


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.name)
def test_every_block_says_what_it_is(page: Path) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, block
        assert block.reason is None or block.reason in REASONS, block
        assert not block.mark or block.reason or block.given, f"{block}: {block.mark}"
        if block.language == "text":
            assert not re.search(r"^(contextrl|make|pip|python) ", block.body, re.MULTILINE), f"{block} is a command"


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.name)
def test_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for block in blocks(page):
        if block.given is not None and not Path(block.given).exists():
            finished_run(Path(block.given))
        if block.reason is None:
            run(block)


def run(block: Block) -> None:
    if block.title is not None:
        Path(block.title).write_text(block.body, encoding="utf-8")
    if block.language == "json":
        json.loads(block.body)
    elif block.language == "jsonl":
        assert all(isinstance(json.loads(line), dict) for line in block.body.splitlines())
    elif block.language == "yaml":
        check_settings(yaml.safe_load(block.body), str(block))
    elif block.language == "python":
        script = Path(block.title or "block.py")
        script.write_text(block.body, encoding="utf-8")
        runpy.run_path(str(script), run_name="__main__")
    elif block.language == "sh":
        for line in block.body.splitlines():
            run_command(shlex.split(line, comments=True), block)


def check_settings(raw: dict[str, Any], where: str) -> None:
    """A run's, a recipe's, or those of who builds it, by what they have."""
    sections = {"sources": BuildRecipe, "tasks": ExecutorSettings}
    section = next((section for key, section in sections.items() if key in raw), None)
    if section is None:
        parse_config(raw, where=where)
    else:
        validated(section, raw, where=where)


def run_command(words: list[str], block: Block) -> None:
    if not words:
        return
    assert words[0] == "contextrl", f"{block}: {shlex.join(words)} is not run: say why above the block"
    arguments = words[1:]
    if arguments[0] == "train" and not {"--dry-run", "--help"} & set(arguments):
        arguments.append("--dry-run")
    result = CliRunner().invoke(app, arguments, env={**os.environ, "COLUMNS": "120"})
    assert result.exit_code == 0, f"{block}: {shlex.join(words)}\n{result.output}\n{result.exception!r}"


def test_a_block_that_fails_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "a.md"
    page.write_text(
        "```sh\ncontextrl trian\n```\n"
        "<!-- not run: minutes -->\n```sh\nmake demo\n```\n"
        "```sh\nmake demo\n```\n"
        "```python\nassert False\n```\n"
        "```yaml\njudge: {knid: rules}\n```\n"
        '```jsonl title="rows.jsonl"\n{"a": 1}\n```\n'
        "<!-- given: runs/x -->\n```sh\n```\n"
    )
    wrong, skipped, unmarked, failing, unknown, rows, given = blocks(page)
    assert skipped.reason == "minutes"
    assert given.given == "runs/x"
    for block in (wrong, unmarked, failing):
        with pytest.raises(AssertionError):
            run(block)
    with pytest.raises(Exception, match="did you mean kind"):
        run(unknown)
    run(rows)
    assert Path("rows.jsonl").read_text() == '{"a": 1}\n'
