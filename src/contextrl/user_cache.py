"""Where things are kept that every run of a user can use again: base policies, judge replies."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from contextrl.disk import writing
from contextrl.errors import InputError

_BUILDING = "building-"
#: Seconds after which a building folder is a killed build's, where the file system has no locks to tell by.
_LONGEST_BUILD = 24 * 3600.0


def cache_folder() -> Path:
    """`$CONTEXTRL_CACHE`, else `$XDG_CACHE_HOME/contextrl`, else `~/.cache/contextrl`.

    Raises:
        InputError: none of them is known.
    """
    if explicit := os.environ.get("CONTEXTRL_CACHE"):
        return Path(explicit)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "contextrl"
    try:
        return Path.home() / ".cache" / "contextrl"
    except RuntimeError as error:
        raise InputError(
            "a home folder for the cache", found="none", where="CONTEXTRL_CACHE", fix="Set the variable to a folder"
        ) from error


def build_once(name: str, complete: str, build: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache, built first if it is not there.

    It is built beside its place and renamed, so that a kill leaves nothing half done and two processes may build at
    the same time: the first to finish wins. What killed builds have left is removed.

    Args:
        name: of the folder; says everything that its content depends on.
        complete: a file that `build` writes last.
        build: fills an empty folder.

    Raises:
        DiskError: the cache cannot be written; before `build` where that can be known.
    """
    cache = cache_folder()
    target = cache / name
    remove_killed_builds(cache)
    if (target / complete).exists():
        return target
    with writing(cache, fix="Make room there, or set CONTEXTRL_CACHE to another folder"):
        cache.mkdir(parents=True, exist_ok=True)
        with _building_folder(cache) as scratch:
            built = scratch / name
            built.mkdir()
            build(built)
            try:
                built.rename(target)
            except OSError:
                if not (target / complete).exists():
                    shutil.rmtree(target, ignore_errors=True)
                    built.rename(target)
    return target


def remove_killed_builds(cache: Path) -> None:
    """Remove the building folders that no living process builds in. Never raises."""
    with suppress(OSError):
        for folder in cache.glob(f"{_BUILDING}*"):
            with suppress(OSError):
                _remove_if_dead(folder)


def _remove_if_dead(folder: Path) -> None:
    """A builder keeps its folder locked, and the system unlocks it when the builder dies."""
    if folder.is_symlink() or not folder.is_dir():
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if _lock(handle, wait=False) or time.time() - folder.stat().st_mtime > _LONGEST_BUILD:
            shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(handle)


@contextmanager
def _building_folder(cache: Path) -> Iterator[Path]:
    """A new folder of the cache, locked for as long as it is built in."""
    handle = None
    while handle is None:
        folder = Path(tempfile.mkdtemp(dir=cache, prefix=_BUILDING))
        # Until it is locked, somebody may take it for a dead one and remove it.
        with suppress(FileNotFoundError):
            handle = os.open(folder, os.O_RDONLY)
            _lock(handle, wait=True)
            if not folder.exists():
                os.close(handle)
                handle = None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _lock(handle: int, *, wait: bool) -> bool:
    """Lock an open folder; False where its file system cannot.

    Raises:
        BlockingIOError: somebody else has it, and nobody waits.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN):
            raise
        return False
    return True
