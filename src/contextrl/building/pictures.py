"""The pictures of a build: each kept once, under its content's name, as the bytes that the source has."""

from __future__ import annotations

import hashlib
import io
import os
import re
from pathlib import Path

from PIL import Image

from contextrl.data.images import image_from_bytes
from contextrl.disk import writing
from contextrl.errors import InputError
from contextrl.records.example import ImageHandle

#: Suffixes by the format that Pillow reads in the header.
_SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tiff",
    "PPM": ".ppm",
    "JPEG2000": ".jp2",
    "AVIF": ".avif",
}

#: A picture's name in a store, and in a set that has its pictures beside.
STORED_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}\.\w+")


class PictureStore:
    """A folder of pictures; any number of processes may add to it.

    Args:
        folder: is made when the first picture comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, handle: ImageHandle, *, where: str) -> str:
        """Keep a picture; returns its name. One that is there already is not written again.

        Raises:
            InputError: it is no picture, or its file cannot be read.
        """
        data = bytes_of(handle, where)
        with image_from_bytes(data, where=where) as image:
            suffix = _SUFFIXES.get(image.format or "", ".png")
        digest = hashlib.sha256(data).hexdigest()[:32]
        name = f"{digest[:2]}/{digest}{suffix}"
        path = self.folder / name
        if not path.exists():
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                scratch = path.with_name(f".{path.name}.{os.getpid()}")
                scratch.write_bytes(data)
                scratch.replace(path)
        return name

    def path(self, name: str) -> Path:
        """Where a picture is."""
        return self.folder / name


def bytes_of(handle: ImageHandle, where: str) -> bytes:
    """A picture as it is encoded, or as PNG where it is in memory only.

    Raises:
        InputError: its file cannot be read.
    """
    if isinstance(handle, Path):
        try:
            return handle.read_bytes()
        except OSError as error:
            raise InputError("a picture", found=error.strerror or str(error), where=where) from error
    encoded = getattr(handle, "fp", None)
    if isinstance(encoded, io.BytesIO):
        return encoded.getvalue()
    buffer = io.BytesIO()
    Image.Image.save(handle, buffer, format="PNG")
    return buffer.getvalue()
