"""Two processes that train together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_sharing_leaves_the_weights_of_a_run_on_two_processes_as_they_are(tiny_policy: Path, tmp_path: Path) -> None:
    # Where the helpers of these tests are, and whatever this process was started with.
    paths = [Path(__file__).parents[2] / "trainer", *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*command, "shared_on_two_processes.py", str(tiny_policy), str(tmp_path)],
        cwd=Path(__file__).parent,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("equal;") == 2
