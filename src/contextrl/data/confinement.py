"""Rows say where their pictures are, and rows come from strangers: pictures come from the data's folder alone.

Without this, a row that names `../../private/scan.png` would send that file to whoever serves the judge.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from contextrl.data.problems import faulty_rows
from contextrl.records.example import Example

#: What allows pictures from elsewhere.
ALLOW = "Move the pictures there, or set data.allow_outside to true (--allow-outside) if the rows are your own"


def check_confined(examples: Sequence[Example], folders: Sequence[Path], *, where: str) -> None:
    """Refuse rows whose pictures are files outside some folders.

    Args:
        examples: pictures that are no files are never outside.
        folders: where files may be: absolute, relative and linked paths count by the file that they lead to.
        where: the file or dataset, for the error.

    Raises:
        InputError: one for all rows, with the first of them.
    """
    allowed = [folder.resolve() for folder in folders]
    faulty_rows(examples, [list(outside(e, allowed, folders)) for e in examples], where=where, fix=ALLOW)


def outside(example: Example, allowed: Sequence[Path], shown: Sequence[Path]) -> Iterator[str]:
    """What is wrong with a row's places of pictures.

    Args:
        allowed: folders, resolved.
        shown: the same as the user knows them.
    """
    for index, handle in enumerate(example.images):
        if isinstance(handle, Path) and not is_inside(handle, allowed):
            places = " or ".join(map(shown_folder, shown))
            inside = f"the folder of the rows ({places})" if places else "the rows themselves"
            yield f"field 'images[{index}]': expected a picture in {inside}, found {handle}"


def shown_folder(folder: Path) -> str:
    """A folder's name for a message: that of the current one is a mere dot."""
    return str(folder.absolute() if folder == Path() else folder)


def is_inside(path: Path, allowed: Sequence[Path]) -> bool:
    """Whether the file that a path leads to is in one of some folders, resolved."""
    # The folder is resolved once for all of its files; a file may be a link of its own.
    resolved = _resolved(path.parent.absolute()) / path.name
    if resolved.is_symlink() or path.name in ("", ".", ".."):
        # A link that leads back to itself is no error here, as it is of `Path.resolve`: nothing is there to be read.
        resolved = Path(os.path.realpath(path))
    return any(resolved.is_relative_to(folder) for folder in allowed)


@lru_cache(maxsize=4096)
def _resolved(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def hub_cache() -> Path:
    """Where datasets keeps the files of hub datasets that come as files."""
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(os.environ.get("HF_DATASETS_CACHE") or home).expanduser()
