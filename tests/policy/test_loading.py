"""Processors: how large the pictures are that a policy sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from contextrl.errors import InputError
from contextrl.miniature import BASE_POLICY
from contextrl.policy.loading import load_processor, policy_config
from contextrl.policy.prompts import build_prompts
from contextrl.records.example import Example

PHOTO = Example("photo", "What is it?", "A cat. Answer: cat", "cat", "text", images=(Image.new("RGB", (400, 300)),))


def tokens(max_pixels: int | None, path: Path = BASE_POLICY) -> int:
    processor = load_processor(str(path), policy_config(str(path)), max_pixels)
    ids = build_prompts(processor, [PHOTO]).ids[0]
    return ids.count(processor.image_token_id)


def test_a_photo_is_scaled_down_to_the_pixels_that_are_set() -> None:
    # A token is 8 x 8 pixels, and the processor's own files allow 128 x 128.
    assert 200 < tokens(None) <= 256
    assert 40 < tokens(64 * 64) <= 64
    assert 4 * tokens(64 * 64) == pytest.approx(tokens(128 * 128), rel=0.2)


def test_what_is_saved_keeps_the_limit(tmp_path: Path) -> None:
    load_processor(str(BASE_POLICY), policy_config(str(BASE_POLICY)), 64 * 64).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((BASE_POLICY / "config.json").read_bytes())
    assert tokens(None, tmp_path) == tokens(64 * 64)


def test_fewer_pixels_than_the_smallest_picture_are_refused() -> None:
    with pytest.raises(InputError, match=r"model\.max_pixels: expected at least 64 pixels"):
        tokens(63)


def test_a_text_only_policy_has_no_pixels_to_limit(tmp_path: Path) -> None:
    load_processor(str(BASE_POLICY), policy_config(str(BASE_POLICY))).tokenizer.save_pretrained(tmp_path)
    config = policy_config(str(BASE_POLICY)).text_config
    with pytest.raises(InputError, match=r"model\.max_pixels"):
        load_processor(str(tmp_path), config, 4096)
