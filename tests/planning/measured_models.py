"""Models whose forwards are counted and whose memory is measured, with rows of one length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, Qwen3VLConfig, Qwen3VLForConditionalGeneration

import contextrl.commands.config  # noqa: F401
from contextrl.commands.models import policy_folder

#: Name to sizes of a random model: hidden, layers, heads, key-value heads, inner, vocabulary; of its tower likewise.
SIZES = {
    "tiny": ((64, 2, 4, 2, 160, 300), (32, 2, 2, 64)),
    "middle": ((512, 8, 8, 4, 1536, 32000), (256, 6, 4, 1024)),
}


@dataclass(frozen=True)
class Measured:
    """Inputs of a forward: B rows of `prompt` tokens with one picture of `patches`, and `completion` more."""

    inputs: dict[str, torch.Tensor]
    rows: int
    prompt: int
    completion: int
    patches: int


def model(name: str) -> Any:
    torch.manual_seed(0)
    if name == "miniature":
        return AutoModelForImageTextToText.from_pretrained(policy_folder("miniature"), dtype=torch.float32)
    (hidden, layers, heads, groups, inner, vocabulary), (width, depth, tower_heads, tower_inner) = SIZES[name]
    config = Qwen3VLConfig(
        text_config={
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": groups,
            "head_dim": hidden // heads,
            "intermediate_size": inner,
            "vocab_size": vocabulary,
            "rope_scaling": {"rope_type": "default", "mrope_section": [hidden // heads // 2 - 2, 1, 1]},
        },
        vision_config={
            "hidden_size": width,
            "depth": depth,
            "num_heads": tower_heads,
            "intermediate_size": tower_inner,
            "out_hidden_size": hidden,
            "patch_size": 8,
            "deepstack_visual_indexes": [0],
        },
        image_token_id=3,
        video_token_id=4,
        vision_start_token_id=5,
        vision_end_token_id=6,
        tie_word_embeddings=False,
    )
    return Qwen3VLForConditionalGeneration(config)


def inputs(model: Any, rows: int, text: int, completion: int, side: int, patches: bool = True) -> Measured:
    """Rows with a picture of side x side merged tokens each."""
    config = model.config
    vision = config.vision_config
    merge = vision.spatial_merge_size
    tokens = side * side if patches else 0
    ids = torch.full((rows, text + tokens + completion), 9)
    ids[:, 1 : 1 + tokens] = config.image_token_id
    given = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "mm_token_type_ids": (ids == config.image_token_id).int(),
    }
    count = (side * merge) ** 2
    if patches:
        values = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
        given["pixel_values"] = torch.randn(rows * count, values)
        given["image_grid_thw"] = torch.tensor([[1, side * merge, side * merge]] * rows)
    return Measured(given, rows, text + tokens, completion, count if patches else 0)
