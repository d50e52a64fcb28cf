"""FSDP2 with two processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_sharded_parameters_score_and_sample_alike() -> None:
    """accelerate offers FSDP2 on accelerators only, so torch's own `fully_shard` wraps the model."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*command, "sharded_processes.py"],
        cwd=Path(__file__).parent,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("equal") == 2
