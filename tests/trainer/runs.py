"""Short real runs for the tests of the trainer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contextrl.judge.protocol import Judge, JudgeRequest
from contextrl.miniature.tasks import miniature_examples
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompts import Prompts
from contextrl.records.verdict import Verdict
from contextrl.rollout.groups import Completion
from contextrl.rollout.sampling import Completions, Draws, Sampled
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


class Untruncated(Completions):
    """No completion counts as truncated: an untrained policy seldom stops by itself."""

    def of(self, sampled: Sampled) -> list[Completion]:
        return [replace(completion, truncated=False) for completion in super().of(sampled)]


class FixedEngine:
    """Samples the same token ids after every prompt, and remembers the prompts that it was given."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = list(ids)

    def read(self, prompts: Prompts) -> FixedReading:
        return FixedReading(self.ids, prompts)


@dataclass(frozen=True)
class FixedReading:
    ids: list[int]
    prompts: Prompts

    def sample(self, draws: Draws) -> Sampled:
        return Sampled([list(self.ids) for _ in draws.prompt_of])


@dataclass(frozen=True)
class FunctionReading:
    """Completions that are a function of the prompt, of what follows it, and of how many came before."""

    prompts: Prompts
    end: int

    def sample(self, draws: Draws) -> Sampled:
        seen: Counter[tuple[int, str]] = Counter()
        sampled = []
        for n, suffix in zip(draws.prompt_of, draws.suffixes, strict=True):
            key = f"{self.prompts.ids[n]} {list(suffix)}"
            draw = random.Random(f"{key} {seen[n, key]}")
            seen[n, key] += 1
            sampled.append([*(draw.randrange(40, 240) for _ in range(draw.randrange(2, 9))), self.end])
        return Sampled(sampled)


@dataclass(frozen=True)
class FunctionEngine:
    """Samples the same after the same prompt, on whatever process it is."""

    end: int

    def read(self, prompts: Prompts) -> FunctionReading:
        return FunctionReading(prompts, self.end)


def untruncated(trainer: ContextRLTrainer) -> ContextRLTrainer:
    """The trainer, for which no completion is truncated."""
    usual = trainer.collector.completions
    trainer.collector.completions = Untruncated(usual.tokenizer, usual.end_ids, usual.placeholders)
    return trainer


def build_trainer(
    policy: Path,
    folder: Path,
    judge: Judge,
    rows: int = 16,
    peft_config: Any = None,
    *,
    truncation: bool = False,
    **settings: Any,
) -> ContextRLTrainer:
    """A ContextRLTrainer on `rows` problems of the miniature.

    Args:
        truncation: whether completions may count as truncated, as almost all of an untrained policy's are.
    """
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
    return trainer if truncation else untruncated(trainer)


def loader_rows(*rows: int, repeats: int = 4) -> list[dict[str, int]]:
    """What the data loader hands to the trainer."""
    return [{"row": row} for row in rows for _ in range(repeats)]
