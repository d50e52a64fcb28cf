"""Where things are kept that every run of a user can use again: base policies, judge replies."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_folder() -> Path:
    """`$CONTEXTRL_CACHE`, else `$XDG_CACHE_HOME/contextrl`, else `~/.cache/contextrl`."""
    if explicit := os.environ.get("CONTEXTRL_CACHE"):
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "contextrl"


def build_once(name: str, complete: str, build: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache, built first if it is not there.

    It is built beside its place and renamed, so that a kill leaves nothing half done and two processes may build at
    the same time: the first to finish wins.

    Args:
        name: of the folder; says everything that its content depends on.
        complete: a file that `build` writes last.
        build: fills an empty folder.
    """
    target = cache_folder() / name
    if (target / complete).exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="building-") as scratch:
        built = Path(scratch) / name
        built.mkdir()
        build(built)
        try:
            built.rename(target)
        except OSError:
            if not (target / complete).exists():
                shutil.rmtree(target, ignore_errors=True)
                built.rename(target)
    return target
