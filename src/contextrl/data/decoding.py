"""Decoding within a limit on memory, for all threads of the process together.

A file of a few kilobytes may hold a picture of gigabytes. What decoding one takes is known from its header: the pixels
as the decoder stores them, its own buffers, and the picture in RGB. Pictures that do not fit beside those that are
being decoded wait; one that does not fit alone is refused.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

from contextrl.errors import InputError

#: Most memory, in bytes, that is used for decoding at one time, unless `MEMORY_SETTING` says otherwise. Room for any
#: PNG file of `images.MAX_PIXELS` pixels; of progressive JPEG for 76 million, of WebP for 37, of JPEG 2000 for 41.
DECODING_MEMORY = 768 * 2**20
#: Environment variable with another limit, in megabytes (2^20 bytes).
MEMORY_SETTING = "CONTEXTRL_IMAGE_MEMORY_MB"
#: Bytes per pixel that decoders take at their peak, the decoded image included; measured, and rounded up. libwebp keeps
#: two canvases beside the copy that it hands over, libtiff the strip that it reads, libavif planes of up to 16 bits.
_DECODERS = {"WEBP": 21.5, "TIFF": 9.0, "AVIF": 18.0}
#: OpenJPEG works with 32 bits per channel.
_PER_CHANNEL = 6.5
#: Coefficients of the whole image, which a progressive JPEG file needs.
_PROGRESSIVE = 6.5
#: Pillow stores one channel of 8 bits in one byte, several in four.
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_RGB = 4
#: Pixels that are converted at a time.
_STRIP_PIXELS = 2**18
#: glibc keeps what a thread has freed for that thread: several threads would hold several pictures that nobody needs.
_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
#: Pictures that take less, in bytes, are not worth the time.
_TRIMMED = 32 * 2**20


class _Room:
    """Counts what is being decoded; whoever does not fit waits."""

    def __init__(self) -> None:
        self._used = 0
        self._freed = threading.Condition()

    @contextmanager
    def take(self, size: int, limit: int) -> Iterator[None]:
        with self._freed:
            self._freed.wait_for(lambda: self._used == 0 or self._used + size <= limit)
            self._used += size
        try:
            yield
        finally:
            if size >= _TRIMMED and _malloc_trim is not None:
                _malloc_trim(0)
            with self._freed:
                self._used -= size
                self._freed.notify_all()


_room = _Room()


@contextmanager
def room_for(image: Image.Image, where: str, name: str = "") -> Iterator[None]:
    """Wait until an image that is not decoded yet may be.

    Args:
        image: its header is read.
        where: how to name it in an error.
        name: its file and a space, where `where` does not have it.

    Raises:
        InputError: it takes more memory than is allowed.
    """
    size = f"{image.width}x{image.height}"
    limit, needed = memory_limit(), memory_to_decode(image)
    if needed > limit:
        raise InputError(
            f"an image that can be decoded within {limit / 2**20:,.0f} MB",
            found=f"{name}{size} pixels ({image.format or 'decoded'}, {image.mode}) that take {needed / 2**20:,.0f} MB",
            where=where,
            fix=f"Downscale it, or set {MEMORY_SETTING} higher",
        )
    with _room.take(needed, limit):
        yield


def memory_limit() -> int:
    """The limit in bytes.

    Raises:
        InputError: the environment variable is no positive whole number.
    """
    text = os.environ.get(MEMORY_SETTING, "").strip()
    if not text:
        return DECODING_MEMORY
    if not text.isascii() or not text.isdecimal() or not 0 < len(text) < 10 or int(text) == 0:
        raise InputError("a number of megabytes", found=repr(text[:40]), where=MEMORY_SETTING)
    return int(text) * 2**20


def memory_to_decode(image: Image.Image) -> int:
    """Bytes that decoding to RGB takes at its peak, from the header."""
    stored = _STORED.get(image.mode, 4)
    decoder = _DECODERS.get(image.format or "", 0.0)
    if image.format == "JPEG" and {"progressive", "progression"} & image.info.keys():
        decoder = stored + _PROGRESSIVE
    elif image.format == "JPEG2000":
        decoder = _PER_CHANNEL * len(image.getbands())
    # Turning or converting needs what was decoded and what becomes of it, in RGB at the most.
    return round(image.width * image.height * max(decoder, stored + _RGB)) + 2**20


def to_rgb(image: Image.Image, *, ours: bool) -> Image.Image:
    """An image upright and in RGB, transparent parts white; in strips, so that nothing else is there twice.

    Args:
        image: is decoded.
        ours: the image may be changed and is not used again; else it is left as it is.
    """
    if ours:
        ImageOps.exif_transpose(image, in_place=True)
    else:
        image = ImageOps.exif_transpose(image)  # a copy, turned or not
    image.load()
    if image.mode == "RGB" and not image.has_transparency_data:
        # A plain image around the same pixels: a copy would double them, and the file's own class keeps its decoder.
        return Image.Image()._new(image.im)
    scale = _scale(image)
    rgb = Image.new("RGB", image.size)
    for top, bottom in strips(image.size):
        rgb.paste(_strip_to_rgb(image.crop((0, top, image.width, bottom)), scale), (0, top))
    return rgb


def strips(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Rows from and to which an image is worked on at a time."""
    width, height = size
    rows = max(1, _STRIP_PIXELS // max(width, 1))
    return ((top, min(top + rows, height)) for top in range(0, height, rows))


def _scale(image: Image.Image) -> float | None:
    """What the values of a grey image of more than 8 bits are multiplied by; Pillow clips them, to white as a rule."""
    if image.mode.startswith("I;16"):
        return 1 / 256
    if image.mode == "I" and isinstance(highest := image.getextrema()[1], int | float) and highest > 255:
        return 1 / 256 if highest < 65_536 else 255 / highest
    return None


def _strip_to_rgb(strip: Image.Image, scale: float | None) -> Image.Image:
    if scale is not None:
        grey = np.clip(np.asarray(strip, dtype=np.float32) * scale, 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if strip.has_transparency_data:
        # Plain conversion shows the colour stored under transparent pixels, black text on black as a rule.
        rgba = strip.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return strip.convert("RGB")
