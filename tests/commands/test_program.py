"""Commands that a message names can be pasted where they are read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from contextrl.commands.disk import how_to_go_on
from contextrl.commands.program import program


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "venv" / "bin" / "contextrl"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path), "train"])
    return path


def test_a_program_that_the_shell_finds_has_its_name(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == ["contextrl"]


def test_one_that_it_does_not_find_is_named_by_its_place(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == ["venv/bin/contextrl"]
    command = ["contextrl", "train", "my run.yaml", "--overwrite", "--resume"]
    assert how_to_go_on(command) == "venv/bin/contextrl train 'my run.yaml' --resume"


def test_a_module_is_run_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/lib/contextrl/__main__.py"])
    assert program() == [sys.executable, "-m", "contextrl"]


def test_whoever_imports_it_is_told_the_usual_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for called in ("/bin/pytest", "contextrl", "-c", ""):
        monkeypatch.setattr(sys, "argv", [called])
        assert program() == ["contextrl"]
