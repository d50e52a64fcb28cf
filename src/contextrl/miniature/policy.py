"""The miniature's model: a tiny Qwen3-VL, its byte-level tokenizer and a processor that needs no torchvision."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from contextrl.miniature.tasks import KINDS, draw_problem, foreign_solution, own_solution
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor

PATCH = 4
MERGE = 2
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

# The shape of Qwen's own template, without system prompt, tools and thinking.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}
{%- endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""


def build_tokenizer(
    extra_text: tuple[str, ...], vocab_size: int = 512, *, words: bool = False
) -> PreTrainedTokenizerFast:
    """Byte-level BPE with single digits, trained on the miniature's own language and `extra_text`.

    Args:
        words: no token reaches over a word's end, so that a word is the same token wherever it stands.
    """
    rng = random.Random(0)
    corpus: list[str] = list(extra_text) * 50
    for _ in range(1500):
        problem = draw_problem(rng, "train")
        arguments = (problem.kind, problem.digits, problem.asked)
        corpus += [own_solution(*arguments), foreign_solution(*arguments, rng), KINDS[problem.kind].question]
    tokenizer = Tokenizer(models.BPE())
    # Without GPT-2's word splitting, what stands between two digits may become one token: half as many to generate.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=12,
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", padding_side="left"
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> ImageOnlyQwen3VLProcessor:
    image_processor = Qwen2VLImageProcessorPil(
        patch_size=PATCH, merge_size=MERGE, temporal_patch_size=2, min_pixels=64, max_pixels=128 * 128
    )
    return ImageOnlyQwen3VLProcessor(image_processor, tokenizer, chat_template=CHAT_TEMPLATE)


def build_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    hidden: int = 128,
    layers: int = 4,
    vision_hidden: int = 96,
    vision_layers: int = 3,
) -> Any:
    """A randomly initialised Qwen3-VL (float32) for `tokenizer`'s vocabulary: by default about 1.5M parameters.

    Args:
        hidden, layers: of the language model.
        vision_hidden, vision_layers: of the vision tower, at least two layers.
    """
    heads = 4
    head_dim = hidden // heads
    # M-RoPE splits half the head dimension over time, height and width.
    spatial = head_dim // 8
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": hidden,
            "intermediate_size": 2 * hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": 2,
            "head_dim": head_dim,
            "max_position_embeddings": 2048,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [head_dim // 2 - 2 * spatial, spatial, spatial],
                "mrope_interleaved": True,
            },
            "tie_word_embeddings": True,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            "depth": vision_layers,
            "hidden_size": vision_hidden,
            "intermediate_size": 2 * vision_hidden,
            "num_heads": 4,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "out_hidden_size": hidden,
            "num_position_embeddings": 256,
            "deepstack_visual_indexes": [0, 1],
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    model = Qwen3VLForConditionalGeneration(config).to(torch.float32)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


@torch.no_grad()
def greedy_texts(
    model: Any,
    processor: Any,
    texts: Sequence[str],
    images: Sequence[Sequence[Any]],
    *,
    max_new_tokens: int,
    batch_size: int = 64,
    on_batch: Callable[[int], None] | None = None,
) -> list[str]:
    """What a model writes after prompts that a chat template has rendered, without special tokens.

    Args:
        texts: one placeholder per image.
        images: PIL pictures of each text.
        on_batch: told how many texts each finished batch held.
    """
    written: list[str] = []
    for start in range(0, len(texts), batch_size):
        chosen = slice(start, start + batch_size)
        inputs = processor(text=list(texts[chosen]), images=list(images[chosen]), padding=True, return_tensors="pt")
        output = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        written += processor.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        if on_batch:
            on_batch(len(texts[chosen]))
    return written
