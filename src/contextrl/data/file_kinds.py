"""What a file that is no picture probably is, from its first bytes, and what its owner can do about it."""

from __future__ import annotations

import re
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of file and the remedy."""

    name: str
    fix: str


_CONVERT = "Convert it to PNG or JPEG"
#: First bytes to kinds. ISO files have their kind after four bytes of length.
_KINDS: tuple[tuple[re.Pattern[bytes], Kind], ...] = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), kind)
    for pattern, kind in {
        rb"$": Kind("an empty file", "Copy it again, or take the row out"),
        rb"....ftyp(avif|avis)": Kind("AVIF, which this Pillow cannot read", f"{_CONVERT}, or install a newer pillow"),
        rb"....ftyp(hei|hev|mif1|msf1)": Kind("HEIC", _CONVERT),
        rb"\xff\x0a|\0\0\0\x0cJXL ": Kind("JPEG XL", _CONVERT),
        rb"....ftyp|\x1a\x45\xdf\xa3": Kind("a video", "Save the frames that the question needs as pictures"),
        rb"%PDF": Kind("a PDF", "Save its page as PNG"),
        rb"%!PS": Kind("PostScript", "Save it as PNG"),
        rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg": Kind("SVG", "Save it as PNG"),
        rb"\s*<(!DOCTYPE )?html": Kind("a web page", "Download the picture itself"),
        rb"version https://git-lfs": Kind("a pointer of Git LFS", "Run git lfs pull"),
        rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf": Kind("an archive", "Unpack it"),
        rb"8BPS": Kind("a Photoshop document", _CONVERT),
    }.items()
)


def kind_of(head: bytes) -> Kind | None:
    """The kind of a file by its first bytes, None where they say nothing."""
    return next((kind for pattern, kind in _KINDS if pattern.match(head)), None)
