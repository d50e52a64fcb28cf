"""The one-file example: it runs, it stays short, and it computes what the package computes."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from contextrl.miniature.tasks import miniature_examples
from contextrl.objective.advantages import group_advantages
from contextrl.objective.batch import LossBatch, LossSettings
from contextrl.objective.grpo import grpo_loss
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor
from contextrl.policy.prompts import Prompts, build_prompts
from contextrl.records.verdict import Verdict
from contextrl.rollout.groups import Attempt, Completion, Group
from contextrl.rollout.mixing import mix_group
from contextrl.rollout.recovery import RetryPrompt
from contextrl.rollout.settings import DEFAULT_INSTRUCTION

EXAMPLE = Path(__file__).parents[2] / "examples" / "contextrl_in_one_file.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("contextrl_in_one_file", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look themselves up by module name.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    return module


def test_the_example_fits_in_300_lines() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 300


def test_the_example_trains_and_prints_what_it_did(tiny_policy: Path) -> None:
    command = [sys.executable, str(EXAMPLE), "--steps", "2", "--examples", "20", "--base", str(tiny_policy)]
    done = subprocess.run(
        command, env=os.environ | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    before, step, after = done.stdout.splitlines()
    share = r"[01]\.\d{3}"
    assert re.fullmatch(rf"before  answer {share}  process {share}  \(20 dev examples\)", before)
    assert re.fullmatch(rf"after   answer {share}  process {share}  \(20 dev examples\)", after)
    figures = re.fullmatch(rf"step   2  reward ({share})  all-negative ({share})  recovered ({share})", step)
    assert figures is not None
    # Three steps of SFT teach no reading: whole groups fail, and stage 2 was entered.
    assert float(figures[2]) > 0.5


def test_advantages_are_the_packages(example: ModuleType) -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    off_policy = rewards.bool() & torch.tensor([[True], [False], [False]])
    found = example.advantages(rewards, off_policy)
    torch.testing.assert_close(found, group_advantages(rewards).flatten())
    # Mean 1/4; squared deviations 9/16 + 3/16 = 3/4, over n - 1 = 3 gives 1/4, so the deviation is 1/2.
    assert found[0].item() == pytest.approx(0.75 / 0.5001)


def test_alpha_scales_only_what_is_off_policy(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example, "ALPHA", 0.5)
    rewards = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    off_policy = torch.tensor([[True, False, False, False]])
    first, second, *_ = example.advantages(rewards, off_policy).tolist()
    assert first == pytest.approx(second / 2)


def test_loss_is_the_packages(example: ModuleType) -> None:
    generator = torch.Generator().manual_seed(0)
    new, old, reference = (-torch.rand(4, 6, generator=generator) for _ in range(3))
    advantage = torch.tensor([1.5, -0.5, -0.5, 0.7])
    mask = torch.arange(6) < torch.tensor([6, 3, 1, 4]).unsqueeze(1)
    off_policy = torch.tensor([True, False, False, True])
    found = example.loss_of(new, old, reference, advantage, mask, off_policy)
    batch = LossBatch(new, old, reference, advantage, mask.float(), off_policy)
    settings = LossSettings(beta=example.BETA)
    assert ((new - old).exp() > 1.2).any(), "the clip has work"
    torch.testing.assert_close(found, grpo_loss(batch, settings).loss)


def prompt_of(processor: Any) -> Prompts:
    return build_prompts(processor, miniature_examples("train", 1))


@pytest.mark.parametrize("truncated", [False, True], ids=["complete", "truncated"])
def test_retry_prompt_is_the_packages(example: ModuleType, tiny_policy: Path, truncated: bool) -> None:
    processor = ImageOnlyQwen3VLProcessor.load(tiny_policy)
    tokenizer = processor.tokenizer

    def render(messages: list[dict[str, Any]]) -> str:
        return str(processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    prompt = prompt_of(processor).ids[0]
    attempt = tokenizer("Digits: 4, 5. Answer: 9")["input_ids"] + [tokenizer.eos_token_id] * (not truncated)
    report = "Mistake: step 1 should say Digits: 4, 8."
    found = example.retry_ids(tokenizer, prompt, attempt, report)
    assert found == RetryPrompt(tokenizer, render, DEFAULT_INSTRUCTION, 1024).build(prompt, attempt, report)
    assert found.count(tokenizer.eos_token_id) == 3  # question, attempt, report


@pytest.mark.parametrize(
    ("retries", "kept"),
    [
        pytest.param(["w", "w", "w", "w"], [], id="none-correct"),
        pytest.param(["w", "a", "w", "b"], [1, 3], id="in-the-slots-they-came-from"),
        pytest.param(["a", "a", "b", "w"], [0, 2], id="identical-once"),
        pytest.param(["a", "b", "c", "d"], [0, 1, 2], id="one-negative-remains"),
    ],
)
def test_mixing_is_the_packages(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch, retries: list[str], kept: list[int]
) -> None:
    monkeypatch.setattr(example, "MAX_POSITIVES", 4)
    negatives = [example.Sample([n], f"wrong {n}", False) for n in range(4)]
    samples = [example.Sample([9], text, False, reward=float(text != "w")) for text in retries]
    mixed = example.mix(negatives, samples)
    assert [slot for slot, one in enumerate(mixed) if one.off_policy] == kept

    group = Group(
        miniature_examples("train", 1)[0],
        0,
        Prompts([[0]]),
        [Attempt(Completion((n,), f"wrong {n}", False), verdict=Verdict("incorrect")) for n in range(4)],
    )
    for parent, text in enumerate(retries):
        verdict = Verdict("incorrect" if text == "w" else "correct")
        rejection = "incorrect" if text == "w" else None
        retry = Attempt(Completion((9,), text, False), 2, parent, verdict=verdict, rejection=rejection)  # type: ignore[arg-type]
        group.retries.append(retry)
    mix_group(group, 4)
    assert [one.text for one in mixed] == [slot.completion.text for slot in group.slots]


def test_retries_that_speak_of_the_report_are_not_kept(example: ModuleType) -> None:
    negatives = [example.Sample([n], "wrong", False) for n in range(2)]
    retries = [
        example.Sample([9], "The report says 4. Digits: 4, 8. Answer: 12", False, reward=1.0),
        example.Sample([9], "wrong", False),
    ]
    assert not any(one.off_policy for one in example.mix(negatives, retries))
