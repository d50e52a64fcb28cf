"""`contextrl train` on vLLM in a process of its own, and resumed in another: the run that was never stopped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from contextrl.records.jsonl import read_objects
from contextrl.trainer.checkpoint_folders import complete_checkpoints

HERE = Path(__file__).parent
CONFIG = HERE.parents[1] / "configs" / "miniature" / "contextrl.yaml"
SMALL = (
    "train.use_vllm=true",
    "train.max_steps=4",
    "train.save_steps=2",
    "train.num_generations=4",
    "train.per_device_train_batch_size=8",
    # So far that an adapter that is left out, or counted twice, makes other samples.
    "train.learning_rate=0.02",
    "model.lora=true",
    "eval.every=0",
    "eval.examples=4",
    "eval.final_examples=4",
    "data.examples=64",
)
STOPPED = 2


def _alone() -> dict[str, str]:
    """The environment without what an engine in this process has said of processes that train together."""
    places = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    return {name: value for name, value in os.environ.items() if name not in places}


def train(run_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    settings = [part for value in (f"run_dir={run_dir}", *SMALL) for part in ("--set", value)]
    return subprocess.run(
        [sys.executable, str(HERE / "whole_command.py"), "train", str(CONFIG), *settings, *options],
        env=_alone() | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run of four steps, and one that was stopped after two and resumed; what both commands said."""
    folder = tmp_path_factory.mktemp("runs")
    said = {"straight": train(folder / "straight")}
    assert said["straight"].returncode == 0, said["straight"].stderr[-3000:]
    stopped = folder / "resumed"
    shutil.copytree(folder / "straight", stopped)
    # What a kill after the checkpoint of the second step leaves.
    for later in ("results.json", "items-after.jsonl", "model", "checkpoints/checkpoint-4"):
        path = stopped / later
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert [path.name for path in complete_checkpoints(stopped / "checkpoints")] == [f"checkpoint-{STOPPED}"]
    said["resumed"] = train(stopped, "--resume")
    assert said["resumed"].returncode == 0, said["resumed"].stderr[-3000:]
    return {"folder": folder, "said": said}


def lines(runs: dict[str, Any], run: str, name: str) -> list[dict[str, Any]]:
    return list(read_objects(runs["folder"] / run / name))


def test_both_commands_end_without_a_word_of_their_engine(runs: dict[str, Any]) -> None:
    for done in runs["said"].values():
        assert "Run directory:" in done.stdout
        assert "Traceback" not in done.stderr
        assert "error" not in done.stderr.lower(), done.stderr


def test_what_is_written_says_which_vllm_it_was(runs: dict[str, Any]) -> None:
    import json

    told = json.loads((runs["folder"] / "straight" / "environment.json").read_text(encoding="utf-8"))
    assert told["packages"]["vllm"].startswith("0.31")
    assert "contextrl" in told["packages"]


def test_a_resumed_run_draws_the_samples_of_the_straight_one(runs: dict[str, Any]) -> None:
    straight, resumed = (lines(runs, run, "groups.jsonl") for run in ("straight", "resumed"))
    assert {row["step"] for row in straight} == {1, 2, 3, 4}

    def drawn(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        return [
            (r["step"], r["example_id"], [(a["stage"], a["text"], a["reward"]) for a in r["attempts"]]) for r in rows
        ]

    assert drawn(resumed) == drawn(straight)
    assert any(attempt["stage"] == 2 for row in straight for attempt in row["attempts"])


def test_its_weights_are_the_same(runs: dict[str, Any]) -> None:
    """But for rounding: vLLM's log-probabilities, by which the loss is corrected, are not the same to the last bit."""
    straight, resumed = (
        load_file(runs["folder"] / run / "model" / "adapter_model.safetensors") for run in ("straight", "resumed")
    )
    assert straight.keys() == resumed.keys()
    differences = {name: float((straight[name] - resumed[name]).abs().max()) for name in straight}
    assert max(differences.values()) < 2e-6, differences
    assert max(float(tensor.abs().max()) for name, tensor in straight.items() if "lora_B" in name) > 0.01


def test_the_adapter_counts_once_in_what_is_sampled(runs: dict[str, Any]) -> None:
    """Log-probabilities of the engine against the trainer's, of every token; before and after the resumption."""
    for run in ("straight", "resumed"):
        rows = [line for line in lines(runs, run, "metrics.jsonl") if "loss" in line]
        assert [row["step"] for row in rows] == [1, 2, 3, 4]
        gaps = [row["sampling/sampling_logp_difference/max"] for row in rows]
        assert max(gaps) < 2e-3, gaps
    assert torch.isfinite(torch.tensor([row["loss"] for row in rows])).all()
