"""Whether a PNG file is whole, told without making its pixels: two to three times as fast as decoding.

A file passes that has all its chunks with the right checksums, and data that inflate to exactly the rows of its header.
Whatever is out of the ordinary (interlaced, animated, EXIF, broken) passes nothing here: decoding decides it.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

#: First bytes of every PNG file.
SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Channels by colour type, and the depths that each may have.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
#: Chunks beside the header, the data and the end that change nothing of how a picture is decoded or turned.
_PLAIN = frozenset((b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs", b"tIME", b"tEXt"))
_PALETTE = 3
#: Filters of a row: none, sub, up, average, Paeth.
_LAST_FILTER = 4
#: Bytes of pixels up to which they are inflated at once: little enough that no thread has to wait for room.
_MAX_BYTES = 4 * 2**20
_PROFILE = b"Raw profile"


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    row: int
    """Bytes of a row, its filter included."""
    palette: bool


def whole_png(data: bytes | memoryview) -> tuple[int, int] | None:
    """(width, height) in pixels of a PNG file that is whole; None where decoding has to tell.

    Args:
        data: the whole file.
    """
    view = memoryview(data)
    if view[:8] != SIGNATURE:
        return None
    header: _Header | None = None
    parts: list[memoryview] = []
    palette, ended, place = False, False, 8
    while place + 12 <= len(view):
        (length,) = struct.unpack_from(">I", view, place)
        end = place + 12 + length
        if end > len(view) or ended:
            return None
        kind, content = bytes(view[place + 4 : place + 8]), view[place + 8 : end - 4]
        if zlib.crc32(view[place + 4 : end - 4]) != struct.unpack_from(">I", view, end - 4)[0]:
            return None
        if (kind == b"IHDR") != (place == 8):
            return None
        if kind == b"IHDR":
            header = _header(content)
        elif kind == b"IDAT":
            parts.append(content)
        elif kind == b"IEND":
            ended = not length
        elif parts or kind not in _PLAIN or (kind == b"tEXt" and bytes(content[: len(_PROFILE)]) == _PROFILE):
            return None  # what comes after the data is read by the decoder alone
        palette = palette or (kind == b"PLTE" and bool(length) and length % 3 == 0)
        if header is None:
            return None
        place = end
    if header is None or not ended or place != len(view) or (header.palette and not palette):
        return None
    return (header.width, header.height) if _inflates(header, parts) else None


def _header(content: memoryview) -> _Header | None:
    """None for one that is invalid, interlaced, or of too many bytes."""
    if len(content) != struct.calcsize(">IIBBBBB"):
        return None
    width, height, depth, colour, compression, filtering, interlaced = struct.unpack(">IIBBBBB", content)
    if not width or not height or compression or filtering or interlaced or depth not in _DEPTHS.get(colour, ()):
        return None
    row = 1 + (width * depth * _CHANNELS[colour] + 7) // 8
    return _Header(width, height, row, colour == _PALETTE) if row * height <= _MAX_BYTES else None


def _inflates(header: _Header, parts: list[memoryview]) -> bool:
    """Whether the data are a whole stream of exactly the rows, each with a filter that there is."""
    size = header.row * header.height
    stream = zlib.decompressobj()
    try:
        pixels = stream.decompress(b"".join(parts), size + 1)
    except zlib.error:
        return False
    return len(pixels) == size and stream.eof and not stream.unused_data and max(pixels[:: header.row]) <= _LAST_FILTER
