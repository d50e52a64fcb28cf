"""Images: orientation, transparency, corruption, size limits, keys."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from contextrl.data import images
from contextrl.data.images import check_image, image_from_bytes, image_key, image_size, open_image
from contextrl.errors import InputError

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def two_pixels() -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (2, 1), RED)
    image.putpixel((1, 0), BLUE)
    return image


def encoded(image: Image.Image, image_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()


def noise(path: Path) -> Path:
    """A PNG whose pixels do not compress, so that half of the file is half of the picture."""
    data = bytes((i * i * 2_654_435_761 >> 7) % 256 for i in range(64 * 64 * 3))
    Image.frombytes("RGB", (64, 64), data).save(path)
    return path


def png_header(width: int, height: int) -> bytes:
    data = b"\x89PNG\r\n\x1a\n"
    for body in (b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT"):
        data += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "RGB"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "image.tiff"
    Image.new("RGB", (3, 2), WHITE).convert(mode).save(path)
    image = open_image(path)
    assert (image.mode, image.size, image.getpixel((2, 1))) == ("RGB", (3, 2), WHITE)


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 0, 255))
    image.save(path)
    opened = open_image(path)
    assert [opened.getpixel((x, 0)) for x in (0, 1)] == [WHITE, RED]


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.new("I;16", (1, 1), 32_768).save(path)
    assert open_image(path).getpixel((0, 0)) == (128, 128, 128)  # 32768 / 256


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90° clockwise: left goes up
    path = tmp_path / "image.png"
    two_pixels().save(path, exif=exif)
    image = open_image(path)
    assert image.size == (1, 2)
    assert [image.getpixel((0, y)) for y in (0, 1)] == [RED, BLUE]
    assert image_size(path) == (2, 1)  # as stored


def test_a_pil_handle_is_copied_not_changed() -> None:
    handle = two_pixels()
    opened = open_image(handle)
    opened.putpixel((0, 0), WHITE)
    assert handle.getpixel((0, 0)) == RED


def test_an_image_from_bytes_stays_encoded_and_can_be_shared_by_threads() -> None:
    handle = image_from_bytes(encoded(two_pixels()))
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: open_image(handle).getpixel((1, 0)), range(32)))
    assert opened == [BLUE] * 32
    assert isinstance(getattr(handle, "fp", None), io.BytesIO)  # Pillow drops it on decoding


@pytest.mark.parametrize("function", [open_image, image_size, image_key, lambda path: check_image(path, str(path))])
def test_missing_file_is_an_input_error(tmp_path: Path, function: object) -> None:
    assert callable(function)
    with pytest.raises(InputError, match=r"found nothing at .*gone\.png"):
        function(tmp_path / "gone.png")


def test_folder_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder"):
        open_image(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n"], ids=["empty", "text", "signature"])
def test_corrupt_file_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.png"):
        open_image(path)
    with pytest.raises(InputError, match="row 3"):
        image_from_bytes(content, where="row 3")


def test_truncated_file_is_found_by_decoding_only(tmp_path: Path) -> None:
    path = noise(tmp_path / "image.png")
    check_image(path, "row 1")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert image_size(path) == (64, 64)
    with pytest.raises(InputError, match=r"row 1, field 'images\[0\]'.*image\.png"):
        check_image(path, "row 1, field 'images[0]'")


def test_truncated_bytes_are_found() -> None:
    data = encoded(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG")
    handle = image_from_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="row 1"):
        check_image(handle, "row 1")


def test_decompression_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(60_000, 60_000))
    with pytest.raises(InputError, match=r"found .*3,600,000,000 pixels\. Downscale"):
        open_image(path)


@pytest.mark.parametrize("as_path", [True, False], ids=["path", "pil"])
def test_pixel_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_path: bool) -> None:
    path = tmp_path / "image.png"
    Image.new("RGB", (11, 10)).save(path)
    handle = path if as_path else Image.new("RGB", (11, 10))
    monkeypatch.setattr(images, "MAX_PIXELS", 110)
    assert open_image(handle).size == (11, 10)
    monkeypatch.setattr(images, "MAX_PIXELS", 109)
    with pytest.raises(InputError, match="at most 109 pixels, found 11x10"):
        open_image(handle)


def test_formats_that_run_programs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.eps"
    Image.new("RGB", (2, 2)).save(path)
    with pytest.raises(InputError):
        image_size(path)


def test_key_depends_on_the_picture_alone(tmp_path: Path) -> None:
    png, bmp = tmp_path / "a.png", tmp_path / "b.bmp"
    two_pixels().save(png)
    two_pixels().save(bmp)
    keys = {image_key(handle) for handle in (png, bmp, two_pixels(), image_from_bytes(png.read_bytes()))}
    assert len(keys) == 1
    (key,) = keys
    assert len(key) == 16
    assert set(key) <= set("0123456789abcdef")


def test_key_tells_pictures_apart(tmp_path: Path) -> None:
    wide, tall = Image.new("RGB", (4, 1)), Image.new("RGB", (1, 4))  # the same bytes in another shape
    assert len({image_key(image) for image in (wide, tall, two_pixels())}) == 3
    path = tmp_path / "image.png"
    wide.save(path)
    before = image_key(path)
    two_pixels().resize((40, 30)).save(path)
    assert image_key(path) != before
