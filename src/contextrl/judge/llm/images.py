"""Images as data URLs, downscaled to a stated limit, encoded once for all attempts at a question."""

from __future__ import annotations

import base64
import io
import threading
from collections import OrderedDict

from PIL import Image

from contextrl.data.images import image_key, open_image
from contextrl.records.example import ImageHandle

#: Up to this many pixels an image is sent without loss; photographs above it as JPEG.
LOSSLESS_PIXELS = 512 * 512
_JPEG_QUALITY = 92
#: Encoded images that are kept, in bytes: the images of a step and no more.
_KEPT_BYTES = 256 * 2**20


class ImageUrls:
    """Turns image handles into data URLs, keeping the latest.

    Args:
        max_side: longest side in pixels; larger images are downscaled, smaller ones are left as they are.
    """

    def __init__(self, max_side: int) -> None:
        self.max_side = max_side
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def url(self, handle: ImageHandle) -> str:
        """The image as `data:image/...;base64,...`.

        Raises:
            InputError: the image is missing or unreadable.
        """
        key = image_key(handle)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        url = encode(open_image(handle, self.max_side), self.max_side)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = url
                self._bytes += len(url)
            while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return url


def encode(image: Image.Image, max_side: int) -> str:
    """An RGB image as a data URL whose longest side is at most `max_side` pixels."""
    if max(image.size) > max_side:
        image = image.copy()
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    lossless = image.width * image.height <= LOSSLESS_PIXELS
    buffer = io.BytesIO()
    if lossless:
        image.save(buffer, format="PNG")
    else:
        image.save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{'png' if lossless else 'jpeg'};base64,{data}"
