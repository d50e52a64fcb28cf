"""`contextrl miniature judge` and what takes its folder: `judge bench` and the reward of a run, as whole commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contextrl.records.jsonl import read_objects

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def contextrl(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "contextrl", *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge that was taught for two steps: it writes nothing that can be read."""
    folder = tmp_path_factory.mktemp("judges") / "small"
    done = contextrl("miniature", "judge", folder, "--size", "small", "--steps", 2, "--seed", 3)
    assert done.returncode == 0, done.stderr
    assert "Judge of 414,448 weights" in done.stdout
    return folder


def test_the_recipe_is_beside_the_weights(judge: Path) -> None:
    recipe = json.loads((judge / "recipe.json").read_text(encoding="utf-8"))
    assert (recipe["images"], recipe["steps"], recipe["seed"]) == ("first-half", 2, 3)
    assert (judge / "training_log.csv").read_text(encoding="utf-8").count("\n") == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param([], "a new or empty folder", id="not-empty"),
        pytest.param(["--size", "lage"], "did you mean large", id="size"),
        pytest.param(["--images", "test"], "train, first-half, second-half", id="held-out-images"),
    ],
)
def test_what_cannot_be_is_refused_before_work(judge: Path, options: list[str], message: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in judge.rglob("*")}
    done = contextrl("miniature", "judge", judge, *options)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Loading torch" not in done.stderr
    assert {path: path.stat().st_mtime_ns for path in judge.rglob("*")} == before


def test_it_is_measured_like_any_judge(judge: Path) -> None:
    options = ["--limit", 5, "--contexts", "none,solution", "--json"]
    done = contextrl("judge", "bench", "--judge", "learned", "--set", f"judge.path={judge}", *options)
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    assert figures["judge"] == "learned"
    assert [sum(context["unscored"].values()) for context in figures["contexts"].values()] == [5, 5]
    without = contextrl("judge", "bench", "--judge", "learned")
    assert without.returncode == 2
    assert "needs judge.path" in without.stderr


def test_it_is_the_reward_of_a_run_on_pictures_that_it_has_not_seen(judge: Path, tmp_path: Path) -> None:
    config = Path(__file__).resolve().parents[2] / "configs" / "miniature" / "contextrl.yaml"
    settings = {
        "run_dir": tmp_path / "run",
        "data.train": "miniature:second-half",
        "data.eval": "null",
        "judge.kind": "learned",
        "judge.path": judge,
        "judge.audit": "steps",
        "judge.max_unscored_share": "1.0",
        "judge.unreadable_attempts": "null",
        "train.max_steps": 1,
        "train.num_generations": 2,
        "train.per_device_train_batch_size": 4,
        "train.max_completion_length": 8,
    }
    done = contextrl(
        "train", config, *(part for pair in settings.items() for part in ("--set", "=".join(map(str, pair))))
    )
    assert done.returncode == 0, done.stderr[-2000:]
    groups = list(read_objects(tmp_path / "run" / "groups.jsonl"))
    attempts = [attempt for group in groups for attempt in group["attempts"]]
    assert attempts
    assert {attempt["verdict"]["status"] for attempt in attempts} == {"unscored"}
    assert "unscored" not in {attempt["audit"]["status"] for attempt in attempts}
    assert all(attempt["reward"] is None for attempt in attempts)


def test_what_its_verdicts_hang_on_is_written(judge: Path, tmp_path: Path) -> None:
    output = tmp_path / "examined.json"
    done = contextrl("miniature", "examine", judge, "--output", output, "--count", 5)
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text(encoding="utf-8"))
    assert sorted(found["labels"]) == ["F", "F", "T", "T", "W"]
    assert found["verdicts"] == dict.fromkeys(("none", "answer", "solution"), "UUUUU")
    nowhere = contextrl("miniature", "examine", judge, "--output", tmp_path / "none" / "examined.json")
    assert nowhere.returncode == 2
    assert "Loading torch" not in nowhere.stderr
