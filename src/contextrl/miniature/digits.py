"""Handwritten digits (scikit-learn's copy of the UCI set, BSD-3): three disjoint splits, composed side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

Split = Literal["train", "dev", "test"]
Half = Literal["first-half", "second-half"]
#: Names a set of images.
Images = Split | Half

#: Image numbers. Training never sees `dev` (every choice of ours) or `test` (held out, reported). The halves are of
#: `train`, for a learned judge and a policy that are to share no picture.
IMAGES: dict[Images, range] = {
    "train": range(0, 1200),
    "dev": range(1200, 1400),
    "test": range(1400, 1797),
    "first-half": range(0, 600),
    "second-half": range(600, 1200),
}
SPLITS: dict[Split, range] = {name: IMAGES[name] for name in get_args(Split)}

#: Side of one digit in pixels, after enlarging the 8x8 original.
TILE = 16


@lru_cache(maxsize=1)
def _dataset() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    data = load_digits()
    return np.round(data.images / 16 * 255).astype(np.uint8), data.target.astype(np.int64)


def digit_label(image: int) -> int:
    """Class (0 to 9) of image number `image`."""
    return int(_dataset()[1][image])


@lru_cache(maxsize=8)
def images_by_class(name: Images) -> dict[int, tuple[int, ...]]:
    """Image numbers of each class in a split or a half."""
    return {k: tuple(i for i in IMAGES[name] if digit_label(i) == k) for k in range(10)}


@lru_cache(maxsize=2048)
def digit_tile(image: int) -> Image.Image:
    """One digit, enlarged to TILE x TILE pixels, RGB."""
    small = Image.fromarray(_dataset()[0][image])
    return small.resize((TILE, TILE), Image.Resampling.BILINEAR).convert("RGB")


def compose(images: Sequence[int]) -> Image.Image:
    """Digits side by side, left to right: TILE x (TILE * len(images)) pixels.

    Each digit is enlarged by itself, so that a picture is exactly the concatenation of its tiles: the base policy's
    training relies on that to process every digit image only once.
    """
    canvas = Image.new("RGB", (TILE * len(images), TILE))
    for position, image in enumerate(images):
        canvas.paste(digit_tile(image), (TILE * position, 0))
    return canvas
