"""Where things are kept that every run of a user can use again: base policies, judge replies."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$CONTEXTRL_CACHE`, else `$XDG_CACHE_HOME/contextrl`, else `~/.cache/contextrl`."""
    if explicit := os.environ.get("CONTEXTRL_CACHE"):
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "contextrl"
