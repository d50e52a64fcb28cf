"""Random checkpoints of the families of vision-language models, written as their makers publish them.

A family is its config, its tokenizer's marks and the settings of its processor, in the files that the hub has: what
reads them is transformers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedTokenizerFast

#: Images are scaled to so many pixels a side, or to multiples of it, in patches of PATCH.
SIDE, PATCH = 16, 4
END, PAD = "<|im_end|>", "<|endoftext|>"
#: Rates of change by pixel that show in a log-probability.
LIVELY = 0.2

TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% for part in message.content -%}
{%- if part.type == 'image' -%}IMAGE{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""


@dataclass(frozen=True)
class Family:
    """One family at test size.

    Attributes:
        image: what the chat template writes for an image.
        marks: special tokens of the family, and under which names its tokenizer knows some of them.
        processor, image_processor: the classes and settings in `processor_config.json` and `preprocessor_config.json`.
        config: of the model, from the ids of the marks.
        video: settings of `video_preprocessor_config.json`, where the family's checkpoints have one.
        needs_torchvision: transformers has no processor without it.
        trl_scores: whether GRPOTrainer scores the family.
    """

    image: str
    marks: tuple[str, ...]
    processor: dict[str, Any]
    image_processor: dict[str, Any]
    config: Callable[[Callable[[str], int], int], dict[str, Any]]
    names: dict[str, str] = field(default_factory=dict)
    video: dict[str, Any] | None = None
    needs_torchvision: bool = False
    trl_scores: bool = True


def _is_dummy(name: str) -> bool:
    """Whether this transformers has no such class without torchvision: some releases do without it, 5.17 does not."""
    return bool(getattr(getattr(transformers, name), "is_dummy", False))


def text_config(kind: str, vocabulary: int, **more: Any) -> dict[str, Any]:
    return {
        "model_type": kind,
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 4096,
        "initializer_range": LIVELY,
        "tie_word_embeddings": False,
        **more,
    }


def vision_config(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "model_type": kind,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": PATCH,
        "initializer_range": LIVELY,
        **more,
    }


def qwen(kind: str, text: str, vision: dict[str, Any], processor: str, video: dict[str, Any] | None) -> Family:
    rope = {"rope_theta": 1e4, "rope_type": "default", "mrope_section": [2, 1, 1]}
    return Family(
        image="<|vision_start|><|image_pad|><|vision_end|>",
        marks=("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
        processor={"processor_class": processor},
        image_processor={
            "image_processor_type": "Qwen2VLImageProcessor",
            "patch_size": PATCH,
            "merge_size": 2,
            "temporal_patch_size": 2,
            "min_pixels": 64,
            "max_pixels": 1024,
        },
        config=lambda token, vocabulary: {
            "model_type": kind,
            "text_config": text_config(text, vocabulary, rope_parameters=rope),
            "vision_config": {"patch_size": PATCH, "initializer_range": LIVELY, "depth": 2, "num_heads": 2} | vision,
            "image_token_id": token("<|image_pad|>"),
            "video_token_id": token("<|video_pad|>"),
            "vision_start_token_id": token("<|vision_start|>"),
            "vision_end_token_id": token("<|vision_end|>"),
        },
        video=video,
    )


def llava(kind: str, processor: dict[str, Any], image_processor: dict[str, Any], vision: str, **more: Any) -> Family:
    settings = {key: more.pop(key) for key in ("video", "trl_scores") if key in more}
    return Family(
        image="<image>\n",
        marks=("<image>", "<video>"),
        processor={"patch_size": PATCH, "image_token": "<image>", **processor},
        image_processor=image_processor,
        config=lambda token, vocabulary: {
            "model_type": kind,
            "text_config": text_config("qwen2" if kind == "llava_onevision" else "llama", vocabulary),
            "vision_config": vision_config(vision, projection_dim=16, vision_use_head=False),
            "image_token_index": token("<image>"),
            "video_token_index": token("<video>"),
            **more,
        },
        **settings,
    )


PINPOINTS = [[16, 32], [32, 16], [32, 32]]

FAMILIES: dict[str, Family] = {
    "qwen2-vl": qwen(
        "qwen2_vl", "qwen2_vl_text", {"embed_dim": 16, "hidden_size": 32, "mlp_ratio": 2}, "Qwen2VLProcessor", None
    ),
    "qwen2.5-vl": qwen(
        "qwen2_5_vl",
        "qwen2_5_vl_text",
        {"hidden_size": 16, "intermediate_size": 24, "out_hidden_size": 32, "window_size": 16},
        "Qwen2_5_VLProcessor",
        None,
    ),
    "qwen3-vl": qwen(
        "qwen3_vl",
        "qwen3_vl_text",
        {
            "hidden_size": 16,
            "intermediate_size": 24,
            "out_hidden_size": 32,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        "Qwen3VLProcessor",
        {"video_processor_type": "Qwen3VLVideoProcessor", "patch_size": PATCH, "merge_size": 2, "fps": 2},
    ),
    "gemma3": Family(
        image="<start_of_image>",
        marks=("<start_of_image>", "<end_of_image>", "<image_soft_token>"),
        names={"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"},
        processor={"processor_class": "Gemma3Processor", "image_seq_length": 4},
        image_processor={"image_processor_type": "Gemma3ImageProcessor", "size": {"height": SIDE, "width": SIDE}},
        config=lambda token, vocabulary: {
            "model_type": "gemma3",
            "text_config": text_config(
                "gemma3_text",
                vocabulary,
                sliding_window=8,
                layer_types=["sliding_attention", "full_attention"],
                query_pre_attn_scalar=8,
            ),
            "vision_config": vision_config("siglip_vision_model", vision_use_head=False),
            "mm_tokens_per_image": 4,
            "image_token_index": token("<image_soft_token>"),
            "boi_token_index": token("<start_of_image>"),
            "eoi_token_index": token("<end_of_image>"),
        },
    ),
    "llava": llava(
        "llava",
        {
            "processor_class": "LlavaProcessor",
            "vision_feature_select_strategy": "default",
            "num_additional_image_tokens": 1,
        },
        {
            "image_processor_type": "CLIPImageProcessor",
            "size": {"shortest_edge": SIDE},
            "crop_size": {"height": SIDE, "width": SIDE},
        },
        "clip_vision_model",
        vision_feature_layer=-2,
    ),
    "llava-next": llava(
        "llava_next",
        {
            "processor_class": "LlavaNextProcessor",
            "vision_feature_select_strategy": "default",
            "num_additional_image_tokens": 1,
        },
        {
            "image_processor_type": "LlavaNextImageProcessor",
            "size": {"shortest_edge": SIDE},
            "crop_size": {"height": SIDE, "width": SIDE},
            "image_grid_pinpoints": PINPOINTS,
        },
        "clip_vision_model",
        vision_feature_layer=-2,
        image_grid_pinpoints=PINPOINTS,
    ),
    "llava-onevision": llava(
        "llava_onevision",
        {
            "processor_class": "LlavaOnevisionProcessor",
            "vision_feature_select_strategy": "full",
            "num_image_tokens": (SIDE // PATCH) ** 2,
            "vision_aspect_ratio": "anyres_max_9",
        },
        {
            "image_processor_type": "LlavaOnevisionImageProcessor",
            "size": {"height": SIDE, "width": SIDE},
            "image_grid_pinpoints": PINPOINTS,
        },
        "siglip_vision_model",
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        image_grid_pinpoints=PINPOINTS,
        video={"video_processor_type": "LlavaOnevisionVideoProcessor", "size": {"height": SIDE, "width": SIDE}},
        trl_scores=False,
    ),
    "internvl": Family(
        image="<IMG_CONTEXT>\n",
        marks=("<img>", "</img>", "<IMG_CONTEXT>", "<video>"),
        names={
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
        processor={"processor_class": "InternVLProcessor", "image_seq_length": 4},
        image_processor={
            "image_processor_type": "GotOcr2ImageProcessor",
            "size": {"height": SIDE, "width": SIDE},
            "crop_to_patches": True,
            "min_patches": 1,
            "max_patches": 4,
        },
        config=lambda token, vocabulary: {
            "model_type": "internvl",
            "text_config": text_config("qwen2", vocabulary),
            "vision_config": vision_config("internvl_vision", image_size=[SIDE, SIDE], patch_size=[PATCH, PATCH]),
            "image_token_id": token("<IMG_CONTEXT>"),
            "image_seq_length": 4,
            "downsample_ratio": 0.5,
        },
        video={"video_processor_type": "InternVLVideoProcessor", "size": {"height": SIDE, "width": SIDE}},
    ),
    "mistral3": Family(
        image="[IMG]",
        marks=("[IMG]", "[IMG_BREAK]", "[IMG_END]"),
        processor={"processor_class": "PixtralProcessor", "patch_size": PATCH, "spatial_merge_size": 2},
        image_processor={
            "image_processor_type": "PixtralImageProcessor",
            "patch_size": PATCH,
            "size": {"longest_edge": 2 * SIDE},
        },
        config=lambda token, vocabulary: {
            "model_type": "mistral3",
            "text_config": text_config("mistral", vocabulary, sliding_window=None),
            "vision_config": vision_config("pixtral", head_dim=8, image_size=2 * SIDE),
            "image_token_index": token("[IMG]"),
            "spatial_merge_size": 2,
            "vision_feature_layer": -1,
        },
        needs_torchvision=True,
        trl_scores=False,
    ),
    "idefics3": Family(
        image="<image>",
        marks=("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"),
        names={
            "image_token": "<image>",
            "fake_image_token": "<fake_token_around_image>",
            "global_image_token": "<global-img>",
            "end_of_utterance_token": "<end_of_utterance>",
        },
        processor={"processor_class": "Idefics3Processor", "image_seq_len": 4},
        image_processor={
            "image_processor_type": "Idefics3ImageProcessor",
            "size": {"longest_edge": 2 * SIDE},
            "max_image_size": {"longest_edge": SIDE},
        },
        config=lambda token, vocabulary: {
            "model_type": "idefics3",
            "text_config": text_config("llama", vocabulary),
            "vision_config": vision_config("idefics3_vision"),
            "scale_factor": 2,
            "image_token_id": token("<image>"),
        },
        needs_torchvision=_is_dummy("Idefics3ImageProcessorPil"),
    ),
}


@cache
def tokenizer_of(name: str) -> PreTrainedTokenizerFast:
    """Byte-level, with the family's marks."""
    family = FAMILIES[name]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=[PAD, "<|im_start|>", END, *family.marks],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["What is to be seen here? The answer is"] * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        extra_special_tokens=family.names,
        chat_template=TEMPLATE.replace("IMAGE", family.image.replace("\n", "{{ '\\n' }}")),
    )


def build_checkpoint(name: str, folder: Path) -> Path:
    """A checkpoint of a family with random weights in `folder`."""
    family, tokenizer = FAMILIES[name], tokenizer_of(name)
    folder.mkdir(parents=True, exist_ok=True)
    values = family.config(tokenizer.convert_tokens_to_ids, len(tokenizer))
    special = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    values["text_config"] |= special
    config = AutoConfig.for_model(values.pop("model_type"), **values)
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1 or not parameter.any():  # where a bug would not show
                parameter += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write(folder / "preprocessor_config.json", family.image_processor | {"processor_class": class_of(family)})
    if len(family.processor) > 1:
        write(folder / "processor_config.json", family.processor)
    if family.video is not None:
        write(folder / "video_preprocessor_config.json", family.video | {"processor_class": class_of(family)})
    return folder


def class_of(family: Family) -> str:
    return str(family.processor["processor_class"])


def write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values))
