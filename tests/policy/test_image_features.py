"""Prompts of one processor call, and of several: whose images are whose."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from contextrl.policy.prompts import Prompts, _share_out


def shared_out(encoded: dict[str, Any], num_images: list[int]) -> list[dict[str, torch.Tensor]]:
    features: list[dict[str, torch.Tensor]] = [{} for _ in num_images]
    for name, values in encoded.items():
        _share_out(name, torch.as_tensor(values), encoded, num_images, features)
    return features


def rows_of_tiles(*counts: int) -> dict[str, Any]:
    """What SmolVLM's processor gives: a row per prompt, padded by empty tiles; tile k of row n holds 10 n + k + 1."""
    most = max(max(counts), 1)
    pixels = torch.zeros(len(counts), most, 3, 2, 2)
    mask = torch.zeros(len(counts), most, 2, 2, dtype=torch.long)
    for n, count in enumerate(counts):
        for k in range(count):
            pixels[n, k], mask[n, k] = 10 * n + k + 1, 1
    return {"pixel_values": pixels, "pixel_attention_mask": mask}


def names_of(features: dict[str, torch.Tensor]) -> list[int]:
    return [int(tile[0, 0, 0]) for tile in features["pixel_values"][0]] if features else []


@pytest.mark.parametrize(
    ("num_images", "tiles"),
    [([1, 1], (1, 1)), ([2, 1, 0], (2, 1, 0)), ([1, 0, 2], (3, 0, 5)), ([0, 1], (0, 1))],
    ids=["one-each", "as-many-images-as-rows", "split-images", "text-first"],
)
def test_rows_of_tiles_belong_to_their_prompts(num_images: list[int], tiles: tuple[int, ...]) -> None:
    features = shared_out(rows_of_tiles(*tiles), num_images)
    assert [names_of(row) for row in features] == [[10 * n + k + 1 for k in range(c)] for n, c in enumerate(tiles)]
    for row, count in zip(features, tiles, strict=True):
        assert ("pixel_attention_mask" in row) == (count > 0), "a prompt without images has no features"
        if count:
            assert row["pixel_attention_mask"].shape[:2] == (1, count)


def test_prompts_of_several_calls_are_padded_together() -> None:
    """Dynamic sampling joins prompts of calls that padded to their own longest."""
    first, second = (
        Prompts([[1]] * len(c), {}, shared_out(rows_of_tiles(*c), [1] * len(c)), [1] * len(c)) for c in ((3, 1), (5,))
    )
    tensors = Prompts.join([first, second]).image_tensors()
    assert tensors["pixel_values"].shape == (3, 5, 3, 2, 2)
    assert tensors["pixel_attention_mask"].sum((2, 3)).gt(0).sum(1).tolist() == [3, 1, 5]
    assert tensors["pixel_values"][1, 1:].abs().sum() == 0


def test_images_one_after_another() -> None:
    """Gemma, LLaVA: as many rows as images."""
    pixels = torch.arange(3.0)[:, None, None, None].expand(3, 3, 2, 2)
    features = shared_out({"pixel_values": pixels}, [2, 0, 1])
    assert [row["pixel_values"][:, 0, 0, 0].tolist() if row else [] for row in features] == [[0, 1], [], [2]]


def test_images_in_tiles_one_after_another() -> None:
    """LLaVA-NeXT: five dimensions, but a row is an image."""
    pixels = torch.arange(3.0)[:, None, None, None, None].expand(3, 4, 3, 2, 2)
    features = shared_out({"pixel_values": pixels, "image_sizes": torch.ones(3, 2)}, [2, 0, 1])
    assert [row["pixel_values"][:, 0, 0, 0, 0].tolist() if row else [] for row in features] == [[0, 1], [], [2]]
    assert [len(row["image_sizes"]) if row else 0 for row in features] == [2, 0, 1]


def test_patches_one_after_another() -> None:
    """Qwen: as many rows as patches, by the grid of each image."""
    encoded = {
        "pixel_values": torch.arange(10.0)[:, None],
        "image_grid_thw": torch.tensor([[1, 2, 2], [1, 1, 2], [1, 2, 2]]),
    }
    features = shared_out(encoded, [1, 0, 2])
    assert [row["pixel_values"][:, 0].tolist() if row else [] for row in features] == [
        [0, 1, 2, 3],
        [],
        [4, 5, 6, 7, 8, 9],
    ]


def test_rows_of_nothing_known_are_refused() -> None:
    with pytest.raises(ValueError, match="pixel_values has 5 rows for 3 images in 2 prompts"):
        shared_out({"pixel_values": torch.zeros(5, 3, 2, 2)}, [2, 1])
