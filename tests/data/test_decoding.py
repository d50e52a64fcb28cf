"""Decoding stays within its limit on memory, whatever a header promises, in one thread and in several."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from contextrl.data import decoding
from contextrl.data.decoding import MEMORY_SETTING, memory_limit, memory_to_decode, strips, to_rgb
from contextrl.data.images import ImageChecks, check_image, image_key, image_problems, open_image
from contextrl.errors import InputError
from contextrl.judge.llm.images import ImageUrls
from contextrl.report.pictures import data_uri

MB = 2**20
#: What a measurement may exceed the limit by: the interpreter's own arenas, a strip and its twin, encoders' buffers.
SLACK = 40 * MB

_MEASURE = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from contextrl.data.images import check_image, image_key, open_image
from contextrl.judge.llm.images import ImageUrls
from contextrl.report.pictures import data_uri
from contextrl.errors import InputError
import PIL.Image
PIL.Image.init()
work = sys.argv[1]
steps = {
    "check": lambda path: check_image(path, ""),
    "key": image_key,
    "open": lambda path: open_image(path).size,
    "url": lambda path: len(ImageUrls(512).url(path)),
    "gallery": lambda path: len(data_uri(path, 512)[0]),
}
def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
def done(path):
    try:
        return bool(steps[work](path) or True)
    except InputError as error:
        return str(error)
found = []
for together in json.loads(sys.argv[2]):
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = memory("VmRSS")
    with ThreadPoolExecutor(len(together)) as pool:
        results = list(pool.map(done, map(Path, together)))
    found.append((memory("VmHWM") - before, results))
print(json.dumps(found))
"""


def measured(work: str, *together: list[Path], limit: int | None = None) -> list[tuple[int, list[bool | str]]]:
    """Bytes that the work took at its peak in a process of its own, and what came of it.

    Args:
        work: one of the steps of `_MEASURE`.
        together: files that are worked on at the same time, one group after the other.
        limit: in megabytes.
    """
    environment = os.environ | ({} if limit is None else {MEMORY_SETTING: str(limit)})
    groups = json.dumps([[str(path) for path in paths] for paths in together])
    command = [sys.executable, "-c", _MEASURE, work, groups]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120).stdout
    return [(peak, results) for peak, results in json.loads(output)]


def blank_png(path: Path, side: int, channels: int = 3) -> Path:
    """A PNG file of one colour, compressed row by row: it is never decoded here."""
    packer = zlib.compressobj(1)
    row = bytes(1 + side * channels)
    data = b"".join([packer.compress(row) for _ in range(side)] + [packer.flush()])
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", side, side, 8, colour, 0, 0, 0)
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for body in (b"IHDR" + header, b"IDAT" + data, b"IEND"):
            file.write(struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)))
    return path


def test_a_small_file_of_many_pixels_takes_what_is_stated(tmp_path: Path) -> None:
    """9,450² pixels in a file of some hundred kilobytes: 341 MB as Pillow stores RGB, and nothing beside."""
    path = blank_png(tmp_path / "bomb.png", 9_450)
    assert path.stat().st_size < 2 * MB
    (peak, results), (together, both) = measured("check", [path], [path, path])
    assert (results, both) == ([True], [True, True])
    assert peak <= 9_450**2 * 4 + SLACK
    assert together <= decoding.DECODING_MEMORY + SLACK


@pytest.mark.parametrize("work", ["check", "url"])
@pytest.mark.parametrize("channels", [3, 4])
def test_threads_share_one_limit(tmp_path: Path, work: str, channels: int) -> None:
    """2,800² pixels take 60 MB with their conversion: of four threads one works at a time."""
    paths = [blank_png(tmp_path / f"{n}.png", 2_800, channels) for n in range(4)]
    ((peak, results),) = measured(work, paths, limit=64)
    assert results == [True] * 4
    assert peak <= 64 * MB + SLACK


def picture(mode: str, size: tuple[int, int] = (1_400, 1_000)) -> Image.Image:
    if mode == "I;16":
        return Image.new(mode, size, 32_768)
    noise = Image.effect_noise((100, 75), 80).convert("RGB").resize(size)
    return noise.quantize(64) if mode == "P" else noise.convert(mode)


