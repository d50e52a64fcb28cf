"""How many tokens a picture becomes, from its size and a processor's own configuration: no weights, no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contextrl.errors import InputError
from contextrl.records.jsonl import number

#: Longest picture by its width that Qwen-VL's processors take.
_MOST_RATIO = 200
#: Classes of one rule: the resizing of Qwen2-VL, whose sizes differ.
_RESIZED = ("Qwen2VL", "Qwen2_5_VL", "Qwen3VL", "Glm4v", "Glm46V", "Glm4vMoe")
_KEYS = "Name a model whose pictures can be counted: Qwen2-VL to Qwen3-VL, GLM-4.xV, Gemma 3, LLaVA 1.5"


@dataclass(frozen=True)
class TokenRule:
    """A processor's rule.

    Attributes:
        name: of the processor, as the user named it.
        said: the rule in a sentence.
        count: tokens of a picture of (width, height) pixels; None for one that the processor refuses.
    """

    name: str
    said: str
    count: Callable[[int, int], int | None]


def token_rule(name: str, image_config: Mapping[str, Any], processor_config: Mapping[str, Any]) -> TokenRule:
    """The rule that a processor's files state.

    Args:
        name: of the processor, for the page and for errors.
        image_config: `preprocessor_config.json`, or what `processor_config.json` has under `image_processor`.
        processor_config: `processor_config.json`; empty where there is none.

    Raises:
        InputError: pictures of this processor cannot be counted by its configuration, or it lacks a number.
    """
    kind = str(image_config.get("image_processor_type") or image_config.get("feature_extractor_type") or "")
    family = kind.partition("ImageProcessor")[0]
    length = number(processor_config.get("image_seq_length"))
    tiled = any(image_config.get(key) for key in ("crop_to_patches", "do_image_splitting", "do_pan_and_scan"))
    if family in _RESIZED:
        return _resized(name, family, image_config)
    if family.startswith("Gemma3") and length and not tiled:
        tokens = int(length)
        return TokenRule(name, f"every picture has {tokens} tokens", lambda *_: tokens)
    if processor_config.get("processor_class") == "LlavaProcessor":
        return _in_one_size(name, image_config, processor_config)
    found = kind or ", ".join(map(str, image_config))[:80] or "no image processor"
    raise InputError(
        "a processor whose tokens of a picture follow from its size", found=found, where="--processor", fix=_KEYS
    )


def _resized(name: str, family: str, config: Mapping[str, Any]) -> TokenRule:
    size = config.get("size")
    size = size if isinstance(size, Mapping) else {}
    patch = _number(config, "patch_size", 14)
    merge = _number(config, "merge_size", 2)
    # Older files have pixels beside the size, which then hold.
    sizes = (112 * 112, 28 * 28 * 15_000) if family.startswith("Glm") else (56 * 56, 28 * 28 * 1_280)
    least = _number(config, "min_pixels", _number(size, "shortest_edge", sizes[0]))
    most = _number(config, "max_pixels", _number(size, "longest_edge", sizes[1]))
    side, volumes = patch * merge, family.startswith("Glm")
    # A picture is so many frames alike there, and the limits are of all of them.
    frames = _number(config, "temporal_patch_size", 2) if volumes else 1
    least, most = math.ceil(least / frames), most // frames

    def count(width: int, height: int) -> int | None:
        if volumes and min(width, height) < side:
            scale = max(side / height, side / width)
            width, height = int(width * scale), int(height * scale)
        if max(width, height) > _MOST_RATIO * min(width, height):
            return None
        rows, columns = _resize(height, width, side, least, most)
        return rows * columns

    said = f"one token for {side} x {side} pixels, after scaling to between {least:,} and {most:,} pixels"
    return TokenRule(name, said, count)


def _resize(height: int, width: int, side: int, least: int, most: int) -> tuple[int, int]:
    """Rows and columns of tokens, as `smart_resize` of Qwen2-VL has them (Qwen/Qwen2-VL, Apache-2.0)."""
    rows, columns = round(height / side), round(width / side)
    if rows * columns * side**2 > most:
        beta = math.sqrt(height * width / most)
        return max(1, math.floor(height / beta / side)), max(1, math.floor(width / beta / side))
    if rows * columns * side**2 < least:
        beta = math.sqrt(least / (height * width))
        return math.ceil(height * beta / side), math.ceil(width * beta / side)
    return rows, columns


def _in_one_size(name: str, config: Mapping[str, Any], processor: Mapping[str, Any]) -> TokenRule:
    """LLaVA 1.5: one crop, a token a patch, and perhaps one of the class that is left out."""
    crop = config.get("crop_size") or config.get("size")
    crop = crop if isinstance(crop, Mapping) else {}
    patch = _number(processor, "patch_size", 14)
    extra = int(number(processor.get("num_additional_image_tokens")) or 0)
    height, width = (_number(crop, key, 336) // patch for key in ("height", "width"))
    cut = 1 if processor.get("vision_feature_select_strategy") == "default" else 0
    tokens = height * width + extra - cut
    return TokenRule(name, f"every picture has {tokens} tokens", lambda *_: tokens)


def _number(config: Mapping[str, Any], key: str, default: float) -> int:
    value = config.get(key)
    if value is None:
        return int(default)
    known = number(value)
    if known is None or known < 1:
        raise InputError(f"a number for {key}", found=repr(value)[:60], where="--processor")
    return int(known)
