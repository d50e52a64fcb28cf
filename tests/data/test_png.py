"""PNG files are whole or not as decoding finds; what is out of the ordinary is left to it."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from contextrl.data import images
from contextrl.data.images import check_image, image_from_bytes
from contextrl.data.png import whole_png
from contextrl.errors import InputError


def drawing(mode: str = "RGB", size: tuple[int, int] = (37, 23)) -> Image.Image:
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((3, 3, 20, 20), fill="red")
    pen.line((0, 0, *size), fill="blue")
    return image.convert(mode)


def png(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def made(
    *chunks: bytes, width: int = 2, height: int = 2, depth: int = 8, colour: int = 0, interlaced: int = 0
) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks)


ROWS = zlib.compress(b"\0ab\4cd")
END = chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_files_of_every_mode_are_whole(mode: str) -> None:
    image = Image.new("I;16", (37, 23), 1000) if mode == "I;16" else drawing(mode)
    assert whole_png(png(image)) == (37, 23)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palettes_of_few_bits(bits: int) -> None:
    image = drawing().quantize(2**bits)
    assert whole_png(png(image, bits=bits)) == (37, 23)


def test_a_file_by_hand() -> None:
    assert whole_png(made(chunk(b"IDAT", ROWS), END)) == (2, 2)
    assert whole_png(made(chunk(b"IDAT", ROWS[:5]), chunk(b"IDAT", b""), chunk(b"IDAT", ROWS[5:]), END)) == (2, 2)


LATE = chunk(b"tEXt", b"a\0b")
NOT_TOLD = {
    "no file": b"",
    "signature alone": b"\x89PNG\r\n\x1a\n",
    "no end": made(chunk(b"IDAT", ROWS)),
    "bytes behind the end": made(chunk(b"IDAT", ROWS), END) + b"x",
    "a chunk behind the end": made(chunk(b"IDAT", ROWS), END, LATE),
    "no data": made(END),
    "a row too few": made(chunk(b"IDAT", zlib.compress(b"\0ab")), END),
    "a row too many": made(chunk(b"IDAT", zlib.compress(b"\0ab\0cd\0ef")), END),
    "a filter that there is not": made(chunk(b"IDAT", zlib.compress(b"\0ab\5cd")), END),
    "no stream": made(chunk(b"IDAT", b"nothing"), END),
    "half a stream": made(chunk(b"IDAT", ROWS[:-3]), END),
    "two streams": made(chunk(b"IDAT", ROWS + ROWS), END),
    "a wrong checksum": made(chunk(b"IDAT", ROWS)[:-1] + b"\0", END),
    "no palette": made(chunk(b"IDAT", ROWS), END, colour=3),
    "depth 3": made(chunk(b"IDAT", ROWS), END, depth=3),
    "colour type 5": made(chunk(b"IDAT", ROWS), END, colour=5),
    "no pixels": made(chunk(b"IDAT", ROWS), END, width=0),
    "interlaced": made(chunk(b"IDAT", ROWS), END, interlaced=1),
    "text behind the data": made(chunk(b"IDAT", ROWS), LATE, END),
    "EXIF": made(chunk(b"eXIf", b"MM"), chunk(b"IDAT", ROWS), END),
    "animated": made(chunk(b"acTL", b"\0\0\0\1\0\0\0\0"), chunk(b"IDAT", ROWS), END),
    "two headers": made(made()[8:], chunk(b"IDAT", ROWS), END),
    "a chunk that goes beyond": made(b"\xff\xff\xff\xffIDAT" + ROWS),
    "too many pixels": made(chunk(b"IDAT", ROWS), END, width=2**16, height=2**16),
    "many pixels that are there": png(Image.new("RGB", (1200, 1200))),
}


@pytest.mark.parametrize("data", NOT_TOLD.values(), ids=NOT_TOLD.keys())
def test_what_is_left_to_decoding(data: bytes) -> None:
    assert whole_png(data) is None


def decodes(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
    except Exception:  # whatever broken bytes lead to
        return False
    return True


def test_what_passes_decodes() -> None:
    """Broken in every way that there is chance for, a file never passes here that Pillow does not decode."""
    draws = random.Random(0)
    passed = 0
    for mode in ("RGB", "P", "RGBA"):
        whole = png(drawing(mode))
        for _ in range(400):
            data = bytearray(whole)
            for _ in range(draws.randint(1, 3)):
                kind, place = draws.randrange(3), draws.randrange(len(data))
                if kind == 0:
                    data[place] ^= 1 << draws.randrange(8)
                elif kind == 1:
                    del data[place : place + draws.randint(1, 40)]
                else:
                    data[place:place] = bytes(draws.randrange(256) for _ in range(draws.randint(1, 8)))
            if whole_png(bytes(data)) is not None:
                passed += 1
                assert decodes(bytes(data))
    assert passed < 10  # checksums find nearly all


def test_a_whole_file_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(png(drawing()))
    (tmp_path / "b.jpg").write_bytes(b"")
    drawing().save(tmp_path / "b.jpg")

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(images, "to_rgb", never)
    check_image(tmp_path / "a.png", "here")
    check_image(image_from_bytes(png(drawing())), "here")
    with pytest.raises(InputError):
        check_image(tmp_path / "b.jpg", "here")


def test_limits_hold_for_whole_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.png"
    path.write_bytes(png(Image.new("L", (1, 201))))
    with pytest.raises(InputError, match="200 times"):
        check_image(path, "here")
    path.write_bytes(png(Image.new("RGB", (1000, 1000))))
    check_image(path, "here")
    monkeypatch.setenv("CONTEXTRL_IMAGE_MEMORY_MB", "8")
    with pytest.raises(InputError, match="decoded within 8 MB"):
        check_image(path, "here")


def test_text_before_the_data_is_nothing_special() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "made here")
    assert whole_png(png(drawing(), pnginfo=info)) == (37, 23)
    info.add_text("Raw profile type exif", "exif")
    assert whole_png(png(drawing(), pnginfo=info)) is None
