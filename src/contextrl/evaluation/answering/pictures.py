"""Pictures as data URLs: their own bytes where a server reads them as they are meant, else lossless."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from contextrl.data.images import image_from_bytes, open_image
from contextrl.errors import InputError
from contextrl.judge.llm.images import encode
from contextrl.records.example import ImageHandle

#: Formats that every server reads.
_PLAIN = {"PNG": "png", "JPEG": "jpeg", "WEBP": "webp"}
#: EXIF's tag of how a camera was held; 1 is upright, and from 5 on width and height are exchanged.
_ORIENTATION, _UPRIGHT, _LYING = 0x0112, 1, 5


def picture_url(handle: ImageHandle, max_side: int | None = None) -> str:
    """A picture as `data:image/...;base64,...`, upright and without transparency.

    Args:
        max_side: longest side in pixels; larger pictures are scaled down. None sends every picture at its full size.

    Raises:
        InputError: it is missing or unreadable.
    """
    data = encoded_bytes(handle)
    if data is not None:
        image = _opened(handle, data)
        if _as_meant(image) and (max_side is None or max(image.size) <= max_side):
            return _url(data, _PLAIN[str(image.format)])
    picture = open_image(handle, max_side)
    if max_side is not None:
        return encode(picture, max_side)
    buffer = io.BytesIO()
    # The level costs time, not fidelity.
    picture.save(buffer, format="PNG", compress_level=1)
    return _url(buffer.getvalue(), "png")


def encoded_bytes(handle: ImageHandle) -> bytes | None:
    """The file's bytes; None for a picture that was made or decoded.

    Raises:
        InputError: the file cannot be read.
    """
    if isinstance(handle, Path):
        try:
            return handle.read_bytes()
        except OSError as error:
            raise InputError("an image file", found=error.strerror or "none", where=str(handle)) from error
    source = getattr(handle, "fp", None)
    return source.getvalue() if isinstance(source, io.BytesIO) else None


def upright_size(handle: ImageHandle) -> tuple[int, int]:
    """Width and height in pixels as the picture is shown.

    Raises:
        InputError: its header is unreadable.
    """
    image = handle if isinstance(handle, Image.Image) else _opened(handle, encoded_bytes(handle) or b"")
    width, height = image.size
    return (height, width) if _orientation(image) >= _LYING else (width, height)


def _opened(handle: ImageHandle, data: bytes) -> Image.Image:
    """The picture with its header read."""
    return handle if isinstance(handle, Image.Image) else image_from_bytes(data, where=str(handle))


def _as_meant(image: Image.Image) -> bool:
    """Whether whoever decodes the bytes sees the picture that we would."""
    return (
        image.format in _PLAIN
        and image.mode in ("RGB", "L")
        and "transparency" not in image.info
        and getattr(image, "n_frames", 1) == 1
        and _orientation(image) == _UPRIGHT
    )


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(_ORIENTATION, _UPRIGHT)
    except Exception:  # Pillow's parser raises whatever broken bytes lead it to; such pictures count as upright
        return _UPRIGHT
    return found if isinstance(found, int) and 1 <= found <= 8 else _UPRIGHT


def _url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
