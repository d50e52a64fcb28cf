"""Short real runs for the tests of the trainer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contextrl.judge.types import Judge, JudgeRequest, Verdict
from contextrl.miniature.tasks import miniature_examples
from contextrl.policies import load_policy, load_processor, policy_config
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.contextrl_trainer import ContextRLTrainer

SETTINGS: dict[str, Any] = {
    "num_generations": 4,
    "per_device_train_batch_size": 8,
    "max_completion_length": 16,
    "learning_rate": 1e-3,
    "max_steps": 2,
    "use_cpu": True,
    "disable_tqdm": True,
    "save_strategy": "no",
    "seed": 3,
}


class ScriptedJudge:
    """Verdicts by a rule on the text; a report for every negative that is asked for one."""

    name = "scripted"
    context = "solution"

    def __init__(self, rule: Any) -> None:
        self.rule = rule
        self.requests: list[JudgeRequest] = []

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        self.requests += requests
        return [self._one(request) for request in requests]

    def _one(self, request: JudgeRequest) -> Verdict:
        status = self.rule(request)
        if status == "unscored":
            return Verdict("unscored", error="refusal: the judge is out")
        right = status == "correct"
        report = "Mistake: step 1 is wrong." if request.wants_report and not right else None
        return Verdict(status, answer_correct=right, process_correct=right, mistake_report=report)


def build_trainer(
    policy: Path, folder: Path, judge: Judge, rows: int = 16, peft_config: Any = None, **settings: Any
) -> ContextRLTrainer:
    """A ContextRLTrainer on `rows` problems of the miniature."""
    args = ContextRLConfig(output_dir=str(folder), **(SETTINGS | settings))
    trainer = ContextRLTrainer(
        load_policy(str(policy)),
        judge,
        args,
        miniature_examples("train", rows),
        load_processor(str(policy), policy_config(str(policy))),
        peft_config=peft_config,
    )
    # What Trainer.train does before the first step, for tests that call a single method.
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = args.gradient_accumulation_steps
    return trainer


def loader_rows(*rows: int, repeats: int = 4) -> list[dict[str, int]]:
    """What the data loader hands to the trainer."""
    return [{"row": row} for row in rows for _ in range(repeats)]
