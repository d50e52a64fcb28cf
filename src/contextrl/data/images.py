"""Opening, checking and naming images without trusting them."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from contextrl.errors import InputError
from contextrl.records.example import ImageHandle

#: Largest image that is decoded, in pixels (270 MB as RGB). It is Pillow's own warning threshold; the largest
#: benchmark images (HRBench8K) have 33 million.
MAX_PIXELS = 89_478_485
#: Formats that decode in process; others that Pillow knows run a program (EPS).
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")


def image_from_bytes(data: bytes, *, where: str = "image") -> Image.Image:
    """Open an encoded image from memory: the header is read, the pixels stay encoded.

    Raises:
        InputError: the bytes are no image in one of `FORMATS`.
    """
    return _open_source(io.BytesIO(data), where)


def open_image(handle: ImageHandle) -> Image.Image:
    """Decode an image to RGB, turned upright by its EXIF orientation; transparent parts become white.

    The result is a new image: a decoded or lazily opened `handle` is left as it is, so threads may share it.

    Raises:
        InputError: the image is missing, corrupt, truncated, or larger than `MAX_PIXELS`.
    """
    return _decode(handle, _name(handle))


def image_size(handle: ImageHandle) -> tuple[int, int]:
    """Return (width, height) in pixels as stored, from the header alone (before any EXIF rotation).

    Raises:
        InputError: the image is missing or its header is unreadable.
    """
    if isinstance(handle, Image.Image):
        return handle.size
    with _open_source(handle, str(handle)) as image:
        return image.size


def check_image(handle: ImageHandle, where: str) -> None:
    """Decode an image completely, so that a truncated file is found now and not in the middle of a run.

    Args:
        handle: what to check.
        where: how to name it in the error (row and field).

    Raises:
        InputError: as `open_image`.
    """
    _decode(handle, where)


class ImageChecks:
    """Decodes images completely, in threads, each file once however many rows show it.

    Pillow lets other threads run while it decodes. Close it, or use it as a context.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
        self._files: dict[Path, Future[InputError | None]] = {}

    def __enter__(self) -> ImageChecks:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def start(self, handles: Sequence[ImageHandle]) -> list[Future[InputError | None]]:
        """Begin to check a row's images, if nobody has; called from one thread."""
        return [self._start(handle) for handle in handles]

    def _start(self, handle: ImageHandle) -> Future[InputError | None]:
        if not isinstance(handle, Path):
            return self._pool.submit(_image_error, handle)
        if handle not in self._files:
            self._files[handle] = self._pool.submit(_image_error, handle)
        return self._files[handle]


def image_problems(checks: Sequence[Future[InputError | None]]) -> Iterator[str]:
    """What is wrong with a row's images, in words that name the place in the row."""
    for index, check in enumerate(checks):
        if (error := check.result()) is not None:
            yield f"field 'images[{index}]': expected {error.expected}, found {error.found}"


def _image_error(handle: ImageHandle) -> InputError | None:
    try:
        check_image(handle, "")
    except InputError as error:
        return error
    return None


def image_key(handle: ImageHandle) -> str:
    """Return 16 hex characters that depend on the decoded picture alone, not on file name or encoding.

    The same picture as a path, as bytes and decoded has one key, so keys tell duplicates between datasets.

    Raises:
        InputError: as `open_image`.
    """
    if isinstance(handle, Path):
        try:
            stat = handle.stat()
        except OSError:
            return _content_key(handle)  # which says what is wrong with it
        return _file_key(handle, stat.st_mtime_ns, stat.st_size)
    return _content_key(handle)


@lru_cache(maxsize=65_536)
def _file_key(path: Path, mtime_ns: int, size: int) -> str:  # noqa: ARG001 - they are the cache's key
    return _content_key(path)


def _content_key(handle: ImageHandle) -> str:
    image = open_image(handle)
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()[:16]


def _name(handle: ImageHandle) -> str:
    return str(handle) if isinstance(handle, Path) else "image"


def _open_source(source: Path | io.BytesIO, where: str) -> Image.Image:
    """Read the header; the caller closes."""
    if isinstance(source, Path) and not source.is_file():
        found = "a folder" if source.is_dir() else "nothing there"
        raise InputError(f"an image file at {source}", found=found, where=where)
    try:
        return Image.open(source, formats=FORMATS)
    except Exception as error:  # Pillow's plugins raise whatever broken bytes lead them to
        raise _unreadable(where, source, error) from error


def _decode(handle: ImageHandle, where: str) -> Image.Image:
    source: ImageHandle | io.BytesIO = handle
    # An image opened from memory keeps its bytes until it is decoded: decode a twin, the handle stays small.
    if isinstance(handle, Image.Image) and isinstance(encoded := getattr(handle, "fp", None), io.BytesIO):
        source = io.BytesIO(encoded.getvalue())
    image = source if isinstance(source, Image.Image) else _open_source(source, where)
    try:
        if image.width * image.height > MAX_PIXELS:
            size = f"{image.width}x{image.height}"
            raise InputError(f"an image of at most {MAX_PIXELS:,} pixels", found=size, where=where, fix="Downscale it")
        return _to_rgb(ImageOps.exif_transpose(image))
    except InputError:
        raise
    except Exception as error:
        raise _unreadable(where, handle, error) from error
    finally:
        if image is not handle:
            image.close()


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow clips 16-bit grey at 255, which turns almost every such image white.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        # Plain conversion shows the colour stored under transparent pixels, black text on black as a rule.
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _unreadable(where: str, source: ImageHandle | io.BytesIO, error: Exception) -> InputError:
    name = f"{source} " if isinstance(source, Path) and str(source) not in where else ""
    return InputError(
        f"a complete image ({', '.join(FORMATS)})",
        found=f"{name}unreadable: {type(error).__name__}: {str(error)[:120]}",
        where=where,
    )
