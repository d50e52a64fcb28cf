"""Fails, by name, when TRL or transformers changes a private method that the trainer overrides or calls."""

from __future__ import annotations

import inspect

import pytest
from trl import GRPOTrainer
from trl.trainer.utils import RepeatSampler

OVERRIDDEN_OR_CALLED = {
    "_generate_and_score_completions": ["inputs"],
    "_calculate_rewards": ["inputs", "prompts", "completions", "completion_ids_list"],
    "_compute_loss": ["model", "inputs"],
    "_get_train_sampler": ["dataset"],
    "_save_checkpoint": ["model", "trial"],
    "_generate_single_turn": ["prompt_ids", "images", "multimodal_fields", "num_generations", "has_tool_images"],
    "_get_per_token_logps_and_entropies": [
        "model",
        "input_ids",
        "attention_mask",
        "logits_to_keep",
        "batch_size",
        "compute_entropy",
        "compute_aux_loss",
        "pixel_values",
        "image_grid_thw",
        "num_images",
        "pixel_attention_mask",
        "spatial_shapes",
        "num_tiles",
        "image_sizes",
        "token_type_ids",
        "mm_token_type_ids",
        "image_position_ids",
    ],
}


@pytest.mark.parametrize("name", OVERRIDDEN_OR_CALLED)
def test_signature_is_the_one_we_build_on(name: str) -> None:
    parameters = list(inspect.signature(getattr(GRPOTrainer, name)).parameters)[1:]
    assert parameters == OVERRIDDEN_OR_CALLED[name], f"GRPOTrainer.{name} has changed: read it again"


def test_the_sampler_still_draws_from_its_own_generator() -> None:
    assert list(inspect.signature(RepeatSampler).parameters) == [
        "data_source",
        "mini_repeat_count",
        "batch_size",
        "repeat_count",
        "shuffle",
        "seed",
    ]
    assert "generator=self.generator" in inspect.getsource(RepeatSampler.__iter__)


@pytest.mark.parametrize(
    "line",
    [
        "self.rollout_func(prompts, self)",
        "images = None",
        "unscorable_mask = torch.isnan(rewards_per_func).all(dim=1)",
        "advantages = advantages / (std_rewards + 1e-4)",
    ],
)
def test_the_lines_that_replaying_relies_on_are_still_there(line: str) -> None:
    source = inspect.getsource(GRPOTrainer._generate) + inspect.getsource(GRPOTrainer._generate_and_score_completions)
    assert line in source