FILES = {
    "png": ("RGB", "PNG", {}),
    "png-alpha": ("RGBA", "PNG", {}),
    "png-grey-alpha": ("LA", "PNG", {}),
    "png-palette": ("P", "PNG", {}),
    "png-transparent-palette": ("P", "PNG", {"transparency": 3}),
    "png-transparent-colour": ("RGB", "PNG", {"transparency": (0, 0, 0)}),
    "png-16": ("I;16", "PNG", {}),
    "png-bits": ("1", "PNG", {}),
    "png-turned": ("RGB", "PNG", {"orientation": 6}),
    "jpeg": ("RGB", "JPEG", {}),
    "jpeg-progressive": ("RGB", "JPEG", {"progressive": True, "subsampling": 0}),
    "jpeg-cmyk": ("CMYK", "JPEG", {}),
    "jpeg-turned": ("RGB", "JPEG", {"orientation": 8}),
    "webp": ("RGB", "WEBP", {"method": 0}),
    "webp-alpha": ("RGBA", "WEBP", {"method": 0}),
    "webp-animated": ("RGB", "WEBP", {"method": 0, "frames": 3}),
    "gif": ("P", "GIF", {}),
    "gif-animated": ("P", "GIF", {"frames": 3}),
    "apng": ("RGB", "PNG", {"frames": 3}),
    "tiff": ("RGB", "TIFF", {}),
    "tiff-one-strip": ("RGB", "TIFF", {"compression": "tiff_deflate", "strip_size": 2**30}),
    "tiff-many-strips": ("CMYK", "TIFF", {"compression": "tiff_lzw", "strip_size": 1}),
    "tiff-pages": ("RGB", "TIFF", {"compression": "tiff_lzw", "frames": 3}),
    "bmp": ("RGB", "BMP", {}),
    "ppm": ("RGB", "PPM", {}),
    "avif": ("RGB", "AVIF", {"speed": 10}),
    "avif-full": ("RGB", "AVIF", {"speed": 10, "subsampling": "4:4:4"}),
    "avif-alpha": ("RGBA", "AVIF", {"speed": 10}),
    "jpeg2000": ("RGB", "JPEG2000", {}),
    "jpeg2000-alpha": ("RGBA", "JPEG2000", {}),
}


def saved(path: Path, mode: str, form: str, settings: dict[str, object]) -> Path:
    settings = dict(settings)
    image, more = picture(mode), {}
    if (orientation := settings.pop("orientation", None)) is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        more["exif"] = exif
    if (frames := settings.pop("frames", 1)) != 1:
        assert isinstance(frames, int)
        more |= {"save_all": True, "append_images": [picture(mode).rotate(n) for n in range(1, frames)]}
    strip_size, image_plugin = settings.pop("strip_size", None), sys.modules["PIL.TiffImagePlugin"]
    before = image_plugin.STRIP_SIZE
    image_plugin.STRIP_SIZE = strip_size or before
    try:
        image.save(path, form, **settings, **more)
    finally:
        image_plugin.STRIP_SIZE = before
    return path


def test_no_format_takes_more_than_is_foreseen(tmp_path: Path) -> None:
    Image.init()
    paths = [saved(tmp_path / f"{name}.{FILES[name][1].lower()}", *FILES[name]) for name in FILES]
    foreseen = []
    for path in paths:
        with Image.open(path) as image:
            foreseen.append(memory_to_decode(image))
    found = measured("check", *([path] for path in paths))
    assert {tuple(results) for _, results in found} == {(True,)}
    over = {path.stem: (peak - most) / MB for path, (peak, _), most in zip(paths, found, foreseen, strict=True)}
    assert {name: excess for name, excess in over.items() if excess > 8} == {}


