"""A few steps of every method, as one process or as one of several; `python method_runs.py POLICY FOLDER` runs all.

Rows with and without pictures stand side by side, and examples of one parity fail at stage 1, so that processes differ
in whether they have retries, in how many, and in whether they see a picture. `corrected` is the method with what else
a run can log: two updates a rollout, two micro-batches an update, an engine whose samples are corrected, and a reward
function that does not apply everywhere.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from runs import SETTINGS, ScriptedJudge, untruncated
from trl import SFTConfig

from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.tasks import miniature_examples
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example
from contextrl.rollout.sampling import Sampled
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.contextrl_trainer import ContextRLTrainer
from contextrl.trainer.group_recorder import GroupRecorder
from contextrl.trainer.launched import leave
from contextrl.trainer.sft import ReferenceSFTTrainer

#: Rows of a generation batch over all processes.
ROWS, STEPS = 16, 2
METHODS: dict[str, dict[str, Any]] = {
    "contextrl": {"beta": 0.05, "objective": {"mixed_group_scale": 0.5}},
    "grpo": {"stage2": False, "beta": 0.05, "objective": {"kl_scope": "all"}},
    "dapo": {
        "stage2": False,
        "loss_type": "dapo",
        "beta": 0.0,
        "dynamic_sampling": {"enabled": True, "max_rounds": 2},
        "objective": {"kl_scope": "all"},
    },
    "corrected": {
        "beta": 0.05,
        "objective": {"mixed_group_scale": 0.5},
        "num_iterations": 2,
        "gradient_accumulation_steps": 2,
        # So narrow that both sides of it hold tokens.
        "epsilon": 0.01,
    },
    "sft": {},
}


def uneven(request: JudgeRequest) -> str:
    """Even examples fail at stage 1 and most of their retries are right; of odd ones some are."""
    lot = sum(request.response.encode())
    if request.wants_standalone:
        return "correct" if lot % 4 else "incorrect"
    return "correct" if int(request.example.id[-1]) % 2 and lot % 3 == 2 else "incorrect"


def examples(count: int = 32) -> list[Example]:
    """Every third row has no picture."""
    rows = miniature_examples("train", count)
    return [row if n % 3 else replace(row, images=()) for n, row in enumerate(rows)]


def shortness(completions: list[Any], log_metric: Any) -> list[float | None]:
    """Of responses of an even length."""
    texts = [completion[0]["content"] for completion in completions]
    for text in texts:
        log_metric("characters", len(text))
    return [None if len(text) % 2 else 1.0 / (1 + len(text)) for text in texts]


@dataclass(frozen=True)
class Telling:
    """An engine, or what it has read, whose samples are of many lengths, and that says how likely it found them."""

    inner: Any

    @property
    def prompts(self) -> Any:
        return self.inner.prompts

    def read(self, prompts: Any) -> Telling:
        return Telling(self.inner.read(prompts))

    def sample(self, draws: Any) -> Any:
        # Nobody is told of samples while they are whole.
        sampled = [ids[: 3 + sum(ids) % 13] for ids in self.inner.sample(replace(draws, ended=None)).ids]
        # About an untrained policy's own, some above and some below.
        return Sampled(sampled, [[-5.0 - (token % 9) / 6 for token in ids] for ids in sampled])


def trainer_of(policy: Path, folder: Path, method: str, processes: int, **settings: Any) -> Any:
    """A trainer whose processes share out `ROWS` rows."""
    options: dict[str, Any] = SETTINGS | {
        "optim": "sgd",
        "learning_rate": 0.1,
        "lr_scheduler_type": "constant",
        "max_steps": STEPS,
        "use_cpu": False,
        # DeepSpeed is not told by anything else that there is no accelerator.
        "ddp_backend": "gloo" if os.environ.get("ACCELERATE_USE_DEEPSPEED") else None,
        "per_device_train_batch_size": ROWS // processes // METHODS[method].get("gradient_accumulation_steps", 1),
    }
    model, processor = load_policy(str(policy), trainable=True), load_processor(str(policy), policy_config(str(policy)))
    if method == "sft":
        options |= {"bf16": False, "report_to": "none", "logging_steps": 1, "max_length": None}
        options |= {"remove_unused_columns": False, "gradient_checkpointing": False}
        options.pop("num_generations")
        options.pop("max_completion_length")
        # SFTConfig has no hooks of ours: what a command does before and after it is built.
        from contextrl.trainer.launched import check_joined, prepare_to_join

        prepare_to_join(use_cpu=False)
        args = SFTConfig(output_dir=str(folder), **(options | settings))
        check_joined(args)
        return ReferenceSFTTrainer(model, args, examples(), Prompting(processor))
    config = ContextRLConfig(output_dir=str(folder), **(options | METHODS[method] | settings))
    functions = [shortness] if method == "corrected" else None
    judge = ScriptedJudge(uneven)
    trainer = untruncated(ContextRLTrainer(model, judge, config, examples(), processor, reward_funcs=functions))
    if method == "corrected":
        trainer.args.use_vllm = True
        trainer.collector.engine = Telling(trainer.collector.engine)
    trainer.recorder = GroupRecorder.of(trainer, folder, config.record)
    return trainer


def run(policy: Path, folder: Path, method: str, processes: int, **settings: Any) -> Any:
    """Train; the first process writes weights.pt and log.json."""
    folder.mkdir(parents=True, exist_ok=True)
    trainer = trainer_of(policy, folder, method, processes, **settings)
    assert trainer.accelerator.num_processes == processes
    trainer.train()
    # DeepSpeed's engine alone brings a model together that it has parted.
    weights = trainer.accelerator.get_state_dict(trainer.deepspeed or trainer.model)
    if trainer.accelerator.is_main_process:
        torch.save({name: tensor.clone() for name, tensor in weights.items()}, folder / "weights.pt")
        (folder / "log.json").write_text(json.dumps(trainer.state.log_history), encoding="utf-8")
    trainer.accelerator.wait_for_everyone()
    return trainer


if __name__ == "__main__":
    torch.set_num_threads(1)
    if os.environ.get("ACCELERATE_USE_DEEPSPEED"):
        import deepspeed

        # It would be compiled for minutes; without it gloo carries everything.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    for name in sys.argv[3:] or METHODS:
        run(Path(sys.argv[1]), Path(sys.argv[2]) / name, name, int(os.environ.get("WORLD_SIZE", "1")))
    leave()
