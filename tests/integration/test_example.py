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


def group_of(example: ModuleType, *rewards: float, rolled_back: int = 0) -> list[Any]:
    """The last `rolled_back` members are kept retries."""
    places = range(len(rewards))
    return [
        example.Sample([9], "", False, n >= len(rewards) - rolled_back, r) for n, r in zip(places, rewards, strict=True)
    ]


def test_advantages_are_the_packages(example: ModuleType) -> None:
    for rewards in ([1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]):
        found = example.advantages(group_of(example, *rewards))
        torch.testing.assert_close(found, group_advantages(torch.tensor([rewards]))[0])
    # Mean 1/4; squared deviations 9/16 + 3/16 = 3/4, over n - 1 = 3 gives 1/4, so the deviation is 1/2.
    assert example.advantages(group_of(example, 1.0, 0.0, 0.0, 0.0))[0].item() == pytest.approx(0.75 / 0.5001)


def test_lambda_scales_every_member_of_a_mixed_group(example: ModuleType) -> None:
    online = example.advantages(group_of(example, 0.0, 0.0, 0.0, 1.0))
    mixed = example.advantages(group_of(example, 0.0, 0.0, 0.0, 1.0, rolled_back=1))
    torch.testing.assert_close(mixed, example.LAMBDA * online)


def test_loss_is_the_packages(example: ModuleType) -> None:
    generator = torch.Generator().manual_seed(0)
    new, old, reference = (-torch.rand(4, 6, generator=generator) for _ in range(3))
    advantage = torch.tensor([1.5, -0.5, -0.5, 0.7])
    mask = torch.arange(6) < torch.tensor([6, 3, 1, 4]).unsqueeze(1)
    off_policy = torch.tensor([True, False, False, True])
    weights = torch.tensor([1.0, 1.0, 0.4, 0.4])
    found = example.loss_of(new, old, reference, advantage, mask, off_policy, weights / 4)
    batch = LossBatch(new, old, reference, advantage, mask.float(), off_policy, weights, rows=4)
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
        pytest.param(["w", "a", "w", "b"], ["a", "b"], id="beside-the-negatives"),
        pytest.param(["a", "a", "b", "w"], ["a", "b"], id="identical-once"),
        pytest.param(["a", "b", "c", "d"], ["a", "b", "c", "d"], id="as-many-as-there-are"),
    ],
)
def test_mixing_is_the_packages(example: ModuleType, retries: list[str], kept: list[str]) -> None:
    negatives = [example.Sample([n], f"wrong {n}", False) for n in range(4)]
    samples = [example.Sample([9], text, False, reward=float(text != "w")) for text in retries]
    mixed = example.mix(negatives, samples)
    assert [member.text for member in mixed if member.off_policy] == kept

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
    mix_group(group)
    assert [one.text for one in mixed] == [member.completion.text for member in group.members]


def test_retries_that_speak_of_the_report_are_not_kept(example: ModuleType) -> None:
    negatives = [example.Sample([n], "wrong", False) for n in range(2)]
    retries = [
        example.Sample([9], "The report says 4. Digits: 4, 8. Answer: 12", False, reward=1.0),
        example.Sample([9], "wrong", False),
    ]
    assert not any(one.off_policy for one in example.mix(negatives, retries))
