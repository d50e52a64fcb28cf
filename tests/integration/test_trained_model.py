"""The trained model is a result: where it is, what loads it, what goes on from it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer, Qwen3VLForConditionalGeneration

from contextrl.commands.cli import main
from contextrl.policy.loading import load_policy
from contextrl.records.jsonl import read_objects

#: SFT, which moves the weights of an untrained policy too.
SMALL: dict[str, Any] = {
    "method": "sft",
    "train": {
        "max_steps": 1,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "constant",
        "use_cpu": True,
        "save_strategy": "no",
    },
    "eval": {"final_examples": 4, "max_new_tokens": 12},
    "data": {"examples": 16},
}


def train(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str, **sections: Any) -> int:
    """`contextrl train` of a small run in `folder`; sections are merged into `SMALL`."""
    config = json.loads(json.dumps(SMALL))
    for name, section in sections.items():
        config[name] = {**config.get(name, {}), **section} if isinstance(section, dict) else section
    path = folder.with_suffix(".yaml")
    path.write_text(yaml.safe_dump({**config, "run_dir": str(folder)}))
    return run_main(monkeypatch, "train", str(path), *options)


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["contextrl", *arguments])
    try:
        main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def equal(left: Any, right: Any) -> bool:
    pairs = zip(left.state_dict().items(), right.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.fixture(scope="module")
def sft_with_lora(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SFT of an adapter, finished."""
    folder = tmp_path_factory.mktemp("chain") / "sft"
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert train(folder, monkeypatch, model={"path": str(tiny_policy), "lora": True}, train={"max_steps": 2}) == 0
    return folder


