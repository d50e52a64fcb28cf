"""Where a page is written: refused before work starts where nothing can be, or where something else would be lost."""

from __future__ import annotations

import os
from pathlib import Path

from contextrl.errors import InputError

#: How every page begins.
_BEGINS = b"<!doctype html>"


def check_page_place(page: Path, where: str, name: str, *, named: bool) -> None:
    """Refuse a place that is none for a page.

    Args:
        where: the option that names it.
        name: of a page, for what is proposed in place of a folder.
        named: whether the user named the place: its folder is made then, and what is no file stays. Under our own name
            in a stranger's folder, whatever is there is replaced.

    Raises:
        InputError: it is a folder, or what writing would replace is no file; its folder cannot be written to.
    """
    if page.is_dir():
        raise InputError("a file to write", found="a folder", where=where, fix=f"Try {page / name}")
    if named and page.exists() and not page.is_file():
        # Writing puts a new file in the place of the old: a device or pipe would be gone.
        raise InputError("a file to write", found=f"{page}, a device or pipe", where=where, fix="Name a file")
    if named and page.is_file() and not _is_page(page):
        found = f"{page}, which is something else"
        raise InputError("a new file, or an earlier page", found=found, where=where, fix="Name a file ending in .html")
    if named:
        make_folder(page.parent, where)
    elif page.parent.is_dir() and not os.access(page.parent, os.W_OK):
        raise _read_only(page.parent, where)


def _is_page(path: Path) -> bool:
    """Whether a file may be replaced by a page; rows of the user's, given as the place by mistake, may not."""
    if path.suffix.lower() in (".html", ".htm"):
        return True
    try:
        with path.open("rb") as file:
            begins = file.read(len(_BEGINS))
    except OSError:
        return False
    return not begins or begins.lower() == _BEGINS


def make_folder(folder: Path, where: str) -> None:
    """Found now, not after everything has been read."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("a folder", found=f"{folder}: {error.strerror}", where=where) from error
    if not os.access(folder, os.W_OK):
        raise _read_only(folder, where)


def _read_only(folder: Path, where: str) -> InputError:
    return InputError("a folder to write to", found=f"{folder}, which is read-only", where=where)
