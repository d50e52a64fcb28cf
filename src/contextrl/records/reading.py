"""Reading files that anyone may have put there: regular ones only, and never more of them than asked for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from contextrl.errors import InputError


def open_file(path: Path, *, pipes: bool = False) -> BinaryIO:
    """Open a regular file for reading; the caller closes.

    Args:
        pipes: take pipes and devices too, which may be waited for without end: where users name the file themselves.

    Raises:
        InputError: there is none: nothing, a folder, a link to itself, a pipe or device that would be waited for
            without end; or it may not be read.
    """
    try:
        # Without O_NONBLOCK, opening a pipe waits for its other end.
        waits = 0 if pipes else getattr(os, "O_NONBLOCK", 0)
        number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | waits)
    except (OSError, ValueError) as error:
        raise InputError("a file that can be read", found=_what(path, error), where=str(path)) from error
    mode = os.fstat(number).st_mode
    if stat.S_ISREG(mode) or (pipes and not stat.S_ISDIR(mode)):
        return os.fdopen(number, "rb")
    os.close(number)
    found = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
    raise InputError("a file that can be read", found=found, where=str(path))


def read_bytes(path: Path, most: int) -> bytes:
    """The whole of a file of at most so many bytes.

    Raises:
        InputError: as `open_file`, or it is larger.
    """
    with open_file(path) as file:
        try:
            content = file.read(most + 1)
        except OSError as error:
            raise InputError("a file that can be read", found=_what(path, error), where=str(path)) from error
    if len(content) > most:
        raise InputError(f"a file of at most {most:,} bytes", found="more", where=str(path))
    return content


def is_there(path: Path) -> bool:
    """Whether anything has this name, readable or not: also a link that leads nowhere."""
    return os.path.lexists(path)


def _what(path: Path, error: Exception) -> str:
    if isinstance(error, OSError):
        if error.errno == errno.ELOOP:
            return "a link that leads to itself"
        if error.errno == errno.ENOENT:
            return "a link that leads nowhere" if path.is_symlink() else "nothing there"
        return error.strerror or type(error).__name__
    return "a name that no file can have"
