"""Families whose pictures are no single run of tokens are refused before a weight is loaded, where vLLM samples."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from tiny_families import FAMILIES, build_checkpoint

from contextrl.commands.cli import main
from contextrl.errors import InputError
from contextrl.policy.loading import load_processor, policy_config
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example
from contextrl.trainer.vllm_prompts import check_vllm_prompts

TORCHVISION = importlib.util.find_spec("torchvision") is not None
LOADED = [name for name, family in FAMILIES.items() if TORCHVISION or not family.needs_torchvision]
#: Families that write tokens of rows or tiles among a picture's own.
SEVERAL_RUNS = {"idefics3", "mistral3"}
CONFIG = Path(__file__).parents[2] / "configs" / "miniature" / "grpo.yaml"
ON = SimpleNamespace(use_vllm=True)


def row(images: int, question: str = "Which?") -> Example:
    shown = tuple(Image.new("RGB", (24 + 8 * n, 40)) for n in range(images))
    return Example(f"row-{images}", question, "One. Answer: 1", "1", images=shown)


def of(name: str, folder: Path) -> tuple[Any, Prompting]:
    checkpoint = str(build_checkpoint(name, folder))
    config = policy_config(checkpoint)
    return config, Prompting(load_processor(checkpoint, config))


@pytest.mark.parametrize("name", LOADED)
def test_a_family_is_asked_with_one_small_picture(name: str, tmp_path: Path) -> None:
    config, prompting = of(name, tmp_path)
    if name in SEVERAL_RUNS:
        with pytest.raises(InputError, match=r"train\.use_vllm: expected .*one run .*found \d+ runs .* for 1 images"):
            check_vllm_prompts(ON, config, prompting, [row(1)])
    else:
        check_vllm_prompts(ON, config, prompting, [row(0), row(1), row(1)])
    check_vllm_prompts(SimpleNamespace(use_vllm=False), config, prompting, [row(1)])
    check_vllm_prompts(SimpleNamespace(), config, prompting, [row(1)])
    check_vllm_prompts(ON, config, prompting, [row(0)])


def test_pictures_whose_runs_touch_are_found_in_the_row_that_shows_them(tmp_path: Path) -> None:
    """A template that puts nothing between pictures; a text between them does."""
    config, prompting = of("llava", tmp_path)
    prompting.processor.chat_template = prompting.processor.chat_template.replace("<image>{{ '\\n' }}", "<image>")
    check_vllm_prompts(ON, config, prompting, [row(1), row(2, "<image> and <image>?")])
    with pytest.raises(InputError, match=r"1 runs of token .* for 3 images"):
        check_vllm_prompts(ON, config, prompting, [row(1), row(3), row(2, "<image> and <image>?")])


@pytest.mark.skipif("idefics3" not in LOADED, reason="this transformers wants torchvision for Idefics 3")
@pytest.mark.parametrize("command", ["check", "train"])
def test_commands_refuse_them_before_weights_are_loaded(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = build_checkpoint("idefics3", tmp_path / "model")
    there = SimpleNamespace(util=SimpleNamespace(find_spec=lambda _: "vllm"))
    monkeypatch.setattr("contextrl.trainer.vllm_settings.importlib", there)

    def load(*_: Any, **__: Any) -> None:
        raise AssertionError("weights are loaded")

    monkeypatch.setattr("contextrl.policy.loading.create_model_from_path", load)
    changes = [f"run_dir={tmp_path / 'run'}", f"model.path={checkpoint}", "train.use_vllm=true", "train.use_cpu=true"]
    changes += ["data.examples=32", "eval.examples=2", "eval.final_examples=2"]
    words = [part for change in changes for part in ("--set", change)]
    monkeypatch.setattr(sys, "argv", ["contextrl", command, str(CONFIG), *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    told = capsys.readouterr().err
    assert stopped.value.code == 2, told
    assert "train.use_vllm: expected a policy whose prompts show each image as one run of its image token" in told
    assert "Set train.use_vllm to false" in told
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_check_says_that_vllm_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = [f"run_dir={tmp_path / 'run'}", "train.use_vllm=true", "train.use_cpu=true", "data.examples=32"]
    words = [part for change in changes for part in ("--set", change)]
    monkeypatch.setattr(sys, "argv", ["contextrl", "check", str(CONFIG), *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "train.use_vllm: expected vLLM, found it is not installed" in capsys.readouterr().err
