"""Tokens of pictures: by hand, and as transformers' own processors count them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from contextrl.building.picture_tokens import token_rule
from contextrl.errors import InputError

QWEN3 = {
    "image_processor_type": "Qwen2VLImageProcessorFast",
    "merge_size": 2,
    "patch_size": 16,
    "size": {"longest_edge": 16777216, "shortest_edge": 65536},
}
SIDES = (1, 7, 14, 16, 27, 28, 29, 48, 224, 225, 256, 500, 512, 1000, 1333, 2048, 4096, 9999)


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((256, 256), 64),  # 65,536 pixels are enough: 8 x 8 of 32 pixels
        ((512, 384), 192),  # 16 x 12
        ((1920, 1080), 2040),  # 60 x 34: 33.75 is rounded up
        ((32, 16), 72),  # up to 65,536 pixels: sides grow by 11.3 to 362 x 181, rounded up to 12 x 6
        ((8192, 8192), 16_384),  # down to 16,777,216 pixels: 128 x 128
        ((10_000, 10), None),  # 1,000 times as long as wide
    ],
)
def test_qwen3_by_hand(size: tuple[int, int], tokens: int | None) -> None:
    assert token_rule("x", QWEN3, {}).count(*size) == tokens


@pytest.mark.parametrize(
    ("module", "kind", "settings"),
    [
        ("qwen2_vl.image_processing_pil_qwen2_vl", "Qwen2VLImageProcessorPil", QWEN3),
        ("qwen2_vl.image_processing_pil_qwen2_vl", "Qwen2VLImageProcessorPil", {}),
        (
            "qwen2_vl.image_processing_pil_qwen2_vl",
            "Qwen2VLImageProcessorPil",
            {"min_pixels": 3136, "max_pixels": 10**6},
        ),
        ("glm4v.image_processing_pil_glm4v", "Glm4vImageProcessorPil", {}),
    ],
)
def test_as_transformers_counts(module: str, kind: str, settings: dict[str, Any]) -> None:
    import importlib

    own = getattr(importlib.import_module(f"transformers.models.{module}"), kind)
    settings = {name: value for name, value in settings.items() if name != "image_processor_type"}
    processor = own(**settings)
    rule = token_rule("x", {**settings, "image_processor_type": kind}, {})
    for width, height in itertools.product(SIDES, SIDES):
        try:
            expected = processor.get_number_of_image_patches(height, width) // processor.merge_size**2
        except ValueError:
            expected = None
        assert rule.count(width, height) == expected, (width, height)


def test_processors_of_one_size() -> None:
    gemma = token_rule("x", {"image_processor_type": "Gemma3ImageProcessor"}, {"image_seq_length": 256})
    assert gemma.count(50, 4_000) == 256
    llava = {"processor_class": "LlavaProcessor", "patch_size": 14, "num_additional_image_tokens": 1}
    crop = {"image_processor_type": "CLIPImageProcessor", "crop_size": {"height": 336, "width": 336}}
    # 24 x 24 patches and the class, which `default` leaves out.
    assert token_rule("x", crop, llava | {"vision_feature_select_strategy": "default"}).count(9, 9) == 576
    assert token_rule("x", crop, llava | {"vision_feature_select_strategy": "full"}).count(9, 9) == 577


@pytest.mark.parametrize(
    ("image", "whole"),
    [
        ({}, {}),
        ({"image_processor_type": "GotOcr2ImageProcessor", "crop_to_patches": True}, {"image_seq_length": 256}),
        ({"image_processor_type": "Gemma3ImageProcessor", "do_pan_and_scan": True}, {"image_seq_length": 256}),
        ({"image_processor_type": 5}, {}),
        (QWEN3 | {"patch_size": "16"}, {}),
        (QWEN3 | {"merge_size": 0}, {}),
        (QWEN3 | {"size": {"longest_edge": -1}}, {}),
    ],
)
def test_what_cannot_be_counted_is_refused(image: dict[str, Any], whole: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="--processor"):
        token_rule("x", image, whole)
