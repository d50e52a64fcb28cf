"""Each mistake gets one clear message, exit code 2, and leaves nothing half-written."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from contextrl.commands.cli import main


def good_row(folder: Path) -> dict[str, Any]:
    Image.new("RGB", (32, 16)).save(folder / "picture.png")
    return {
        "id": "row-a",
        "question": "Which digits are shown?",
        "images": ["picture.png"],
        "solution": "Digits: 0, 0. Answer: 0, 0",
        "answer": "0, 0",
        "answer_type": "text",
        "task": "perception",
    }


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["contextrl", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0), " ".join(capsys.readouterr().err.split())


def write_config(folder: Path, policy: Path, **changes: Any) -> Path:
    config: dict[str, Any] = {
        "method": "contextrl",
        "run_dir": str(folder / "run"),
        "model": {"path": str(policy)},
        "data": {"train": "miniature", "eval": None, "examples": 8},
        "train": {
            "max_steps": 1,
            "num_generations": 4,
            "per_device_train_batch_size": 8,
            "use_cpu": True,
            "max_completion_length": 8,
        },
    }
    for key, value in changes.items():
        section, _, name = key.partition("__")
        if name:
            config.setdefault(section, {})[name] = value
        else:
            config[section] = value
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"metod": "grpo"}, ["metod", "did you mean method"], id="unknown-key"),
        pytest.param({"data__trane": "x"}, ["data.trane", "did you mean train"], id="unknown-key-in-section"),
        pytest.param({"train__lerning_rate": 1}, ["train.lerning_rate", "learning_rate"], id="unknown-trl-field"),
        pytest.param({"train__num_generations": 3}, ["num_generations", "8 samples"], id="g-does-not-divide"),
        pytest.param({"train__delta": 2.0}, ["train.delta", "does not implement"], id="unsupported-trl-option"),
        pytest.param({"train__seed": 1}, ["train.seed", "Set seed"], id="decided-elsewhere"),
        pytest.param({"train__epsilon": "wide"}, ["train"], id="wrong-type"),
        pytest.param(
            {"data__max_prompt_tokens": 20}, ["at most 20 tokens", "row 'miniature-train"], id="prompt-too-long"
        ),
        pytest.param({"data__train": "missing.jsonl"}, ["missing.jsonl"], id="missing-file"),
        pytest.param({"data__examples": 1}, ["at least 2 rows"], id="too-few-rows"),
        pytest.param({"model__path": "/no/such/model"}, ["model.path", "/no/such/model"], id="no-model"),
        pytest.param({"method": "grpo", "stage2__enabled": True}, ["stage2.enabled"], id="stage2-without-contextrl"),
        pytest.param({"model__lora": {"rank": 8}}, ["model.lora", "rank"], id="unknown-lora-key"),
        pytest.param({"train__sapo_temperature_pos": 0.5}, ["train.sapo_temperature_pos"], id="option-of-another-loss"),
        pytest.param({"data__train": "miniature:dev"}, ["data.train"], id="training-on-dev"),
        pytest.param(
            {"stage2__max_positives": 4, "objective__mixing": "replace"},
            ["stage2.max_positives"],
            id="no-negative-left",
        ),
        pytest.param(
            {"train__save_steps": 3, "train__num_iterations": 2}, ["train.save_steps", "multiple of 2"], id="save-steps"
        ),
    ],
)
def test_configuration(
    tiny_policy: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    words: list[str],
) -> None:
    config = write_config(tmp_path, tiny_policy, **changes)
    code, message = run(capsys, monkeypatch, "train", str(config))
    assert code == 2, message
    assert "Traceback" not in message
    for word in words:
        assert word in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"images": None}, ["line 2", "images"], id="null-images"),
        pytest.param({"images": "DROP"}, ["line 2", "images"], id="row-without-image"),
        pytest.param({"images": ["gone.png"]}, ["row-a", "gone.png"], id="missing-image"),
        pytest.param({"images": ["broken.png"]}, ["row-a", "broken.png"], id="corrupt-image"),
        pytest.param({"solution": ""}, ["line 2", "solution"], id="empty-solution"),
        pytest.param({"answer": "1, 1"}, ["row-a", "0, 0", "1, 1"], id="solution-has-another-answer"),
        pytest.param({"answer_type": "txt"}, ["line 2", "answer_type", "text"], id="unknown-answer-type"),
    ],
)
def test_rows(
    tiny_policy: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    words: list[str],
) -> None:
    row = good_row(tmp_path)
    (tmp_path / "broken.png").write_bytes((tmp_path / "picture.png").read_bytes()[:40])
    bad = {key: value for key, value in (row | change).items() if value != "DROP"}
    rows = [row | {"id": "first"}, bad]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    config = write_config(tmp_path, tiny_policy, data__train=str(data))
    code, message = run(capsys, monkeypatch, "train", str(config))
    assert code == 2, message
    for word in words:
        assert word in message
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="session")
def text_policy(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3 without a vision tower."""
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    folder = tmp_path_factory.mktemp("text-policy")
    tokenizer = AutoTokenizer.from_pretrained(tiny_policy)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_images_for_a_model_without_vision(
    text_policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(good_row(tmp_path) | {"id": f"r{i}"}) + "\n" for i in range(4)))
    config = write_config(tmp_path, text_policy, data__train=str(data))
    code, message = run(capsys, monkeypatch, "train", str(config))
    assert code == 2, message
    assert "without a vision tower" in message or "vision" in message
    assert "r0" in message


@pytest.mark.parametrize("method", ["contextrl", "sft"])
def test_text_only_rows_train_any_model(
    text_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    rows = [good_row(tmp_path) | {"id": f"r{i}", "images": []} for i in range(4)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config = write_config(tmp_path, text_policy, method=method, data__train=str(data), judge__kind="rules")
    if method == "sft":
        raw = yaml.safe_load(config.read_text(encoding="utf-8"))
        raw["train"] = {"max_steps": 1, "per_device_train_batch_size": 2, "use_cpu": True}
        config.write_text(yaml.safe_dump(raw), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["contextrl", "train", str(config)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    assert json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["steps"] == 1


def test_an_earlier_run_is_not_mixed_with(
    tiny_policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("method: grpo\n", encoding="utf-8")
    config = write_config(tmp_path, tiny_policy)
    code, message = run(capsys, monkeypatch, "train", str(config))
    assert code == 2
    assert "--resume" in message
    assert "--overwrite" in message
    assert (tmp_path / "run" / "config.yaml").read_text(encoding="utf-8") == "method: grpo\n"


def test_the_step_judge_is_refused_for_other_questions(
    tiny_policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [good_row(tmp_path) | {"id": f"r{i}", "question": "What is shown?"} for i in range(4)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    code, message = run(capsys, monkeypatch, "train", str(write_config(tmp_path, tiny_policy, data__train=str(data))))
    assert code == 2
    assert "judge.kind" in message
    assert "r0" in message


def test_a_folder_that_a_killed_start_left_is_free(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["contextrl", "train", str(write_config(tmp_path, tiny_policy))])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