def test_a_run_leaves_its_model_whatever_is_saved_on_the_way(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert train(run, monkeypatch, model={"path": str(tiny_policy)}) == 0
    said = capsys.readouterr().out
    assert f"Model: {run}/model" in said
    assert f"contextrl report {run}" in said
    assert not list((run / "checkpoints").iterdir())
    model = run / "model"
    plain = AutoModelForImageTextToText.from_pretrained(model)
    assert isinstance(plain, Qwen3VLForConditionalGeneration)
    assert not equal(plain, load_policy(str(tiny_policy)))
    assert AutoTokenizer.from_pretrained(model).chat_template
    assert AutoImageProcessor.from_pretrained(model, backend="pil").patch_size == 4
    assert not (model / "training_args.bin").exists()
    assert not list(run.glob(".model*"))


def test_the_card_says_what_the_model_is(sft_with_lora: Path) -> None:
    card = (sft_with_lora / "model" / "README.md").read_text()
    _, head, text = card.split("---\n", 2)
    assert yaml.safe_load(head) == {
        "library_name": "peft",
        "pipeline_tag": "image-text-to-text",
        "tags": ["contextrl", "trl", "sft"],
    }
    results = json.loads((sft_with_lora / "results.json").read_text())
    assert f"{results['after']['answer_accuracy']:.1%}" in text
    assert "`miniature`" in text
    assert "Optimizer steps: 2; seed: 0" in text


def test_a_run_goes_on_from_another_runs_adapter(
    sft_with_lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    fields = {"num_generations": 4, "per_device_train_batch_size": 8, "max_completion_length": 12, "beta": 0.1}
    assert train(run, monkeypatch, method="contextrl", model={"path": str(sft_with_lora)}, train=fields) == 0
    first = next(row for row in read_objects(run / "metrics.jsonl") if "kl" in row)
    # The reference is what training started from, the adapter included.
    assert first["kl"] == pytest.approx(0.0, abs=1e-6)
    # It is an adapter on the first run's base, not on the first run.
    card = (run / "model" / "README.md").read_text()
    base = json.loads((run / "model" / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert f"A LoRA adapter on `{base}`, trained with contextrl" in card
    assert f"- Training started from: `{sft_with_lora}`" in card
    assert yaml.safe_load(card.split("---\n")[1])["tags"] == ["contextrl", "trl"]
    files = {path.name for path in (run / "model").iterdir()}
    assert "adapter_model.safetensors" in files
    assert "ref" not in files
    assert json.loads((run / "results.json").read_text())["before"] == json.loads(
        (sft_with_lora / "results.json").read_text()
    )["after"] | {"data": "miniature"}


def test_export_merges_an_adapter_into_its_base(
    sft_with_lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    merged, adapter = tmp_path / "merged", tmp_path / "adapter"
    assert run_main(monkeypatch, "export", str(sft_with_lora), str(merged), "--merge") == 0
    assert "merged into" in capsys.readouterr().out
    assert run_main(monkeypatch, "export", str(sft_with_lora), str(adapter)) == 0
    whole = AutoModelForImageTextToText.from_pretrained(merged)
    wanted = load_policy(str(sft_with_lora / "model")).merge_and_unload()
    assert all(
        torch.allclose(x.float(), y, atol=1e-2) for x, y in zip(whole.parameters(), wanted.parameters(), strict=True)
    )
    assert not (merged / "adapter_config.json").exists()
    assert "library_name: transformers" in (merged / "README.md").read_text()
    assert equal(load_policy(str(adapter)), load_policy(str(sft_with_lora / "model")))


def test_export_refuses(
    sft_with_lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("kept")
    assert run_main(monkeypatch, "export", str(sft_with_lora), str(tmp_path / "full")) == 2
    assert "expected a new or empty folder" in capsys.readouterr().err
    assert run_main(monkeypatch, "export", str(tmp_path / "none"), str(tmp_path / "out")) == 2
    assert "expected a run, or a folder with a model" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"full"}


def test_a_folder_above_the_model_is_answered_with_the_one_that_would_do(
    sft_with_lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    above = tmp_path / "models"
    shutil.copytree(sft_with_lora / "model", above / "mine")
    assert train(tmp_path / "run", monkeypatch, model={"path": str(above)}) == 2
    assert f"Set model.path to {above / 'mine'}" in capsys.readouterr().err
    unfinished = tmp_path / "unfinished"
    shutil.copytree(sft_with_lora, unfinished)
    shutil.rmtree(unfinished / "model")
    (unfinished / "results.json").unlink()
    checkpoint = unfinished / "checkpoints" / "checkpoint-1"
    checkpoint.mkdir(parents=True)
    (checkpoint / "contextrl_state.json").write_text("{}")
    assert train(tmp_path / "run", monkeypatch, model={"path": str(unfinished)}) == 2
    assert f"Set model.path to {checkpoint}" in capsys.readouterr().err


def test_a_finished_run_goes_further(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = {"save_strategy": "steps", "save_steps": 1}
    model = {"path": str(tiny_policy)}
    short, straight = tmp_path / "short", tmp_path / "straight"
    assert train(short, monkeypatch, model=model, train=fields) == 0
    assert train(short, monkeypatch, "--resume", model=model, train={**fields, "max_steps": 3}) == 0
    assert train(straight, monkeypatch, model=model, train={**fields, "max_steps": 3}) == 0
    one, other = (load_policy(str(run / "model")) for run in (short, straight))
    assert equal(one, other)
    assert json.loads((short / "results.json").read_text())["steps"] == 3
    assert yaml.safe_load((short / "config.yaml").read_text())["train"]["max_steps"] == 3
    assert [row["step"] for row in read_objects(short / "metrics.jsonl") if "loss" in row] == [1, 2, 3]
    capsys.readouterr()
    assert train(short, monkeypatch, "--resume", model=model, train={**fields, "max_steps": 2}) == 2
    assert "train.max_steps can be raised" in capsys.readouterr().err


def test_a_finished_run_without_checkpoint_cannot_go_further(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    model = {"path": str(tiny_policy)}
    assert train(run, monkeypatch, model=model) == 0
    before = (run / "results.json").read_bytes()
    assert train(run, monkeypatch, "--resume", model=model, train={"max_steps": 2}) == 2
    assert f"model.path: {run}" in capsys.readouterr().err
    assert (run / "results.json").read_bytes() == before
    assert (run / "model" / "config.json").is_file()


@pytest.mark.parametrize("out", ["file/out", "file/deeper/out"])
@pytest.mark.parametrize("merge", [(), ("--merge",)])
def test_an_export_without_a_place_is_refused(
    sft_with_lora: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    out: str,
    merge: tuple[str, ...],
) -> None:
    (tmp_path / "file").write_text("mine")
    assert run_main(monkeypatch, "export", str(sft_with_lora), str(tmp_path / out), *merge) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / out} could not be written: " in said
    assert "a file" in said
    assert "Choose another OUT" in said
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_export_that_is_stopped_leaves_nothing(
    sft_with_lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("contextrl.commands.export.complete", stopped)
    assert run_main(monkeypatch, "export", str(sft_with_lora), str(tmp_path / "out"), "--merge") == 130
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["folder", "file/items.jsonl"])
def test_answers_without_a_place_are_refused_before_the_evaluation(
    tiny_policy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr("contextrl.commands.evaluate.evaluate", None)
    assert run_main(monkeypatch, "eval", str(tiny_policy), "--predictions", str(tmp_path / place)) == 2
    assert str(tmp_path / place) in capsys.readouterr().err.replace("\n", "")
