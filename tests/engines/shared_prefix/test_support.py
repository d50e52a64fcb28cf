"""Which way a model and its settings allow, and which one lengths recommend."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from tiny_models import build, make_prompts
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count
from transformers import GenerationConfig
from trl.trainer.utils import add_fused_lm_head
from unshared import score_unshared

from contextrl.engines.shared_prefix.attention import install
from contextrl.engines.shared_prefix.cost import ModelCost
from contextrl.engines.shared_prefix.prompts import encode_prompts
from contextrl.engines.shared_prefix.scoring import score_packed
from contextrl.engines.shared_prefix.support import supported_way, why_not_sampled
from contextrl.policy.prompts import Prompts

ALONE: dict[str, Any] = {"checkpointing": False, "processes": 1}


@pytest.mark.parametrize("family", ["qwen3-vl", "qwen2.5-vl", "smolvlm", "qwen3"])
@pytest.mark.parametrize("settings", [ALONE, {"checkpointing": True, "processes": 8}])
def test_full_attention_packs_whatever_the_settings(family: str, settings: dict[str, Any]) -> None:
    assert supported_way(build(family), **settings).way == "packed"


@pytest.mark.parametrize(
    ("settings", "way", "reason"),
    [
        (ALONE, "repeated", "layers of sliding_attention"),
        (ALONE | {"checkpointing": True}, "separate", "gradient checkpointing keeps no cache"),
        (ALONE | {"processes": 2}, "separate", "one process only"),
    ],
)
def test_sliding_windows_repeat_the_cache(settings: dict[str, Any], way: str, reason: str) -> None:
    found = supported_way(build("gemma3"), **settings)
    assert found.way == way
    assert reason in found.reason


def test_installing_does_not_change_the_answer() -> None:
    model = build("qwen3-vl")
    install(model.config.get_text_config())
    install(model.config.get_text_config())
    assert supported_way(model, **ALONE).way == "packed"


def test_attention_that_is_not_ours_to_replace() -> None:
    model = build("qwen3-vl")
    model.config.get_text_config()._attn_implementation_internal = "flash_attention_2"
    found = supported_way(model, **ALONE)
    assert found.way == "separate"
    assert "its attention is flash_attention_2, not sdpa or eager" in found.reason


@pytest.mark.parametrize(
    ("setting", "reason"),
    [({"sliding_window": 8}, "sliding window"), ({"attention_dropout": 0.1}, "dropout")],
    ids=["window-of-all-layers", "dropout"],
)
def test_attention_that_ours_does_not_compute(setting: dict[str, Any], reason: str) -> None:
    """Mistral and Phi-3 have a window and no list of layers; a probe with a shorter prompt would not see it."""
    model = build("qwen3")
    model.config.layer_types = None
    for name, value in setting.items():
        setattr(model.config, name, value)
    found = supported_way(model, **ALONE)
    assert found.way == "repeated"
    assert reason in found.reason


def test_recurrent_layers_have_no_cache_to_repeat() -> None:
    model = build("qwen3")
    model.config.layer_types = ["linear_attention", "full_attention"]
    found = supported_way(model, **ALONE)
    assert found.way == "separate"
    assert "layers of linear_attention" in found.reason


def test_adapters() -> None:
    lora = get_peft_model(build("qwen3"), LoraConfig(r=2, target_modules=["q_proj"]))
    assert supported_way(lora, **ALONE).way == "packed"
    learned = get_peft_model(build("qwen3"), PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"))
    found = supported_way(learned, **ALONE)
    assert found.way == "separate"
    assert "before the prompt" in found.reason


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, None),
        ({"do_sample": True, "top_p": 0.9, "repetition_penalty": 1.2}, None),
        ({"num_beams": 3}, "generation is beam_search"),
        ({"num_return_sequences": 2, "do_sample": True}, "num_return_sequences 2"),
        ({"guidance_scale": 2.0}, "guidance_scale 2.0"),
        ({"stop_strings": ["a"]}, "stop_strings"),
        ({"prompt_lookup_num_tokens": 3}, "assisted_generation"),
        ({"cache_implementation": "static"}, "cache_implementation static"),
        ({"cache_implementation": "dynamic"}, None),
    ],
)
def test_generation_settings(settings: dict[str, Any], reason: str | None) -> None:
    found = why_not_sampled(GenerationConfig(**settings))
    assert found is None if reason is None else found is not None and reason in found


# ---- what it costs -------------------------------------------------------------------------------------------------


def count_attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


#: PyTorch counts attention on GPUs only.
CPU_ATTENTION = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: count_attention}


def text_prompts(*lengths: int) -> Prompts:
    return Prompts([[3] * n for n in lengths], {}, [{} for _ in lengths], [0] * len(lengths))


@pytest.mark.parametrize("family", ["qwen3-vl", "qwen2.5-vl", "smolvlm", "qwen3"])
def test_costs_are_those_that_pytorch_counts(family: str) -> None:
    """The ratio of both ways within a tenth, and the products of a forward within a sixth."""
    model = build(family)
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    prompts = make_prompts(family, [(20, [(2, 2)]), (20, [(2, 2)])])
    row, lengths = [0] * 4 + [1] * 4, [6] * 8
    completions = torch.full((8, 6), 5)
    cost = ModelCost.of(model)
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as separate:
        score_unshared(model, prompts, row, completions, lengths, "left")
    install(model.config.get_text_config())
    encoded = encode_prompts(model, prompts, torch.device("cpu"))
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as packed:
        score_packed(model, encoded, row, completions, lengths)
    counted = separate.get_total_flops() / packed.get_total_flops()
    assert cost.separate(prompts, row, lengths) / cost.packed(prompts, row, lengths) == pytest.approx(counted, rel=0.1)
    assert cost.separate(prompts, row, lengths) == pytest.approx(separate.get_total_flops(), rel=0.16)


@pytest.mark.parametrize(
    ("prompts", "row", "lengths", "pays"),
    [
        ([300] * 4, [0] * 8 + [1] * 8 + [2] * 8 + [3] * 8, [40] * 32, True),
        ([60] * 4, [0] * 8 + [1] * 8 + [2] * 8 + [3] * 8, [30] * 32, True),
        ([30] * 2, [0] * 8 + [1] * 8, [2000] * 16, False),  # nothing to speak of is shared
        ([300] * 4, [0, 1, 2, 3], [40] * 4, False),  # nothing at all
        ([50] * 8, [0] * 9 + list(range(1, 8)), [400] * 16, False),  # one long row pads all others
    ],
    ids=["long-prompts", "short-prompts", "long-completions", "one-each", "lopsided"],
)
def test_the_cheaper_way_is_chosen_from_lengths(
    prompts: list[int], row: list[int], lengths: list[int], pays: bool
) -> None:
    cost = ModelCost.of(build("qwen3"))
    assert cost.layout(text_prompts(*prompts), row, lengths) == ("dense" if pays else "separate")


def test_images_are_counted_once_per_prompt() -> None:
    cost = ModelCost.of(build("qwen3-vl"))
    prompts = make_prompts("qwen3-vl", [(5, [(2, 2)]), (5, [(2, 2)])])
    without = Prompts(prompts.ids, {}, [{}, {}], [0, 0])
    row, lengths = [0, 0, 0, 1, 1, 1], [4] * 6
    vision = cost.images(prompts)
    assert vision > 0
    assert cost.packed(prompts, row, lengths) - cost.packed(without, row, lengths) == pytest.approx(vision)
    assert cost.separate(prompts, row, lengths) - cost.separate(without, row, lengths) == pytest.approx(3 * vision)
