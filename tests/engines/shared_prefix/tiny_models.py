"""Random models of a few families at test size, and prompts for them that no processor has to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

from contextrl.policy.prompts import Prompts

VOCABULARY, PAD, END = 97, 0, 1
IMAGE, VIDEO, VISION_START, VISION_END = 90, 91, 92, 93
#: The largest id that is plain text; 2 is the smallest.
TEXT = 89
SPECIAL = {"pad_token_id": PAD, "bos_token_id": 2, "eos_token_id": END}
QWEN_IDS = {
    "image_token_id": IMAGE,
    "video_token_id": VIDEO,
    "vision_start_token_id": VISION_START,
    "vision_end_token_id": VISION_END,
}
TEXT_CONFIG = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    # Larger than usual, so that what a token attends to shows in its probability.
    "initializer_range": 0.2,
    **SPECIAL,
}


def qwen3() -> Any:
    return Qwen3ForCausalLM(Qwen3Config(**TEXT_CONFIG))


def qwen3_vl() -> Any:
    text = TEXT_CONFIG | {"rope_parameters": {"rope_theta": 1e4, "rope_type": "default", "mrope_section": [2, 1, 1]}}
    vision = {
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_heads": 2,
        "patch_size": 4,
        "out_hidden_size": 32,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
        "initializer_range": 0.2,
    }
    return Qwen3VLForConditionalGeneration(Qwen3VLConfig(text_config=text, vision_config=vision, **QWEN_IDS))


def qwen2_5_vl() -> Any:
    text = TEXT_CONFIG | {"rope_parameters": {"rope_theta": 1e4, "rope_type": "default", "mrope_section": [2, 1, 1]}}
    vision = {
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_heads": 2,
        "patch_size": 4,
        "out_hidden_size": 32,
        "window_size": 16,
        "fullatt_block_indexes": [1],
        "initializer_range": 0.2,
    }
    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=vision, **QWEN_IDS))


def smolvlm() -> Any:
    text = TEXT_CONFIG | {"model_type": "llama"}
    vision = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 4,
        "initializer_range": 0.2,
    }
    config = SmolVLMConfig(text_config=text, vision_config=vision, scale_factor=2, image_token_id=IMAGE, **SPECIAL)
    return SmolVLMForConditionalGeneration(config)


def gemma3() -> Any:
    """Its first layer slides over 8 tokens, and an image's tokens see each other."""
    text = TEXT_CONFIG | {
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"],
        "query_pre_attn_scalar": 8,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 4,
        "vision_use_head": False,
        "initializer_range": 0.2,
    }
    return Gemma3ForConditionalGeneration(
        Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=IMAGE, **SPECIAL)
    )


MODELS: dict[str, Callable[[], Any]] = {
    "qwen3-vl": qwen3_vl,
    "qwen2.5-vl": qwen2_5_vl,
    "smolvlm": smolvlm,
    "gemma3": gemma3,
    "qwen3": qwen3,
}


def build(family: str, seed: int = 0, implementation: str = "sdpa") -> Any:
    """A model whose weights come from `seed`."""
    torch.manual_seed(seed)
    model = MODELS[family]()
    model.set_attn_implementation(implementation)
    # Zero at the start in many families, where a bug would not show.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += 0.1 * torch.randn_like(parameter)
    return model


def make_prompts(
    family: str, shapes: Sequence[tuple[int, Sequence[tuple[int, int]]]], seed: int = 0, *, between: int = 0
) -> Prompts:
    """One prompt per shape: so many text tokens, and images of (height, width) in merged patches, for Qwen only.

    Args:
        between: further text tokens before each image.
    """
    generator = torch.Generator().manual_seed(seed)
    ids, types, features = [], [], []
    for text, images in shapes:
        sizes = list(images) if family != "qwen3" else []
        row = [2]
        for height, width in sizes:
            count = height * width if family.startswith("qwen") else 4
            row += torch.randint(3, TEXT, (between,), generator=generator).tolist()
            row += [VISION_START] + [IMAGE] * count + [VISION_END]
        row += torch.randint(3, TEXT, (text,), generator=generator).tolist()
        ids.append(row)
        types.append([int(token == IMAGE) for token in row])
        features.append(_features(family, sizes, generator))
    names = {"gemma3": "token_type_ids", "qwen3-vl": "mm_token_type_ids", "qwen2.5-vl": "mm_token_type_ids"}
    per_token = {names[family]: types} if family in names else {}
    return Prompts(ids, per_token, features, [len(images) if family != "qwen3" else 0 for _, images in shapes])


def _features(family: str, sizes: list[tuple[int, int]], generator: torch.Generator) -> dict[str, torch.Tensor]:
    if not sizes:
        return {}
    if family.startswith("qwen"):
        patches = sum(4 * height * width for height, width in sizes)
        return {
            "pixel_values": torch.randn(patches, 3 * 2 * 4 * 4, generator=generator),
            "image_grid_thw": torch.tensor([[1, 2 * height, 2 * width] for height, width in sizes]),
        }
    if family == "smolvlm":
        return {
            "pixel_values": torch.randn(1, len(sizes), 3, 16, 16, generator=generator),
            "pixel_attention_mask": torch.ones(1, len(sizes), 16, 16, dtype=torch.long),
        }
    return {"pixel_values": torch.randn(len(sizes), 3, 16, 16, generator=generator)}
