"""The command refuses what could not be trained as told: exit code 2, no traceback, nothing left behind."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from contextrl.commands.cli import main

TRAIN: dict[str, dict[str, Any]] = {
    "contextrl": {"max_steps": 1, "num_generations": 4, "per_device_train_batch_size": 8, "max_completion_length": 8},
    "sft": {"max_steps": 1, "per_device_train_batch_size": 4},
}


def train(
    policy: Path,
    folder: Path,
    method: str,
    monkeypatch: pytest.MonkeyPatch,
    *options: str,
    model: dict[str, Any] | None = None,
    **settings: Any,
) -> int:
    config = {
        "method": method,
        "run_dir": str(folder / "run"),
        "model": {"path": str(policy), **(model or {})},
        "data": {"train": "miniature", "eval": None, "examples": 8},
        "train": {**TRAIN[method], "use_cpu": True, **settings},
    }
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["contextrl", "train", str(file), *options])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.mark.parametrize("method", ["contextrl", "sft"])
@pytest.mark.parametrize(
    ("model", "settings", "words"),
    [
        pytest.param({"lora": {"r": 2}}, {}, ["model.lora", "target_modules"], id="lora-without-targets"),
        pytest.param({}, {"per_device_train_batch_size": 0}, ["train.per_device_train_batch_size"], id="no-batch"),
        pytest.param({}, {"learning_rate": -1.0}, ["train.learning_rate", "at least 0"], id="negative-rate"),
        pytest.param({}, {"optim": "adamw_8bit"}, ["train.optim", "bitsandbytes"], id="optimizer"),
        pytest.param({}, {"report_to": "wandb"}, ["train.report_to", "pip install wandb"], id="tracker"),
        pytest.param({}, {"model_init_kwargs": {"dtype": "half"}}, ["dtype", "float16"], id="dtype"),
    ],
)
def test_refused_before_anything_is_written(
    tiny_policy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    method: str,
    model: dict[str, Any],
    settings: dict[str, Any],
    words: list[str],
) -> None:
    assert train(tiny_policy, tmp_path, method, monkeypatch, model=model, **settings) == 2
    said = " ".join(capsys.readouterr().err.split())
    for word in words:
        assert word in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize("method", ["contextrl", "sft"])
def test_a_policy_that_cannot_be_prompted(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    policy = tmp_path / "policy"
    shutil.copytree(tiny_policy, policy)
    (policy / "chat_template.jinja").unlink()
    assert train(policy, tmp_path, method, monkeypatch) == 2
    assert "expected a processor with a chat template" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(sys, "argv", ["contextrl", "eval", str(policy), "--benchmark", "miniature", "--limit", "2"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "chat template" in " ".join(capsys.readouterr().err.split())


def test_a_run_with_weights_only_is_not_resumed(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it has written stays as it is."""
    settings = {"save_only_model": True, "save_steps": 1, "max_steps": 2}
    assert train(tiny_policy, tmp_path, "sft", monkeypatch, **settings) == 0
    run = tmp_path / "run"
    (run / "results.json").unlink()  # as if it had been killed after its last checkpoint
    before = {path: path.read_bytes() for path in sorted(run.rglob("*.json*"))}
    capsys.readouterr()
    assert train(tiny_policy, tmp_path, "sft", monkeypatch, "--resume", **settings) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "train.save_only_model" in said
    assert "checkpoint-2 lacks the optimizer's state" in said
    assert {path: path.read_bytes() for path in sorted(run.rglob("*.json*"))} == before
    assert json.loads((run / "environment.json").read_text())
