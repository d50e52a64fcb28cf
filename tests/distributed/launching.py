"""Starting scripts and commands in several processes, for the tests of this folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
#: What is set here for one run of a command in two processes.
SMALL = (
    "train.max_steps=3",
    "train.save_steps=1",
    "train.optim=sgd",
    "train.learning_rate=0.05",
    "train.num_generations=4",
    "train.per_device_train_batch_size=4",
    "train.max_completion_length=12",
    "eval.every=0",
    "eval.examples=2",
    "eval.final_examples=2",
    "data.examples=32",
)


def environment(**more: str) -> dict[str, str]:
    """Of a process that finds the helpers of these tests, and whatever this one was started with."""
    paths = [HERE, HERE.parent / "trainer", *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, paths))} | more


def train(
    policy: Path, run_dir: Path, *changes: str, method: str = "contextrl", options: Sequence[str] = ()
) -> list[str]:
    """Arguments of `contextrl train` for a short run."""
    config = HERE.parents[1] / "configs" / "miniature" / f"{method}.yaml"
    settings = [f"run_dir={run_dir}", f"model.path={policy}", *SMALL, *changes]
    return ["train", str(config), *[part for one in settings for part in ("--set", one)], *options]


def finished(command: Sequence[str], timeout: float = 240.0, **more: str) -> subprocess.CompletedProcess[str]:
    """The command, when it has ended."""
    return subprocess.run(
        command, env=environment(**more), cwd=HERE, capture_output=True, text=True, timeout=timeout, check=False
    )
