"""`contextrl train` in two processes: started by itself, torchrun or accelerate; what ends them, and resuming."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from launching import HERE, environment, finished, train
from safetensors.torch import load_file
from test_launch_settings import FSDP2
from two_processes import TORCHRUN

from contextrl.records.jsonl import read_objects
from contextrl.records.metrics import GROUP_OF
from contextrl.trainer.checkpoint_folders import complete_checkpoints

OURS = [sys.executable, "-m", "contextrl"]
TWO = "launch.processes=2"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


@pytest.fixture(scope="module")
def straight(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that `contextrl train` has started."""
    run = tmp_path_factory.mktemp("runs") / "straight"
    done = finished([*OURS, *train(tiny_policy, run, TWO)])
    assert done.returncode == 0, done.stderr[-3000:]
    # One process speaks, and nothing of torch's is on the terminal.
    assert done.stdout.count("Run directory:") == 1
    assert "rank" not in done.stderr
    assert not list(run.parent.glob(".*lock"))
    return run


def test_torchrun_and_accelerate_start_the_same_run(straight: Path, tiny_policy: Path, tmp_path: Path) -> None:
    """Each example of a step once, over both processes; shares of groups are of both."""
    lines = [row for row in read_objects(straight / "metrics.jsonl") if "loss" in row]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert [sum(line[name] for name in GROUP_OF.values()) for line in lines] == pytest.approx([1.0] * 3)
    files = [list(read_objects(straight / name)) for name in ("groups.jsonl", "groups-1.jsonl")]
    assert [len(rows) for rows in files] == [3, 3]
    assert not {(r["step"], r["example_id"]) for r in files[0]} & {(r["step"], r["example_id"]) for r in files[1]}
    by_torchrun = finished([*TORCHRUN, "threads_at_the_end.py", *train(tiny_policy, tmp_path / "torchrun")])
    assert by_torchrun.returncode == 0, by_torchrun.stderr[-3000:]
    # Threads that outlive the interpreter may end a process with SIGABRT.
    assert by_torchrun.stderr.count("threads of gloo left: 0") == 2, by_torchrun.stderr[-3000:]
    assert same(straight, tmp_path / "torchrun")
    accelerate = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    by_accelerate = finished([*accelerate, "-m", "contextrl", *train(tiny_policy, tmp_path / "accelerate")])
    assert by_accelerate.returncode == 0, by_accelerate.stderr[-3000:]
    assert same(straight, tmp_path / "accelerate")


def test_a_killed_process_ends_the_run_which_goes_on_as_if_nothing_had_happened(
    straight: Path, tiny_policy: Path, tmp_path: Path
) -> None:
    run = tmp_path / "killed"
    arguments = train(tiny_policy, run, TWO)
    with subprocess.Popen(
        [*OURS, *arguments], env=environment(), cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as started:
        while not complete_checkpoints(run / "checkpoints"):
            assert started.poll() is None
            time.sleep(0.05)
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text(encoding="utf-8").split()
        os.kill(int(children[1]), signal.SIGKILL)
        _, errors = started.communicate(timeout=60)
    assert started.returncode == 128 + signal.SIGKILL
    assert errors.count("error:") == 1
    assert "process 1 of 2 was killed by SIGKILL" in errors
    assert "--resume" in errors
    assert "Traceback" not in errors
    one = finished([*OURS, *train(tiny_policy, run, options=["--resume"])])
    assert one.returncode == 2
    assert "expected 2 processes, as checkpoint-" in one.stderr
    assert "Set launch.processes to 2" in one.stderr
    done = finished([*OURS, *train(tiny_policy, run, TWO, options=["--resume"])])
    assert done.returncode == 0, done.stderr[-3000:]
    assert same(straight, run)
    shutil.rmtree(run)


def test_fsdp2_shares_the_model_out_on_a_cpu_too(straight: Path, tiny_policy: Path, tmp_path: Path) -> None:
    """The same run, its checkpoints in parts, its model whole; stopped after two steps and resumed."""
    file = tmp_path / "fsdp2.yaml"
    file.write_text(FSDP2.format(machines=1, processes=2).replace("bf16", "'no'"), encoding="utf-8")
    run = tmp_path / "run"
    shared = f"launch.accelerate={file}"
    first = finished([*OURS, *train(tiny_policy, run, shared, "train.max_steps=2")])
    assert first.returncode == 0, first.stderr[-3000:]
    assert (run / "checkpoints" / "checkpoint-2" / "pytorch_model_fsdp_0").is_dir(), "in parts"
    done = finished([*OURS, *train(tiny_policy, run, shared, options=["--resume"])])
    assert done.returncode == 0, done.stderr[-3000:]
    found = weights(run)
    for name, tensor in weights(straight).items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
