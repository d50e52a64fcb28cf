"""Scripts that run in two processes over gloo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def on_two_processes(script: Path, *arguments: str, timeout: float) -> str:
    """What a script that ends well in both prints; it finds what lies beside it."""
    done = subprocess.run(
        [*TORCHRUN, script.name, *arguments],
        cwd=script.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
