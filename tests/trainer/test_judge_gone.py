"""A run whose judge is gone stops with a checkpoint and goes on, when it is back, as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from runs import ScriptedJudge, build_trainer

from contextrl.errors import ServiceError
from contextrl.judge.protocol import JudgeRequest
from contextrl.records.verdict import Verdict, unscored
from contextrl.trainer.checkpoint_folders import complete_checkpoints


def by_length(request: JudgeRequest) -> str:
    """Some groups of each kind, whatever the policy writes."""
    return "correct" if len(request.response) % 3 == 0 else "incorrect"


class Mortal(ScriptedJudge):
    """Gone from the first request of a kind on, once the trainer has done so many steps."""

    def __init__(self, last: Callable[[JudgeRequest], bool], steps: int = 0) -> None:
        super().__init__(by_length)
        self.last, self.steps, self.gone = last, steps, False
        self.step = lambda: 0

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        self.gone |= self.step() >= self.steps and any(map(self.last, requests))
        if self.gone:
            raise ServiceError("the judge stops: http://127.0.0.1:1/v1 could not be reached for 60 s")
        return super().judge(requests)


def weights(folder: Path, step: int) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / f"checkpoint-{step}" / "model.safetensors")


LAST: dict[str, Callable[[JudgeRequest], bool]] = {
    "verifying": lambda request: request.known_verdict is None,
    "reporting": lambda request: request.known_verdict is not None,
    "retries": lambda request: request.wants_standalone,
}


@pytest.mark.parametrize("last", LAST.values(), ids=LAST)
def test_the_run_is_saved_where_it_stopped_and_resumes_to_the_same_weights(
    last: Callable[[JudgeRequest], bool], tiny_policy: Path, tmp_path: Path
) -> None:
    settings = {"max_steps": 4, "save_strategy": "steps", "save_steps": 4}
    straight = build_trainer(tiny_policy, tmp_path / "straight", ScriptedJudge(by_length), **settings)
    straight.train()
    judge = Mortal(last, steps=1)
    stopped = build_trainer(tiny_policy, tmp_path / "stopped", judge, **settings)
    judge.step = lambda: stopped.state.global_step
    with pytest.raises(ServiceError, match=r"could not be reached for 60 s\. The last checkpoint is .*--resume"):
        stopped.train()
    at = stopped.state.global_step
    assert 0 < at < 4
    assert [path.name for path in complete_checkpoints(tmp_path / "stopped")] == [f"checkpoint-{at}"]
    resumed = build_trainer(tiny_policy, tmp_path / "stopped", ScriptedJudge(by_length), **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / "stopped" / f"checkpoint-{at}"))
    assert resumed.progress == straight.progress
    expected = weights(tmp_path / "straight", 4)
    for name, tensor in weights(tmp_path / "stopped", 4).items():
        assert torch.equal(tensor, expected[name]), name


def test_before_the_first_step_there_is_nothing_to_save(tiny_policy: Path, tmp_path: Path) -> None:
    trainer = build_trainer(tiny_policy, tmp_path, Mortal(LAST["verifying"]))
    with pytest.raises(ServiceError, match="none yet"):
        trainer.train()
    assert not complete_checkpoints(tmp_path)


def test_failures_are_named_by_kind_when_too_many_steps_fail(tiny_policy: Path, tmp_path: Path) -> None:
    class Silent(ScriptedJudge):
        def _one(self, request: JudgeRequest) -> Verdict:
            return unscored("timeout", "no verdict within 600 s")

    trainer = build_trainer(tiny_policy, tmp_path, Silent(None), max_steps=9, judging={"max_failed_steps": 2})
    with pytest.raises(ServiceError, match=r"8 of 8 verdicts unscored, in 2 steps in a row: timeout 8 \(timeout: no"):
        trainer.train()
    # The failed steps are counted anew after a resume: the judge may be back.
    assert trainer.progress.failed_steps < 2
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["checkpoint-1"]
