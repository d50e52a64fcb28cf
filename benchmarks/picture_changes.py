"""Which changed copies of a picture a data build finds near the picture, and how often it takes others for near.

    python benchmarks/picture_changes.py

Pictures: ten parts of scikit-learn's two photographs (432 x 320), a dozen diagrams and a dozen screenshots, made
(512 x 512). Each is changed in one way, and compared as `duplicates` compares pictures, with its default distances.
`others`: pairs of different pictures of a kind that count as near.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from data_validation import diagram, screenshot
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_images

from contextrl.building.fingerprints import picture_print
from contextrl.building.finish_settings import DuplicateSettings
from contextrl.building.near import picture_distances

Change = Callable[[Image.Image], Image.Image]
_SETTINGS = DuplicateSettings()


def photographs() -> list[Image.Image]:
    """Ten parts: of each photograph the corners and the middle."""
    parts = []
    for pixels in load_sample_images().images:
        image = Image.fromarray(pixels)
        width, height = image.size
        places = [(0, 0), (width - 432, 0), (0, height - 320), (width - 432, height - 320), (104, 53)]
        parts += [image.crop((x, y, x + 432, y + 320)) for x, y in places]
    return parts


def cropped(share: float, *, sides: str = "all") -> Change:
    """Without a share of the width and height, on each side or at the left and top alone."""

    def change(image: Image.Image) -> Image.Image:
        width, height = image.size
        x, y = round(width * share), round(height * share)
        right, bottom = (width - x, height - y) if sides == "all" else (width, height)
        return image.crop((x, y, right, bottom))

    return change


def jpeg(image: Image.Image) -> Image.Image:
    """Saved at quality 40."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(io.BytesIO(buffer.getvalue()))


CHANGES: dict[str, Change] = {
    "saved as JPEG, quality 40": jpeg,
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "stretched by a tenth": lambda image: image.resize((image.width * 11 // 10, image.height)),
    "a fifth lighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "1 % cut off on each side": cropped(0.01),
    "2 % cut off on each side": cropped(0.02),
    "5 % cut off on each side": cropped(0.05),
    "10 % cut off on each side": cropped(0.1),
    "5 % cut off at the left and top": cropped(0.05, sides="corner"),
    "a quarter cut off on each side": cropped(0.25),
    "a white margin of 5 %": lambda image: ImageOps.expand(image, image.width // 20, "white"),
    "turned by 2 degrees": lambda image: image.rotate(2, fillcolor="white"),
    "turned by 90 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "mirrored": ImageOps.mirror,
    "without colours": lambda image: image.convert("L").convert("RGB"),
}


def near(first: Any, second: Any) -> bool:
    """Whether fingerprints are near, by the defaults of a recipe."""
    distances = picture_distances(first[0], second, _SETTINGS.picture_distance, _SETTINGS.colour_distance)
    return not bool(np.isnan(distances[0]))


def measured(images: Sequence[Image.Image]) -> Iterator[tuple[str, float]]:
    """(change, share of changed copies that are found); at last the share of other pictures that are taken for near."""
    prints = [picture_print(image, 0) for image in images]
    for name, change in CHANGES.items():
        found = [near(one, picture_print(change(image), 1)) for one, image in zip(prints, images, strict=True)]
        yield name, sum(found) / len(found)
    pairs = [near(one, other) for one, other in combinations(prints, 2)]
    yield "others", sum(pairs) / len(pairs)


def main() -> None:
    draws = np.random.default_rng(0)
    kinds = {
        "photographs": photographs(),
        "diagrams": [diagram(draws) for _ in range(12)],
        "screenshots": [screenshot(draws) for _ in range(12)],
    }
    table = {kind: dict(measured(images)) for kind, images in kinds.items()}
    print(f"| change | {' | '.join(kinds)} |\n|---|{'---:|' * len(kinds)}")
    for name in (*CHANGES, "others"):
        print(f"| {name} | {' | '.join(f'{table[kind][name]:.0%}' for kind in kinds)} |")


if __name__ == "__main__":
    main()
