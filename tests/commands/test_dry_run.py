"""`contextrl train CONFIG --dry-run`: the paper's recipes, said and checked without weights, hub or judge."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from contextrl.commands.cli import app
from contextrl.errors import InputError

CONFIGS = Path(__file__).parents[2] / "configs"
RECIPES = ("contextrl", "grpo", "dapo", "sft")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a dry run asks nobody")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def shown(config: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["train", str(config), "--dry-run", *arguments], env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0
    return done.output


def recipe(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((CONFIGS / "qwen3-vl-8b" / f"{name}.yaml").read_text()))


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_have_the_papers_figures(name: str) -> None:
    """arXiv 2602.22623, section 4.1.4."""
    settings = recipe(name)
    train = settings["train"]
    assert (settings["method"], settings["model"]) == (
        name,
        {"path": "Qwen/Qwen3-VL-8B-Instruct", "max_pixels": 3_000_000},
    )
    assert 8 * train["per_device_train_batch_size"] * train["gradient_accumulation_steps"] == 128
    assert (train["lr_scheduler_type"], train["warmup_steps"]) == ("cosine_with_min_lr", 0.03)
    assert settings["eval"]["max_new_tokens"] == 16_384
    if name == "sft":
        assert (train["learning_rate"], train["num_train_epochs"]) == (1e-5, 5)
        assert settings["eval"]["best"] is True
        return
    assert (train["learning_rate"], train["num_train_epochs"], train["num_generations"]) == (1e-6, 1, 8)
    assert train["max_completion_length"] == 16_384
    assert train["beta"] == (0.0 if name == "dapo" else 0.01)
    assert settings["judge"]["model"] == "Qwen/Qwen3-VL-32B-Instruct"
    assert settings["judge"]["context"] == ("solution" if name == "contextrl" else "answer")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_checked_and_said_without_weights_hub_or_judge(name: str) -> None:
    text = shown(CONFIGS / "qwen3-vl-8b" / f"{name}.yaml")
    assert "8.77B parameters" in text
    assert "a photo of 4000 x 3000 takes 2,852 tokens" in text
    rate = "1e-05" if name == "sft" else "1e-06"
    assert f"{rate} after 3.0% of the steps of warm-up" in text
    batch = "128 rows a step" if name == "sft" else "128 samples = 16 prompts x 8 a step"
    assert batch in text
    assert "the rows of data/contextrl-train.jsonl" in text
    assert ("no server was asked" in text) == (name != "sft")
    assert "Settings as they are resolved" in text


def test_rows_that_are_here_are_checked_and_counted() -> None:
    text = shown(CONFIGS / "miniature" / "contextrl.yaml", "--set", "train.max_steps=-1", "--set", "data.examples=320")
    assert "320 rows, all valid" in text
    # 128 samples are 16 prompts: 20 steps an epoch, and TRL's default of three.
    assert "60 steps in 3 epochs" in text


def test_what_a_run_would_refuse_is_refused(tmp_path: Path) -> None:
    config = CONFIGS / "qwen3-vl-8b" / "contextrl.yaml"
    with pytest.raises(InputError, match=r"model\.max_pixels"):
        shown(config, "--set", "data.max_prompt_tokens=2000")
    with pytest.raises(InputError, match="shorter than the policy's positions"):
        shown(config, "--set", "train.max_completion_length=262144")
    with pytest.raises(InputError, match=r"train\.num_generations"):
        shown(config, "--set", "train.num_generations=7")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"question": "?", "images": ["missing.png"], "solution": "s", "answer": "1"}\n')
    with pytest.raises(InputError, match=r"missing\.png"):
        shown(config, "--set", f"data.train={rows}")


def test_nothing_is_written(tmp_path: Path) -> None:
    shown(CONFIGS / "miniature" / "contextrl.yaml", "--set", f"run_dir={tmp_path / 'run'}")
    assert list(tmp_path.iterdir()) == []


def test_the_best_epoch_needs_a_checkpoint_of_every_epoch() -> None:
    config = CONFIGS / "qwen3-vl-8b" / "sft.yaml"
    for change in ("train.save_strategy=steps", "train.save_total_limit=2", "eval.every=10", "data.eval=null"):
        with pytest.raises(InputError, match=r"eval\.best: expected a checkpoint and an evaluation of every epoch"):
            shown(config, "--set", change)
