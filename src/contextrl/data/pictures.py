"""Where a row's pictures are: paths, file addresses, encoded bytes and base64 text, each in one reading or none."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from PIL import Image

from contextrl.data.images import image_from_bytes
from contextrl.data.raw_rows import RawRow, describe
from contextrl.errors import InputError
from contextrl.records.example import ImageHandle

_REMOTE = re.compile(r"(?:https?|ftp|s3|gs|hf|az|abfss?)://", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\|//")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}")
#: First bytes of the formats that are read, as base64 has them: PNG, JPEG, GIF, WEBP, BMP, TIFF. AVIF's are anybody's.
_ENCODED_STARTS = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "Qk", "SUkq", "TU0AK")
_SUFFIX = re.compile(r"\.\w{2,5}$")
_PICTURE_NAME = re.compile(r"\.(?:png|jpe?g|jpe|webp|gif|bmp|tiff?|ppm|jp2|avif)$", re.IGNORECASE)
#: Bytes of a file's name.
_LONGEST_NAME = 255
_FORMS = "an image: a path, a PIL image, or bytes"


def flat(value: object) -> Iterator[object]:
    """Pictures of a list, of a list of lists, or one alone."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from flat(part)
    else:
        yield value


def bytes_of(row: RawRow) -> int:
    """How much a row holds, pictures and texts, about."""
    size = 0
    for value in row.columns.values():
        for part in flat(value):
            inner = part.get("bytes") if isinstance(part, Mapping) else part
            size += len(inner) if isinstance(inner, bytes | str) else 0
    return size


def cell_pictures(cell: str) -> list[object]:
    """Pictures of a table's cell: one path, or several with semicolons or bars between them."""
    for separator in ";|":
        parts = [part.strip() for part in cell.split(separator) if part.strip()]
        if len(parts) > 1 and all(_SUFFIX.search(part) for part in parts):
            return list(parts)
    return [cell]


def looks_like_picture(value: object) -> bool:
    """Whether a column's value is a picture, or a list of pictures, by its look."""
    if isinstance(value, Mapping):
        return bool({"bytes", "path"} & value.keys())
    if isinstance(value, list | tuple):
        return bool(value) and all(looks_like_picture(part) for part in value)
    if isinstance(value, bytes | Image.Image):
        return True
    if not isinstance(value, str):
        return False
    text = value.strip()
    return text[:11].lower() == "data:image/" or _is_base64(text) or _PICTURE_NAME.search(text) is not None


def picture(value: object, *, where: str, base: Path | None) -> ImageHandle:
    """A handle of one picture; files are not opened.

    Args:
        value: a PIL image, a path, `file://` address, `data:` address or base64 text, bytes, or datasets'
            `{"bytes": ..., "path": ...}`.
        where: row and field, for errors.
        base: the folder that paths are relative to; None leaves them as they are.

    Raises:
        InputError: it is none of these, or one that cannot be read here.
    """
    if isinstance(value, Mapping):
        data = value.get("bytes")
        value = value.get("path") if data is None else data
    if isinstance(value, bytes | bytearray):
        return image_from_bytes(bytes(value), where=where)
    if isinstance(value, Image.Image):
        return value
    text = str(value) if isinstance(value, Path) else value
    if not isinstance(text, str) or not text.strip():
        raise InputError(_FORMS, found=describe(value), where=where)
    try:
        return _from_text(text.strip(), where, base)
    except UnicodeError as error:  # half a character, which no file's name and no base64 text has
        raise InputError(_FORMS, found=f"{text[:40]!r}", where=where) from error


def named_file(value: object, base: Path | None) -> Path | None:
    """The file that a picture's value names; None where the value holds the picture itself, or is none.

    Args:
        base: the folder that paths are relative to; None leaves them as they are.
    """
    if isinstance(value, Mapping):
        value = value.get("path") if value.get("bytes") is None else None
    text = str(value).strip() if isinstance(value, str | Path) else ""
    if not text or text[:5].lower() == "data:" or _is_encoded(text):
        return None
    try:
        handle = _from_text(text, "", base)
    except (InputError, UnicodeError):
        return None
    return handle if isinstance(handle, Path) else None


def _from_text(text: str, where: str, base: Path | None) -> ImageHandle:
    if _REMOTE.match(text):
        raise InputError("a local path", found=text[:60], where=where, fix="Download the image and give its path")
    if text[:5].lower() == "data:":
        header, separator, encoded = text.partition(",")
        if not separator or not header.lower().endswith(";base64"):
            raise InputError("base64 in an address data:image/...;base64,...", found=text[:60], where=where)
        return _from_base64(encoded, where)
    if _is_encoded(text):
        return _from_base64(text, where)
    if text[:5].lower() == "file:":
        text = _path_of(text, where)
    return _local(text, where, base)


def _is_encoded(text: str) -> bool:
    """Whether text can be no path, or looks like a picture more than like one."""
    return any(character in text for character in "\0\n\r") or len(text) > 4096 or _is_base64(text)


def _is_base64(text: str) -> bool:
    """Whether text is an encoded picture and no path: those have dots, and do not begin as pictures do."""
    return text.startswith(_ENCODED_STARTS) and _BASE64.fullmatch(text) is not None


def _from_base64(text: str, where: str) -> ImageHandle:
    encoded = "".join(unquote(text).split()).translate({ord("-"): "+", ord("_"): "/"})
    try:
        # Writers leave the padding out.
        data = base64.b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        found = f"{text[:40]!r}, {len(text):,} characters ({error})"
        raise InputError(f"{_FORMS}, as base64 text too", found=found, where=where) from error
    return image_from_bytes(data, where=where)


def _path_of(address: str, where: str) -> str:
    """The path of `file:///folder/a%20b.png`."""
    parts = urlsplit(address)
    if parts.netloc not in ("", "localhost"):
        raise InputError(
            "an address of this machine: file:///folder/picture.png",
            found=address[:60],
            where=where,
            fix="Write three slashes, or the path alone",
        )
    path = unquote(parts.path)
    return path[1:] if re.match(r"/[A-Za-z]:[\\/]", path) else path


def _local(text: str, where: str, base: Path | None) -> Path:
    if os.name != "nt" and "\\" in text:
        if not _DRIVE.match(text):
            # A name may hold a backslash here; a file that is there decides.
            plain = Path(text) if base is None else base / text
            text = text if plain.exists() else text.replace("\\", "/")
        else:
            raise _elsewhere(text, where)
    elif os.name != "nt" and re.match(r"[A-Za-z]:/", text):
        raise _elsewhere(text, where)
    path = Path(text)
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        found = f"{text[:40]!r}, {len(text):,} characters"
        raise InputError(f"{_FORMS}, as base64 text too", found=found, where=where)
    if text.startswith("~"):
        try:
            path = path.expanduser()
        except RuntimeError as error:
            raise InputError("the home folder of a user of this machine", found=text[:60], where=where) from error
    return path if base is None else base / path


def _elsewhere(text: str, where: str) -> InputError:
    return InputError(
        "a path of this machine",
        found=f"{text[:60]}, of a Windows drive",
        where=where,
        fix="Copy the pictures beside the rows and write paths relative to the rows' file",
    )
