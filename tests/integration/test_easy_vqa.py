"""The example of a data build: from questions without solutions to a trained policy, its models behind servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from contextrl.data.loading import load_examples

EXAMPLE = Path(__file__).parents[2] / "examples" / "easy_vqa"


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example's module."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import questions as module

    return module


def test_what_a_picture_shows_follows_from_its_questions(questions: ModuleType) -> None:
    """By hand: the first pictures of the package."""
    rows = questions.rows("train")
    assert len({row.picture for row in rows}) > 3_500
    first = [row for row in rows if row.picture == 0]
    assert {(row.shape, row.colour) for row in first} == {("rectangle", "blue")}
    for row in rows[:2000]:
        named = row.shape if row.answer in questions.SHAPES else row.colour
        assert row.answer in ("yes", "no", named), row


def test_parts_share_no_picture(questions: ModuleType) -> None:
    parts = questions.parts(questions.rows("train"), {"one": 50, "other": 70})
    shown = {name: {row.picture for row in rows} for name, rows in parts.items()}
    assert (len(shown["one"]), len(shown["other"])) == (50, 70)
    assert not shown["one"] & shown["other"]
    held_out = {row.path for row in questions.rows("test")}
    assert not held_out & {row.path for rows in parts.values() for row in rows}


def test_it_builds_trains_and_compares(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(EXAMPLE / "whole.py"),
        "--quick",
        "--steps",
        "1",
        "--seeds",
        "1",
        "--out",
        str(tmp_path),
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    table = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert set(table["process_accuracy"]) == {"as the paper's", "unfiltered", "before"}
    for number in (0, 1):
        manifest = json.loads((tmp_path / f"set-{number}" / "manifest.json").read_text(encoding="utf-8"))
        names = [step["name"] for step in manifest["steps"]]
        assert ("difficulty" in names) == (number == 0)
        examples = load_examples(str(tmp_path / f"set-{number}"))
        assert len(examples) == manifest["rows"]
        assert all(example.solution for example in examples)
