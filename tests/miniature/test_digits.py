"""Digits: disjoint splits, pictures as rows of tiles, and no held-out image in training."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from contextrl.miniature.base import BaseRecipe, SftSampler
from contextrl.miniature.digits import (
    IMAGES,
    SPLITS,
    TILE,
    Images,
    Split,
    compose,
    digit_label,
    digit_tile,
    images_by_class,
)
from contextrl.miniature.tasks import miniature_examples
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor


def test_splits_are_disjoint_and_complete() -> None:
    for one, other in combinations(SPLITS.values(), 2):
        assert not set(one) & set(other)
    assert sorted(image for split in SPLITS.values() for image in split) == list(range(1797))
    assert (SPLITS["dev"][0], SPLITS["dev"][-1]) == (1200, 1399)
    assert [*IMAGES["first-half"], *IMAGES["second-half"]] == list(SPLITS["train"])


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_every_split_has_every_class(split: Split) -> None:
    pool = images_by_class(split)
    assert sorted(image for images in pool.values() for image in images) == list(SPLITS[split])
    assert all(pool.values())
    assert all(digit_label(image) == label for label, images in pool.items() for image in images)


@pytest.mark.parametrize("images", [(0, 7), (3, 3, 1796), (5, 1200, 9, 8)])
def test_a_picture_is_its_tiles_side_by_side(images: tuple[int, ...]) -> None:
    tiles = [np.asarray(digit_tile(image)) for image in images]
    assert tiles[0].shape == (TILE, TILE, 3)
    assert tiles[0].max() > 128, "there is ink"
    np.testing.assert_array_equal(np.asarray(compose(images)), np.concatenate(tiles, axis=1))


@pytest.mark.parametrize(
    ("split", "low", "high"),
    [("train", 0, 1199), ("second-half", 600, 1199), ("dev", 1200, 1399), ("test", 1400, 1796)],
    ids=str,
)
def test_examples_show_images_of_their_split_only(split: Images, low: int, high: int) -> None:
    examples = [e for seed in range(3) for e in miniature_examples(split, 400, seed=seed)]
    shown = {int(image.removeprefix("digit-")) for e in examples for image in e.image_ids}
    assert low <= min(shown)
    assert max(shown) <= high
    assert len(shown) > 0.8 * (high - low + 1), "and most of them"


def test_the_base_policy_trains_on_train_images_only(tiny_policy: Path) -> None:
    sampler = SftSampler(ImageOnlyQwen3VLProcessor.load(tiny_policy), BaseRecipe())
    draws = [draw() for _ in range(1500) for draw in (sampler.direct, sampler.retry)]
    shown = {image for draw in draws for image in draw.problem.images}
    assert max(shown) < 1200
    assert len(shown) > 1000
