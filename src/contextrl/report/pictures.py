"""Pictures of groups, within the page."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from contextrl.data.images import image_size, open_image
from contextrl.errors import InputError
from contextrl.records.example import ImageHandle
from contextrl.records.run_data import Record, RunData

#: Longest side of a picture that is one of few, and of one of many.
SIDES = (512, 256, 128)
#: A larger PNG file becomes a JPEG file.
PNG_BYTES = 8_000


@dataclass
class Pictures:
    """Pictures in the page.

    Attributes:
        uris: each as a data URI.
        side: their longest side, where one had to be scaled down.
        left_out: those for which there was no room, or that could not be read.
    """

    uris: list[str] = field(default_factory=list)
    side: int | None = None
    left_out: int = 0
    _places: dict[str, int] = field(default_factory=dict)

    def places_of(self, paths: Iterable[Path]) -> list[int]:
        """Which of the pictures those in files are."""
        return [self._places[path.name] for path in paths if path.name in self._places]

    def uris_of(self, names: Iterable[str]) -> list[str]:
        """The pictures of these names that are here."""
        return [self.uris[self._places[name]] for name in names if name in self._places]


def image_files(run: RunData, group: Record) -> list[Path]:
    """A group's pictures within the run's own folder; a line that names others is not obeyed."""
    named = group.get("images")
    folder = Path(os.path.realpath(run.path / "images"))
    return [_within(folder, run.path / str(name)) for name in named] if isinstance(named, list) else []


def _within(folder: Path, path: Path) -> Path:
    try:
        resolved = Path(os.path.realpath(path))  # `Path.resolve` fails on a link to itself
    except (OSError, ValueError):  # a NUL in its name
        return folder / "unreadable"
    return resolved if resolved.is_relative_to(folder) else folder / "outside"


def embed_pictures(groups: Sequence[Sequence[Path]], budget: int) -> Pictures:
    """Each picture once, at the largest side at which all of them fit, else as many of the first ones as do.

    Args:
        groups: files of each group, the most important groups first. Files are named by content, so that those of one
            name are one picture, in whichever run.
        budget: bytes.
    """
    files = {path.name: path for paths in reversed(groups) for path in reversed(paths)}
    names = dict.fromkeys(path.name for paths in groups for path in paths)
    return fitted_pictures({name: files[name] for name in names}, budget)


def fitted_pictures(wanted: Mapping[str, ImageHandle], budget: int) -> Pictures:
    """Pictures by names, the most important first: as `embed_pictures`."""
    pictures, complete = Pictures(), False
    for side in SIDES:
        pictures, complete = _at_side(wanted, side, budget)
        if complete:
            break
    pictures.left_out = len(wanted) - len(pictures.uris)
    return pictures


def _at_side(wanted: Mapping[str, ImageHandle], side: int, room: int) -> tuple[Pictures, bool]:
    """What fits, and whether that is all."""
    pictures = Pictures()
    for name, handle in wanted.items():
        uri, was_scaled = data_uri(handle, side)
        if not uri:
            continue
        room -= len(uri)
        if room < 0:
            return pictures, False
        pictures.side = side if was_scaled else pictures.side
        pictures._places[name] = len(pictures.uris)
        pictures.uris.append(uri)
    return pictures, True


def data_uri(handle: ImageHandle, side: int) -> tuple[str, bool]:
    """A picture encoded anew, so that what is in the page is a picture; empty if there is none. Whether it shrank."""
    try:
        shrank = max(image_size(handle)) > side
        image = open_image(handle, side)
    except (InputError, OSError):
        return "", False
    kind, content = "png", _encoded(image, "PNG", optimize=True)
    if len(content) > PNG_BYTES:
        kind, content = "jpeg", _encoded(image, "JPEG", quality=80)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}", shrank


def _encoded(image: Image.Image, form: str, **settings: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **settings)
    return buffer.getvalue()
