"""One of two processes (gloo) of which only the second finds something wrong; `... POLICY FOLDER`.

Each writes what it was told into FOLDER, kind by kind, and ends as a command does.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from runs import SETTINGS, ScriptedJudge, untruncated

from contextrl.commands.ending import end_with
from contextrl.engines.vllm.backend import CacheCounts
from contextrl.engines.vllm.engine import VLLMEngine
from contextrl.engines.vllm.requests import Answer, Request
from contextrl.engines.vllm.settings import VLLMSettings
from contextrl.errors import ContextRLError, ServiceError
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.tasks import miniature_examples
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.records.verdict import Verdict
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.contextrl_trainer import ContextRLTrainer

#: By kind, what the second process's engine does otherwise: nats added to log-probabilities, prompts' tokens left out.
WRONG = {"log-probabilities": (0.5, 0), "prompt": (0.0, 1), "nothing": (0.0, 0)}


class StandIn:
    """A vLLM of paper on the trainer's own model: some tokens, with their log-probabilities."""

    forgot_weights = False

    def __init__(self, trainer: Any, shift: float, left_out: int) -> None:
        self.trainer, self.shift, self.left_out = trainer, shift, left_out

    def generate(self, requests: Sequence[Request], options: Mapping[str, Any], told: object = None) -> list[Answer]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Answer:
        end = int(self.trainer.eos_token_ids[0])
        ids = [[40 + (request.seed + n) % 90, 50 + n, end] for n in range(request.samples)]
        read = request.ids[: len(request.ids) - self.left_out]
        return Answer(read, [], ids, [self._logps(request.ids, sample) for sample in ids])

    @torch.no_grad()
    def _logps(self, prompt: list[int], sample: list[int]) -> list[float]:
        row = torch.tensor([prompt + sample])
        logits = self.trainer.accelerator.unwrap_model(self.trainer.model)(input_ids=row).logits[
            0, -len(sample) - 1 : -1
        ]
        logps = (logits / self.trainer.temperature).log_softmax(-1).gather(1, torch.tensor(sample)[:, None])[:, 0]
        return [value + self.shift for value in logps.tolist()]

    def load(self, model: Any, sharding: Any) -> None:
        """It has the model."""

    def forget(self) -> None:
        """It holds nothing."""

    def rest(self) -> None:
        """It holds nothing."""

    def cache_counts(self) -> CacheCounts:
        return CacheCounts()

    def close(self) -> None:
        """It holds nothing."""


def by_length(request: JudgeRequest) -> str:
    return "correct" if len(request.response) % 3 == 0 else "incorrect"


class Mortal(ScriptedJudge):
    """Answers so many batches and is gone from then on."""

    def __init__(self, batches: int) -> None:
        super().__init__(by_length)
        self.left = batches

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        self.left -= 1
        if self.left < 0:
            raise ServiceError("the judge stops: http://127.0.0.1:1/v1 could not be reached for 60 s")
        return super().judge(requests)


def trainer_of(policy: Path, folder: Path, judge: ScriptedJudge, steps: int) -> Any:
    settings: dict[str, Any] = SETTINGS | {
        "use_cpu": False,
        "per_device_train_batch_size": 4,
        "max_steps": steps,
        "save_strategy": "steps",
        "save_steps": steps,
        "max_completion_length": 8,
    }
    examples = [replace(example, images=()) for example in miniature_examples("train", 8)]
    processor = load_processor(str(policy), policy_config(str(policy)))
    args = ContextRLConfig(output_dir=str(folder), **settings)
    return untruncated(ContextRLTrainer(load_policy(str(policy)), judge, args, examples, processor))


def run(kind: str, policy: Path, folder: Path, rank: int) -> None:
    if kind == "judge":
        trainer_of(policy, folder, Mortal(2 if rank else 99), steps=4).train()
        return
    trainer = trainer_of(policy, folder, ScriptedJudge(by_length), steps=1)
    settings = VLLMSettings("policy", "float32", 64, 0, None, {})
    shift, left_out = WRONG[kind] if rank else (0.0, 0)
    engine = VLLMEngine(trainer, trainer.engines.scorer, settings, StandIn(trainer, shift, left_out))
    trainer.collector.engine = engine
    trainer.train()
    assert len(engine.guard.gaps) == 1


if __name__ == "__main__":
    torch.set_num_threads(1)
    policy, folder = Path(sys.argv[1]), Path(sys.argv[2])
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    last: ContextRLError | None = None
    # What ends a run by an error of ours leaves both processes at the same place: the next can begin.
    for kind in (*WRONG, "judge"):
        told = "nothing"
        try:
            run(kind, policy, folder / kind, rank)
        except ContextRLError as error:
            told, last = str(error), error
        (folder / f"{kind}-{rank}").write_text(told, encoding="utf-8")
    assert last is not None
    end_with(last)
