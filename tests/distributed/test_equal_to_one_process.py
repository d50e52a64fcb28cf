"""Two processes train what one does: the same groups, rewards and weights, by every method."""

from __future__ import annotations

import json
import math
import sys
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from launching import finished
from method_runs import METHODS, STEPS, run
from test_launch_settings import FSDP2
from two_processes import TORCHRUN

from contextrl.commands.shipped_configs import CONFIGS
from contextrl.records.jsonl import read_objects

#: What processes may differ in: how long it took, and how much padding and how many forwards their share of rows makes.
BY_NATURE = ("step_time", "time/*", "train_runtime", "train_*_per_second", "total_flos", "shared_prefix/used")


@pytest.fixture(scope="module")
def two(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All methods, one after the other, in two processes."""
    folder = tmp_path_factory.mktemp("two")
    done = finished([*TORCHRUN, "method_runs.py", str(tiny_policy), str(folder)])
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def groups(folder: Path) -> list[tuple[Any, ...]]:
    """What each group drew, was judged and rewarded, over all processes."""
    rows = [row for path in sorted(folder.glob("groups*.jsonl")) for row in read_objects(path)]
    found = []
    for row in rows:
        attempts = [(a["stage"], a["text"], a["reward"]) for a in row["attempts"]]
        found.append((row["step"], row["example_id"], attempts))
    return sorted(found, key=repr)


def differing(*logs: list[dict[str, Any]]) -> list[tuple[int, str, Any, Any]]:
    """Step, name and values of every figure that two runs have logged and that should not differ."""
    return [
        (found["step"], name, found.get(name), expected.get(name))
        for found, expected in zip(*logs, strict=True)
        for name in sorted({*found, *expected})
        if not any(fnmatchcase(name, pattern) for pattern in BY_NATURE)
        and not equal(found.get(name), expected.get(name))
    ]


def equal(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=2e-5, abs_tol=2e-6)


@pytest.mark.parametrize("method", METHODS)
def test_groups_rewards_and_weights_are_those_of_one_process(
    method: str, two: Path, tiny_policy: Path, tmp_path: Path
) -> None:
    run(tiny_policy, tmp_path, method, 1)
    if method != "sft":
        found, expected = groups(two / method), groups(tmp_path)
        assert found == expected
        assert len(list((two / method).glob("groups*.jsonl"))) == 2
    logs = [json.loads((folder / "log.json").read_text(encoding="utf-8")) for folder in (two / method, tmp_path)]
    assert differing(*logs) == []
    assert sum("loss" in row for row in logs[0]) == STEPS
    losses = [[row["loss"] for row in log if "loss" in row] for log in logs]
    assert losses[0] == pytest.approx(losses[1], abs=2e-6)
    weights = [torch.load(folder / "weights.pt", weights_only=True) for folder in (two / method, tmp_path)]
    for name, tensor in weights[1].items():
        torch.testing.assert_close(weights[0][name], tensor, rtol=0, atol=5e-6, msg=lambda m, n=name: f"{n}: {m}")
    if method == "contextrl":
        retries = {
            path.name: sum(a["stage"] == 2 for g in read_objects(path) for a in g["attempts"])
            for path in (two / method).glob("groups*.jsonl")
        }
        assert len(set(retries.values())) == 2, f"processes must differ in how many retries they have: {retries}"


def test_a_model_that_is_shared_out_trains_the_same(two: Path, tiny_policy: Path, tmp_path: Path) -> None:
    """FSDP2: a process whose rows have no picture keeps in step with one that looks at some."""
    settings = FSDP2.format(machines=1, processes=2).replace("bf16", "'no'")
    assert_trains_as(two, tiny_policy, tmp_path, settings)


@pytest.mark.skipif(find_spec("deepspeed") is None, reason="deepspeed is not installed")
def test_zero3_trains_the_same(two: Path, tiny_policy: Path, tmp_path: Path) -> None:
    """Rows with and without pictures mixed, and parts of a micro-batch that are no optimizer steps of their own."""
    shipped = (CONFIGS / "accelerate" / "zero3.yaml").read_text(encoding="utf-8")
    settings = yaml.safe_load(shipped) | {"mixed_precision": "no", "num_processes": 2}
    assert_trains_as(two, tiny_policy, tmp_path, yaml.safe_dump(settings))


def assert_trains_as(expected: Path, policy: Path, folder: Path, settings: str) -> None:
    """Groups, logged figures and weights of a run with accelerate's settings are those of an earlier one."""
    file = folder / "accelerate.yaml"
    file.write_text(settings, encoding="utf-8")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(file)]
    done = finished([*launch, "method_runs.py", str(policy), str(folder), "contextrl"])
    assert done.returncode == 0, done.stderr[-3000:]
    runs = (folder / "contextrl", expected / "contextrl")
    assert groups(runs[0]) == groups(runs[1])
    assert differing(*(json.loads((run / "log.json").read_text(encoding="utf-8")) for run in runs)) == []
    found, wanted = (torch.load(run / "weights.pt", weights_only=True) for run in runs)
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=5e-6, msg=lambda m, n=name: f"{n}: {m}")
