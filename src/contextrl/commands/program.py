"""How this program is called here, for commands that a reader can paste."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def program() -> list[str]:
    """`contextrl` where a shell finds it; else what was typed, or Python with the module."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return [sys.executable, "-m", "contextrl"]
    if called.name != "contextrl" or not called.exists():
        return ["contextrl"]
    found = shutil.which(called.name)
    if found is not None and Path(found).samefile(called):
        return ["contextrl"]
    nearer = os.path.relpath(called)
    return [nearer if len(nearer) < len(str(called)) else str(called)]
