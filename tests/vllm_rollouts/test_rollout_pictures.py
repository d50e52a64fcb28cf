"""Pictures reach vLLM as the trainer scores them: several to a prompt, of mixed sizes, each part in its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from colocated import build_colocated, engine_of
from peft import LoraConfig
from PIL import Image
from runs import ScriptedJudge

from contextrl.engines.vllm.requests import EngineMismatchError
from contextrl.engines.vllm.settings import VLLMSettings
from contextrl.policy.prompts import Prompts
from contextrl.records import metrics as names
from contextrl.records.example import Example
from contextrl.rollout.sampling import Draws


def picture(width: int, height: int, seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def example(name: str, question: str, *images: Image.Image) -> Example:
    return Example(id=name, question=question, solution="Answer: 1", answer="1", answer_type="number", images=images)


@pytest.fixture(scope="module")
def trainer(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """With an adapter that changes what is sampled, and rows of up to three pictures."""
    usual = VLLMSettings.of
    with pytest.MonkeyPatch.context() as patch:
        # The rows that it is built with show one picture each.
        patch.setattr(VLLMSettings, "of", staticmethod(lambda host: replace(usual(host), images=3)))
        return adapted(policy, tmp_path_factory.mktemp("run"))


def adapted(policy: Path, folder: Path) -> Any:
    lora = LoraConfig(r=8, lora_alpha=64, target_modules=["q_proj", "v_proj", "down_proj"])
    built = build_colocated(
        policy,
        folder,
        ScriptedJudge(lambda _: "correct"),
        peft_config=lora,
        max_completion_length=12,
        prompts={"max_prompt_tokens": 700},
    )
    torch.manual_seed(5)
    for name, parameter in built.model.named_parameters():
        if "lora_B" in name:
            parameter.data += torch.randn_like(parameter) * 0.05
    return built


ROWS = [
    example("oblong", "<image> What digit is at the left?", picture(96, 32, 0)),
    example("upright", "<image> What digit is at the top?", picture(32, 96, 1)),
    example(
        "three", "<image> and <image> and <image>: which?", picture(64, 32, 2), picture(16, 16, 3), picture(32, 80, 4)
    ),
    example("plain", "What is 1 + 0?"),
]


def prompts_of(trainer: Any, rows: list[Example]) -> Prompts:
    built: Prompts = trainer.collector.build_prompts(rows)
    return built


def gap(trainer: Any, prompts: Prompts, scored: Prompts | None = None) -> list[float]:
    """Largest difference of log-probabilities per prompt, between vLLM's samples and the trainer's view of them."""
    draws = Draws(range(len(prompts.ids)), [()] * len(prompts.ids), range(100, 100 + len(prompts.ids)))
    engine = engine_of(trainer)
    sampled = engine.sample(prompts, draws)
    assert sampled.logps is not None
    logps = engine.guard._logps(scored or prompts, [[ids] for ids in sampled.ids])
    return [max(abs(a - b) for a, b in zip(h, t, strict=True)) for h, t in zip(logps, sampled.logps, strict=True)]


def test_mixed_pictures_are_read_as_they_are_scored(trainer: Any) -> None:
    """The adapter is in what vLLM samples with: without it the numbers would be others."""
    engine = engine_of(trainer)
    engine._loaded_step = -1
    gaps = gap(trainer, prompts_of(trainer, ROWS))
    assert max(gaps) < 2e-3, gaps
    with trainer.model.disable_adapter():
        stale = gap(trainer, prompts_of(trainer, ROWS))
    assert max(stale) > 0.05
    base = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    engine._loaded_step = -1
    engine.follow_policy()
    assert all(torch.equal(trainer.model.state_dict()[name], value) for name, value in base.items())


def test_height_and_width_reach_vllm(trainer: Any) -> None:
    """A grounding question: the same patches in a grid of the other shape are another picture."""
    prompts = prompts_of(trainer, ROWS[:2])
    assert max(gap(trainer, prompts)) < 2e-3
    turned = [{**row, "image_grid_thw": row["image_grid_thw"][:, [0, 2, 1]]} for row in prompts.features]
    assert min(gap(trainer, prompts, replace(prompts, features=turned, positions=[]))) > 1e-2


def test_another_picture_in_its_place_stops_the_run(trainer: Any) -> None:
    """Of the same size, so that ids and places are right: only log-probabilities can tell."""
    engine = engine_of(trainer)
    prompts = prompts_of(trainer, ROWS[:1])
    blank = replace(prompts, images=[(Image.new("RGB", (96, 32), (127, 127, 127)),)])
    engine.guard._passed.clear()
    with pytest.raises(EngineMismatchError, match=r"vLLM does not sample from the policy that is trained: .* nats"):
        engine.sample(blank, Draws([0], [()], [1]))
    engine.guard._passed = {False, True}


def test_a_picture_of_another_size_stops_the_run_at_any_step(trainer: Any) -> None:
    engine = engine_of(trainer)
    prompts = prompts_of(trainer, ROWS[:1])
    other = replace(prompts, images=[(picture(64, 64, 9),)])
    with pytest.raises(EngineMismatchError, match="vLLM has read a prompt of"):
        engine.sample(other, Draws([0], [()], [1]))


def test_a_conversation_of_stage_2_finds_its_prompt_in_the_cache(trainer: Any) -> None:
    engine = engine_of(trainer)
    prompts = prompts_of(trainer, [example("long", "<image> " + "What digit is here, then? " * 20, picture(64, 32, 7))])
    engine.sample(prompts, Draws([0, 0], [(), ()], [5, 6]))
    engine.rest()
    trainer._metrics["train"][names.ENGINE_PREFIX_CACHE_HITS].clear()
    engine.sample(prompts, Draws([0, 0], [[40, 41], [42]], [7, 8]))
    engine.rest()
    (share,) = trainer._metrics["train"][names.ENGINE_PREFIX_CACHE_HITS]
    assert 0.3 < share <= 1.0
    engine._loaded_step = -1
    engine.sample(prompts, Draws([0], [[40]], [7]))
    engine.rest()
    assert trainer._metrics["train"][names.ENGINE_PREFIX_CACHE_HITS][-1] == 0.0, "new weights, new cache"
