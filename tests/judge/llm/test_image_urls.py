"""Images as data URLs."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from contextrl.errors import InputError
from contextrl.judge.llm.images import ImageUrls


def decoded(url: str) -> Image.Image:
    header, _, data = url.partition(",")
    assert header in ("data:image/png;base64", "data:image/jpeg;base64")
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


@pytest.mark.parametrize(
    ("size", "sent"),
    [((40, 20), (40, 20)), ((300, 100), (200, 67)), ((100, 1000), (20, 200)), ((200, 200), (200, 200))],
)
def test_large_images_are_downscaled_and_small_ones_left_alone(size: tuple[int, int], sent: tuple[int, int]) -> None:
    assert decoded(ImageUrls(200).url(Image.new("RGB", size, "red"))).size == sent


def test_small_images_keep_every_pixel() -> None:
    image = Image.effect_noise((64, 64), 80).convert("RGB")
    assert decoded(ImageUrls(1536).url(image)).tobytes() == image.tobytes()


def test_large_ones_are_jpeg() -> None:
    assert decoded(ImageUrls(1536).url(Image.new("RGB", (1000, 900), "blue"))).format == "JPEG"


def test_the_same_picture_is_encoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import contextrl.judge.llm.images as images

    calls = []
    encode = images.encode
    monkeypatch.setattr(images, "encode", lambda *args: calls.append(1) or encode(*args))
    Image.new("RGB", (8, 8), "green").save(tmp_path / "a.png")
    urls = ImageUrls(100)
    assert urls.url(tmp_path / "a.png") == urls.url(Image.new("RGB", (8, 8), "green"))
    assert len(calls) == 1


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.png"):
        ImageUrls(100).url(tmp_path / "gone.png")
