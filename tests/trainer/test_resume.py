"""A resumed run is the run that was never stopped: same order, no repeated batch, bitwise the same weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import ScriptedJudge, build_trainer

from contextrl.judge.protocol import JudgeRequest
from contextrl.trainer.checkpoint_folders import MARKER, complete_checkpoints, latest_checkpoint
from contextrl.trainer.group_recorder import GroupRecorder

# Six rows are three generation batches of two groups: seven steps cross two epochs.
ROWS, STEPS, STOP = 6, 7, 4
VARIANTS: dict[str, dict[str, Any]] = {
    "contextrl": {},
    "dapo-refill": {
        "stage2": False,
        "loss_type": "dapo",
        "beta": 0.0,
        "dynamic_sampling": {"enabled": True, "max_rounds": 1},
        "objective": {"kl_scope": "all"},
    },
    "stage-2-under-a-budget": {"stage2": {"budget": {"least_recovery": 0.4, "window": 4}}},
    "two-updates": {"num_iterations": 2, "save_steps": 2},
}


def by_length(request: JudgeRequest) -> str:
    return "correct" if len(request.response) % 3 == 0 else "incorrect"


def run(policy: Path, folder: Path, resume: Path | None = None, **settings: Any) -> tuple[Any, list[str]]:
    """Train, record groups; returns the trainer and the example ids in the order of their steps."""
    options = {"max_steps": STEPS, "save_strategy": "steps", "save_steps": 1, **settings}
    trainer = build_trainer(policy, folder / "checkpoints", ScriptedJudge(by_length), rows=ROWS, **options)
    trainer.recorder = GroupRecorder(folder)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    rows = [json.loads(line) for line in (folder / "groups.jsonl").read_text(encoding="utf-8").splitlines()]
    return trainer, [f"{row['step']}:{row['example_id']}" for row in rows]


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_resuming_gives_the_same_weights_bit_by_bit(tiny_policy: Path, tmp_path: Path, variant: dict[str, Any]) -> None:
    straight, order = run(tiny_policy, tmp_path / "straight", **variant)
    stop = latest_of(tmp_path / "straight" / "checkpoints", STOP)
    resumed, rest = run(tiny_policy, tmp_path / "resumed", resume=stop, **variant)
    assert rest == [entry for entry in order if int(entry.partition(":")[0]) > STOP]
    assert resumed.progress == straight.progress
    assert resumed.collector.budget.counts == straight.collector.budget.counts
    assert bool(straight.collector.budget.counts) == ("budget" in str(variant))
    for name, weights in straight.model.state_dict().items():
        assert torch.equal(weights, resumed.model.state_dict()[name]), name


def test_resuming_from_the_last_checkpoint_trains_no_further(tiny_policy: Path, tmp_path: Path) -> None:
    """A kill between the last checkpoint and the results: Trainer by itself would take one more step."""
    straight, order = run(tiny_policy, tmp_path, max_steps=2)
    again, same = run(tiny_policy, tmp_path, resume=latest_of(tmp_path / "checkpoints", 2), max_steps=2)
    assert same == order
    assert again.state.global_step == 2
    for name, weights in straight.model.state_dict().items():
        assert torch.equal(weights, again.model.state_dict()[name]), name


def latest_of(folder: Path, step: int) -> Path:
    return next(path for path in complete_checkpoints(folder) if path.name == f"checkpoint-{step}")


def test_an_epoch_has_every_row_once_and_its_own_order(tiny_policy: Path, tmp_path: Path) -> None:
    _, order = run(tiny_policy, tmp_path, max_steps=6, stage2=False)
    ids = [entry.partition(":")[2] for entry in order]
    first, second = ids[:ROWS], ids[ROWS : 2 * ROWS]
    assert sorted(first) == sorted(second) == sorted(set(ids))
    assert first != second


def test_a_checkpoint_that_was_cut_off_is_not_resumed_from(tmp_path: Path) -> None:
    for step, whole in ((2, True), (10, True), (12, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if whole:
            (folder / MARKER).write_text("{}", encoding="utf-8")
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    assert latest_checkpoint(tmp_path / "nothing") is None


def test_old_checkpoints_go_only_after_the_new_one_is_whole(tiny_policy: Path, tmp_path: Path) -> None:
    run(tiny_policy, tmp_path, max_steps=3, stage2=False, save_total_limit=1)
    assert [path.name for path in complete_checkpoints(tmp_path / "checkpoints")] == ["checkpoint-3"]
