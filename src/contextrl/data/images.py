"""Opening, checking and naming images without trusting them."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from PIL import Image, UnidentifiedImageError, features

from contextrl.data.decoding import memory_limit, room_for, strips, to_rgb
from contextrl.data.file_kinds import kind_of
from contextrl.data.png import SIGNATURE, whole_png
from contextrl.errors import InputError
from contextrl.records.example import ImageHandle

#: Largest image that is decoded, in pixels. It is Pillow's own warning threshold; the largest benchmark images
#: (HRBench8K) have 33 million.
MAX_PIXELS = 89_478_485
#: Formats that decode in process; others that Pillow knows run a program (EPS).
FORMATS: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
if features.check("avif"):
    FORMATS = (*FORMATS, "AVIF")
#: Longest picture by its width, or the other way round: what Qwen-VL's processors take (`smart_resize`).
MAX_ASPECT_RATIO = 200
#: How Pillow names what is read from memory.
_ADDRESS = re.compile(r"<_io\.BytesIO[^>]*>")
#: Pillow refuses by size before it tells the size.
_BOMB_PIXELS = re.compile(r"\((\d+) pixels\)")
#: Bytes that tell what a file is.
_HEAD = 512
#: Largest PNG file that is read at once to be checked.
_PNG_BYTES = 8 * 2**20


def image_from_bytes(data: bytes, *, where: str = "image") -> Image.Image:
    """Open an encoded image from memory: the header is read, the pixels stay encoded.

    Raises:
        InputError: the bytes are no image in one of `FORMATS`.
    """
    return _open_source(io.BytesIO(data), where)


def open_image(handle: ImageHandle, max_side: int | None = None) -> Image.Image:
    """Decode an image to RGB, turned upright by its EXIF orientation; transparent parts become white.

    The result is a new image: a decoded or lazily opened `handle` is left as it is, so threads may share it. Of an
    animation or a file of several pages it is the first. Decoding stays within `decoding.memory_limit`, for all threads
    together; the images returned are the caller's.

    Args:
        handle: what to open.
        max_side: longest side in pixels, where less than the whole is wanted: larger images are downscaled (LANCZOS).

    Raises:
        InputError: the image is missing, corrupt, truncated, or too large.
    """
    with _decoded(handle, _name(handle), max_side) as image:
        return image


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
    """Make sure that an image decodes, so that a truncated file is found now and not in the middle of a run.

    It is decoded completely, but for PNG files whose data can be told to be whole without their pixels.

    Args:
        handle: what to check.
        where: how to name it in the error (row and field).

    Raises:
        InputError: as `open_image`; a picture that no processor takes, being too long for its width.
    """
    size = _size_of_whole_png(handle)
    if size is None:
        with _decoded(handle, where) as image:
            size = image.size
    if max(size) > MAX_ASPECT_RATIO * min(size):
        raise InputError(
            f"a picture at most {MAX_ASPECT_RATIO} times as long as it is wide",
            found=f"{_unnamed(where, handle)}{size[0]}x{size[1]} pixels",
            where=where,
            fix="Crop it, or pad its narrow side",
        )


def _size_of_whole_png(handle: ImageHandle) -> tuple[int, int] | None:
    """(width, height) of a PNG file that certainly decodes; None where only decoding tells."""
    try:
        if isinstance(handle, Path):
            if not handle.is_file():
                return None
            with handle.open("rb") as file:
                data = file.read(len(SIGNATURE))
                data += file.read(_PNG_BYTES) if data == SIGNATURE else b""
        else:
            encoded = getattr(handle, "fp", None)
            data = encoded.getvalue() if isinstance(encoded, io.BytesIO) else b""
    except OSError:
        return None
    size = whole_png(data)
    # As much as decoding takes of any mode of eight bits.
    return size if size is not None and 8 * size[0] * size[1] + 2**20 <= memory_limit() else None


class ImageChecks:
    """Decodes images completely, in threads, each file once however many rows show it.

    Pillow and zlib let other threads run while they decode. Close it, or use it as a context.

    Args:
        pool: threads that others use too and that outlive these checks; by default some of its own.
    """

    def __init__(self, pool: ThreadPoolExecutor | None = None) -> None:
        self._shared = pool is not None
        self._pool = pool or ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
        self._files: dict[Path, Future[InputError | None]] = {}

    def __enter__(self) -> ImageChecks:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._shared:
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
            fix = f". {error.fix}" if error.fix else ""
            yield f"field 'images[{index}]': expected {error.expected}, found {error.found}{fix}"


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
    with _decoded(handle, _name(handle)) as image:
        digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
        for top, bottom in strips(image.size):
            digest.update(image.crop((0, top, image.width, bottom)).tobytes())
        del image  # before others decode
    return digest.hexdigest()[:16]


def _name(handle: ImageHandle) -> str:
    return str(handle) if isinstance(handle, Path) else "image"


def _open_source(source: Path | io.BytesIO, where: str) -> Image.Image:
    """Read the header; the caller closes."""
    if isinstance(source, Path) and not source.is_file():
        found = "a folder" if source.is_dir() else "nothing"
        raise InputError("an image file", found=f"{found} at {source}", where=where)
    try:
        return Image.open(source, formats=FORMATS)
    except Exception as error:  # Pillow's plugins raise whatever broken bytes lead them to
        raise _unreadable(where, source, error) from error


@contextmanager
def _decoded(handle: ImageHandle, where: str, max_side: int | None = None) -> Iterator[Image.Image]:
    """The image in RGB, with room in memory for as long as the context lasts."""
    source: ImageHandle | io.BytesIO = handle
    # An image opened from memory keeps its bytes until it is decoded: decode a twin, the handle stays small.
    if isinstance(handle, Image.Image) and isinstance(encoded := getattr(handle, "fp", None), io.BytesIO):
        source = io.BytesIO(encoded.getvalue())
    image = source if isinstance(source, Image.Image) else _open_source(source, where)
    ours = image is not handle
    name = _unnamed(where, handle)
    try:
        if image.width * image.height > MAX_PIXELS:
            raise _too_many_pixels(f"{name}{image.width}x{image.height}", where)
        if ours and max_side is not None:
            # JPEG decodes at an eighth, a quarter or half: here at no less than twice what is wanted, for LANCZOS.
            width, height = (max(1, 2 * side * max_side // max(image.size)) for side in image.size)
            image.draft(None, (width, height))  # in its own mode
        with room_for(image, where, name):
            rgb = to_rgb(image, ours=ours)
            if ours:
                image.close()
            if max_side is not None and max(rgb.size) > max_side:
                rgb.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
            yield rgb
            del rgb
    except InputError:
        raise
    except Exception as error:
        raise _unreadable(where, handle, error) from error
    finally:
        if ours:
            image.close()


def _unreadable(where: str, source: ImageHandle | io.BytesIO, error: Exception) -> InputError:
    found = f"{type(error).__name__}: {_ADDRESS.sub('it', str(error))[:120]}"
    if isinstance(error, Image.DecompressionBombError):
        pixels = _BOMB_PIXELS.search(str(error))
        return _too_many_pixels(_unnamed(where, source) + (f"{int(pixels[1]):,} pixels" if pixels else found), where)
    if isinstance(error, UnidentifiedImageError):
        found = "it begins like no such file"
    kind = kind_of(_head(source))
    return InputError(
        f"a complete image ({', '.join(FORMATS)})",
        found=f"{_unnamed(where, source)}unreadable: {found}"
        if kind is None
        else f"{_unnamed(where, source)}{kind.name}",
        where=where,
        fix="Copy or save it again" if kind is None else kind.fix,
    )


def _head(source: ImageHandle | io.BytesIO) -> bytes:
    """The first bytes of a file; of a picture that was opened before, some that say nothing."""
    if isinstance(source, io.BytesIO):
        return source.getvalue()[:_HEAD]
    try:
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(b"\0") as file:
            return file.read(_HEAD)
    except OSError:
        return b"\0"


def _too_many_pixels(found: str, where: str) -> InputError:
    return InputError(f"an image of at most {MAX_PIXELS:,} pixels", found=found, where=where, fix="Downscale it")


def _unnamed(where: str, source: ImageHandle | io.BytesIO) -> str:
    """The file's name, where `where` does not have it."""
    return f"{source} " if isinstance(source, Path) and str(source) not in where else ""
