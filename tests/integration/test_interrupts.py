"""Ctrl-C and SIGTERM: one line, exit code 130, and the run goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_commands import command

from contextrl.records.jsonl import read_objects
from contextrl.trainer.checkpoint_folders import complete_checkpoints

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "500"}


def start(arguments: list[str]) -> subprocess.Popen[str]:
    """The command with an interrupt's default handling, which a shell's background job would lack."""
    code = (
        f"import signal, runpy, sys; signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv = {arguments!r}"
    )
    code += "; runpy.run_module('contextrl', run_name='__main__')"
    return subprocess.Popen(
        [sys.executable, "-c", code], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_it_goes_on(stop: signal.Signals, tiny_policy: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ["contextrl", *command(tiny_policy, run)[3:]]
    process = start(arguments)
    deadline = time.monotonic() + 120
    while not complete_checkpoints(run / "checkpoints") and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(stop)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    (line,) = [line for line in out.splitlines() if line.startswith("Stopped at step ")]
    assert " of 6; last checkpoint: checkpoint-" in line
    assert line.endswith(" --resume")
    again = start([*arguments, "--resume"])
    out, error = again.communicate(timeout=240)
    assert again.returncode == 0, error
    assert [row["step"] for row in read_objects(run / "metrics.jsonl") if "loss" in row] == [1, 2, 3, 4, 5, 6]


def test_an_interrupt_before_there_is_a_run(tmp_path: Path) -> None:
    """While torch is loaded, or anywhere else."""
    config = Path(__file__).resolve().parents[2] / "configs" / "miniature" / "contextrl.yaml"
    process = start(["contextrl", "train", str(config), "--set", f"run_dir={tmp_path / 'run'}"])
    time.sleep(2.0)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "Stopped." in error


def test_the_version_is_the_packages() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "contextrl", "--version"], capture_output=True, text=True, check=True, env=ENVIRONMENT
    )
    assert done.stdout == "contextrl 0.1.0\n"
