"""What is measured on a GPU: random models in published shapes, drawn pictures, a tokenizer that needs no network."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from contextrl.miniature.policy import CHAT_TEMPLATE
from contextrl.policy.loading import shipped_config
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor
from contextrl.records.example import Example

#: Tokens of Qwen's vocabulary, and its own ids of special ones: in a smaller one they keep their distance from the end.
VOCABULARY = 151_936
SPECIAL = {
    "<|endoftext|>": 151643,
    "<|im_start|>": 151644,
    "<|im_end|>": 151645,
    "<|vision_start|>": 151652,
    "<|vision_end|>": 151653,
    "<|image_pad|>": 151655,
    "<|video_pad|>": 151656,
}
#: What Qwen3-VL-2B-Instruct has otherwise than 8B.
TEXT_2B = {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16}
VISION_2B = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "depth": 24,
    "out_hidden_size": 2048,
    "deepstack_visual_indexes": [5, 11, 17],
}
TEXT_TINY = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    # vLLM's attention on a CPU knows nothing smaller.
    "head_dim": 32,
    "rope_scaling": {"mrope_interleaved": True, "mrope_section": [8, 4, 4], "rope_type": "default"},
}
VISION_TINY = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "depth": 2,
    "num_heads": 2,
    "out_hidden_size": 64,
    "num_position_embeddings": 64,
    "deepstack_visual_indexes": [0],
}


@dataclass(frozen=True)
class Shape:
    """A model: what differs from Qwen3-VL-8B, and how it is trained."""

    text: dict[str, Any]
    vision: dict[str, Any]
    tied: bool
    lora: bool
    vocabulary: int = VOCABULARY

    @property
    def special(self) -> dict[str, int]:
        """Ids of special tokens."""
        return {token: number + self.vocabulary - VOCABULARY for token, number in SPECIAL.items()}


SHAPES = {
    "2B": Shape(TEXT_2B, VISION_2B, tied=True, lora=False),
    "8B": Shape({}, {}, tied=False, lora=True),
    "tiny": Shape(TEXT_TINY, VISION_TINY, tied=True, lora=False, vocabulary=1024),
    "tiny-lora": Shape(TEXT_TINY, VISION_TINY, tied=False, lora=True, vocabulary=1024),
}


@dataclass(frozen=True)
class Case:
    """A group: one prompt with one picture, and its completions.

    Attributes:
        model: a name in `SHAPES`.
        picture: width and height in pixels.
        text: tokens of the prompt beside the picture's, about.
        completion: tokens of each sample.
        step: tokens of each sample in whole steps, which sample (each takes the same time); 0: none is taken.
        compare: whether layouts and torch.compile are compared.
    """

    model: str
    picture: tuple[int, int]
    text: int
    completion: int
    step: int = 0
    compare: bool = False
    generations: int = 8

    @property
    def megapixels(self) -> float:
        return self.picture[0] * self.picture[1] / 1e6


#: In order of interest: what no time is left for is skipped.
CASES = (
    Case("2B", (640, 480), 30, 256, step=48),
    Case("2B", (640, 480), 30, 4096, compare=True),
    Case("2B", (1024, 1024), 976, 1024, compare=True),
    Case("2B", (2048, 1472), 1056, 256),
    Case("8B", (1024, 1024), 976, 1024),
    Case("8B", (640, 480), 30, 256, step=32),
    Case("2B", (2048, 1472), 1056, 4096),
    Case("8B", (2048, 1472), 1056, 4096),
)
TINY_CASES = (
    Case("tiny", (64, 96), 12, 12, step=12, compare=True, generations=4),
    Case("tiny-lora", (64, 64), 20, 8, generations=4),
)


def config_of(shape: Shape) -> Any:
    """From the shipped configuration of Qwen3-VL-8B."""
    folder = shipped_config("Qwen/Qwen3-VL-8B-Instruct")
    assert folder is not None
    values = copy.deepcopy(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    values["text_config"] |= shape.text | {
        "vocab_size": shape.vocabulary,
        "tie_word_embeddings": shape.tied,
        "bos_token_id": shape.special["<|endoftext|>"],
        "eos_token_id": shape.special["<|im_end|>"],
    }
    values["vision_config"] |= shape.vision
    for name in ("image", "video"):
        values[f"{name}_token_id"] = shape.special[f"<|{name}_pad|>"]
    for name in ("start", "end"):
        values[f"vision_{name}_token_id"] = shape.special[f"<|vision_{name}|>"]
    return Qwen3VLConfig(**values | {"tie_word_embeddings": shape.tied})


def build_model(shape: Shape, device: torch.device, dtype: torch.dtype, seed: int = 0) -> Any:
    """Random weights, made where they will be."""
    torch.manual_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = Qwen3VLForConditionalGeneration(config_of(shape))
    finally:
        torch.set_default_dtype(before)
    model.generation_config.eos_token_id = shape.special["<|im_end|>"]
    model.generation_config.pad_token_id = shape.special["<|endoftext|>"]
    return model.to(dtype)


def build_processor(shape: Shape) -> Any:
    """Bytes are tokens; the rest of the vocabulary can be written by a model and read back."""
    names = sorted(pre_tokenizers.ByteLevel.alphabet())
    names += [f"t{number}" for number in range(len(names), shape.vocabulary)]
    for token, number in shape.special.items():
        names[number] = token
    tokenizer = Tokenizer(models.BPE(vocab={name: number for number, name in enumerate(names)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", padding_side="left"
    )
    images = Qwen2VLImageProcessorPil(
        patch_size=16, merge_size=2, temporal_patch_size=2, min_pixels=1024, max_pixels=16_777_216
    )
    return ImageOnlyQwen3VLProcessor(images, fast, chat_template=CHAT_TEMPLATE)


def examples_of(case: Case, count: int = 1) -> list[Example]:
    """Noise to look at, and a question of the right length."""
    rng, (width, height) = np.random.default_rng(0), case.picture
    question = ("What is the sum of all that you see here? " * (case.text // 40 + 1))[: max(8, case.text)]
    return [
        Example(
            str(n),
            question,
            "1 + 2 = 3. Answer: 3",
            "3",
            images=(Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)),),
        )
        for n in range(count)
    ]