def test_the_limit_names_file_size_and_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.png"
    Image.new("RGB", (1_000, 600)).save(path)
    monkeypatch.setenv(MEMORY_SETTING, "5")
    with pytest.raises(InputError, match=rf"large\.png.*within 5 MB.*1000x600.*take 6 MB.*{MEMORY_SETTING}") as caught:
        open_image(path)
    assert "Downscale" in caught.value.fix
    for function in (image_key, ImageUrls(100).url, lambda p: check_image(p, "row 1")):
        with pytest.raises(InputError, match=rf"large\.png.*{MEMORY_SETTING}"):
            function(path)
    assert data_uri(path, 100) == ("", False)
    with ImageChecks() as checks:
        (problem,) = image_problems(checks.start([path]))
    assert all(word in problem for word in ("large.png", "1000x600", "5 MB", MEMORY_SETTING))
    monkeypatch.setenv(MEMORY_SETTING, "6")
    assert open_image(path).size == (1_000, 600)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "1e3", "٣", "1" * 30])
def test_a_limit_that_is_none_is_an_input_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_SETTING, text)
    with pytest.raises(InputError, match=MEMORY_SETTING):
        memory_limit()


def test_room_is_given_back_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_SETTING, "6")
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.effect_noise((700, 700), 80).convert("RGB").save(good)
    bad.write_bytes(good.read_bytes()[:200_000])

    def outcome(path: Path) -> str:
        try:
            return str(open_image(path).size)
        except InputError:
            return "bad"

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(outcome, [bad, good] * 8))
    assert found == ["bad", "(700, 700)"] * 8


def test_a_photograph_is_decoded_at_the_size_that_is_wanted(tmp_path: Path) -> None:
    """At most an eighth each way: 4,000² pixels shown at 200 are decoded as 500²."""
    path = tmp_path / "photo.jpg"
    Image.linear_gradient("L").resize((4_000, 4_000)).convert("RGB").save(path, quality=90)
    ((peak, results),) = measured("gallery", [path], limit=20)
    assert results == [True]
    assert peak <= 20 * MB + SLACK
    small, whole = open_image(path, 200), open_image(path)
    whole.thumbnail((200, 200), Image.Resampling.LANCZOS)
    assert small.size == whole.size == (200, 200)
    pairs = zip(small.tobytes(), whole.tobytes(), strict=True)
    assert max(abs(a - b) for a, b in pairs) <= 8


@pytest.mark.parametrize(
    ("size", "side", "shown"),
    [
        ((400, 100), 200, (200, 50)),
        ((100, 400), 200, (50, 200)),
        ((100, 50), 200, (100, 50)),
        ((9_000, 1), 20, (20, 1)),
    ],
)
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_max_side(tmp_path: Path, form: str, size: tuple[int, int], side: int, shown: tuple[int, int]) -> None:
    path = tmp_path / "a"
    Image.new("RGB", size, "red").save(path, form)
    handle = Image.new("RGB", size, "red")
    assert open_image(path, side).size == open_image(handle, side).size == shown
    assert handle.size == size


def test_strips_cover_every_row_once() -> None:
    for size in ((1, 1), (2**21, 3), (3, 2**21), (1_000, 2_500)):
        rows = [row for top, bottom in strips(size) for row in range(top, bottom)]
        assert rows == list(range(size[1]))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_strips_show_what_the_whole_does(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(mode, (60, 50))
    whole = to_rgb(image, ours=False)
    monkeypatch.setattr(decoding, "_STRIP_PIXELS", 7 * 60)
    assert to_rgb(image, ours=False).tobytes() == whole.tobytes()


@pytest.mark.parametrize(("value", "shown"), [(32_768, 128), (65_535, 255), (200, 200), (131_070, 255)])
def test_grey_of_32_bits_is_scaled_not_clipped(value: int, shown: int) -> None:
    assert to_rgb(Image.new("I", (2, 1), value), ours=False).getpixel((0, 0)) == (shown,) * 3


def test_the_result_keeps_nothing_of_the_file() -> None:
    """What is saved from it anew is not in the file's format, nor turned once more by whoever reads its EXIF data."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture("RGB", (30, 20)).save(buffer, "JPEG", exif=exif)
    opened = open_image(Image.open(buffer))
    assert (type(opened), opened.format, opened.size, dict(opened.getexif())) == (Image.Image, None, (20, 30), {})
    opened.putpixel((0, 0), (1, 2, 3))
    assert opened.getpixel((0, 0)) == (1, 2, 3)
