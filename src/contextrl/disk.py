"""Disk trouble in words: what could not be written, why, and how much is free."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from contextrl.errors import DiskError

#: What is wrong when a call of the operating system fails so.
_CAUSES: dict[int, str] = {
    errno.ENOSPC: "no space left",
    errno.EDQUOT: "no space left, the disk quota is used up",
    errno.EFBIG: "no space left, the file may not grow further (a limit of its file system, or of `ulimit -f`)",
    errno.EROFS: "it is on a read-only file system",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.ENAMETOOLONG: "the name is too long for its file system",
    errno.ELOOP: "its links lead in a circle",
    errno.EIO: "the disk failed to take it (an input/output error)",
    errno.ENODEV: "its disk is gone",
    errno.ENXIO: "its disk is gone",
    errno.ESTALE: "its network disk is gone",
    errno.EISDIR: "there is a folder of that name",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EEXIST: "there is a file where a folder should be",
    errno.ENOENT: "its folder is gone",
    errno.EMFILE: "too many files are open (`ulimit -n`)",
    errno.ENFILE: "too many files are open",
}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: These alone say "disk" whatever a program was doing; the others do where something was written.
_ALWAYS = (*_FULL, errno.EROFS, errno.ENAMETOOLONG, errno.EIO, errno.ESTALE)
#: What writers in other languages say of a failed write: safetensors its cause, PyTorch only that it failed.
_RUST = re.compile(r"\(os error (\d+)\)")
_PYTORCH = re.compile(r"inline_container.*unexpected pos|iostream|PytorchStreamWriter|file write failed", re.DOTALL)
#: What a writer that says no cause is tried again with, in bytes.
_PROBE = 1 << 20


def sized(size: float) -> str:
    """Bytes for people: `18.2 MB`, `3.1 GB`."""
    for unit, limit in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= limit:
            return f"{size / limit:.1f} {unit}"
    return f"{size:.0f} bytes"


def existing_folder(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there."""
    for folder in (path, *path.parents):
        with suppress(OSError, ValueError):
            if folder.is_dir():
                return folder
    return Path("/")


def free_bytes(path: Path) -> int:
    """What a user may still write where `path` is or would be."""
    return shutil.disk_usage(existing_folder(path.absolute())).free


def folder_bytes(folder: Path) -> int:
    """What the files in a folder take."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.lstat().st_size
    return total


def cause(error: BaseException, place: Path, *, writing: bool = False) -> str | None:
    """What the disk has to do with an error, None where that is nothing.

    Args:
        place: what was written, or a folder near it.
        writing: whether the error came while `place` was written, so that a missing permission counts too.
    """
    codes = tuple(_CAUSES) if writing else _ALWAYS
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        code = _code(link, place)
        if code in codes:
            other = getattr(link, "filename", None)
            named = f" ({other})" if code not in _FULL and other and str(other) != str(place) else ""
            return _words(code, place) + named
        link = link.__cause__ or link.__context__
    return None


def _code(error: BaseException, place: Path) -> int:
    """The operating system's number for what went wrong, 0 where there is none."""
    if isinstance(error, OSError):
        return error.errno or 0
    if isinstance(error, sqlite3.Error):
        full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        return errno.ENOSPC if full else _probed(place)
    if found := _RUST.search(str(error)):
        return int(found[1])
    if isinstance(error, RuntimeError) and _PYTORCH.search(str(error)):
        limited = resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY
        return _probed(place) or (errno.EFBIG if limited else errno.EIO)
    return 0


def _probed(place: Path) -> int:
    """Why nothing can be written near `place`, 0 where something can."""
    try:
        with tempfile.TemporaryFile(dir=existing_folder(place.absolute())) as file:
            file.write(bytes(_PROBE))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno or 0
    return 0


def _words(code: int, place: Path) -> str:
    if code not in _FULL:
        return _CAUSES[code]
    folder = existing_folder(place.absolute())
    with suppress(OSError):
        if code == errno.ENOSPC and os.statvfs(folder).f_favail == 0 < os.statvfs(folder).f_files:
            return f"no space left for another file on the disk of {folder} (its inodes are used up)"
        return f"{_CAUSES[code]} on the disk of {folder} ({sized(free_bytes(folder))} free now)"
    return _CAUSES[code]


@contextmanager
def writing(path: Path, fix: str = "") -> Iterator[None]:
    """Around whatever writes `path`.

    Args:
        fix: what to do about it; by default what suits the cause.

    Raises:
        DiskError: the disk would not take it.
    """
    try:
        yield
    except DiskError:
        raise
    except Exception as error:
        why = cause(error, path, writing=True)
        if why is None:
            raise
        raise DiskError(f"{path} could not be written: {why}", fix=fix) from error


def disk_error(error: Exception, near: Path = Path()) -> DiskError | None:
    """The `DiskError` that an error is or should have been, None where the disk has nothing to do with it.

    Args:
        near: what was being written, for errors that do not name it.
    """
    if isinstance(error, DiskError):
        return error
    named = getattr(error, "filename", None)
    why = cause(error, Path(os.fsdecode(named)) if isinstance(named, str | bytes) else near)
    return None if why is None else DiskError(f"{named or 'A file'} could not be written: {why}")


def why_not_writable(folder: Path) -> str | None:
    """Why nothing could be written in a folder that is or will be there, None where something could.

    Writes nothing; how much is free is another question.
    """
    try:
        lengths = [len(os.fsencode(part)) for part in folder.absolute().parts]
        there = existing_folder(folder.absolute())
        # Below it lie checkpoints with files of their own.
        longest, most = os.pathconf(there, "PC_NAME_MAX"), os.pathconf(there, "PC_PATH_MAX")
        if max(lengths) > longest or sum(lengths) + len(lengths) + longest > most:
            return _CAUSES[errno.ENAMETOOLONG]
        os.lstat(folder)
        folder.stat()
    except FileNotFoundError:
        if folder.is_symlink():
            return "it is a link to nothing"
    except OSError as error:
        return _CAUSES.get(error.errno or 0, str(error))
    except ValueError as error:  # a NUL in its name, or half a character
        return str(error)
    if os.access(there, os.W_OK | os.X_OK):
        return None
    return _CAUSES[errno.EROFS if os.statvfs(there).f_flag & os.ST_RDONLY else errno.EACCES]
