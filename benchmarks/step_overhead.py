"""A training step of ours beside TRL's own GRPOTrainer: same model, batch, rewards and lengths, no stage 2.

    python benchmarks/step_overhead.py --json overhead.json

Both trainers live in one process and take turns, step by step; the medians of their steps are compared. A step is
rollout, judging, scoring and update. Ratio 1.10 would be 10 % more than TRL.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from rich.console import Console
from rich.progress import track
from trl import GRPOConfig, GRPOTrainer

from contextrl.cli import quiet_libraries
from contextrl.judge.answers import check_answer
from contextrl.judge.rules import RulesJudge
from contextrl.miniature.base import base_policy
from contextrl.miniature.tasks import miniature_examples
from contextrl.policies import load_policy, load_processor, policy_config
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.contextrl_trainer import ContextRLTrainer
from contextrl.trainer.groups_log import GroupRecorder

SETTINGS: dict[str, Any] = {
    "num_generations": 8,
    "per_device_train_batch_size": 64,
    "max_completion_length": 24,
    "learning_rate": 0.0,  # the policy stays as it is, so every step does the same work
    "max_steps": 10_000,
    "use_cpu": True,
    "bf16": False,
    "beta": 0.01,
    "loss_type": "grpo",
    "disable_tqdm": True,
    "report_to": "none",
    "save_strategy": "no",
    "gradient_checkpointing": False,
    "use_bias_correction_kl": False,
    "remove_unused_columns": False,
    "dataloader_pin_memory": False,
}


def build_ours(policy: str, folder: str, settings: dict[str, Any]) -> ContextRLTrainer:
    args = ContextRLConfig(output_dir=folder, stage2=False, kl_scope="all", **settings)
    processor = load_processor(policy, policy_config(policy))
    trainer = ContextRLTrainer(load_policy(policy), RulesJudge(), args, miniature_examples("train", 512), processor)
    trainer.recorder = GroupRecorder(Path(folder))
    return trainer


def build_trl(policy: str, folder: str, settings: dict[str, Any], suppress: list[int]) -> GRPOTrainer:
    rows = [
        {
            "prompt": [{"role": "user", "content": e.question}],
            "image": e.images[0],
            "answer": e.answer,
            "kind": e.answer_type,
        }
        for e in miniature_examples("train", 512)
    ]

    def reward(completions: list[Any], answer: list[str], kind: list[Any], **_: Any) -> list[float]:
        texts = [completion[0]["content"] for completion in completions]
        return [float(check_answer(t, a, k) is True) for t, a, k in zip(texts, answer, kind, strict=True)]

    args = GRPOConfig(output_dir=folder, generation_kwargs={"suppress_tokens": suppress}, **settings)
    processor = load_processor(policy, policy_config(policy))
    data = Dataset.from_list(rows)
    return GRPOTrainer(load_policy(policy), [reward], args, train_dataset=data, processing_class=processor)


class Stepper:
    """Runs one optimizer step of a trainer at a time."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        trainer.create_optimizer_and_scheduler(num_training_steps=10_000)
        trainer.model.train()
        trainer.current_gradient_accumulation_steps = 1
        self.batches = iter(trainer.get_train_dataloader())
        self.seconds: list[float] = []

    def step(self, seed: int) -> None:
        # The same seed for both, so that both sample completions of the same lengths.
        torch.manual_seed(seed)
        started = time.perf_counter()
        batch = next(self.batches)
        self.trainer.training_step(self.trainer.model, batch, None)
        self.trainer.optimizer.step()
        self.trainer.optimizer.zero_grad()
        self.seconds.append(time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=15, help="measured steps of each trainer, after two warm-ups")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    quiet_libraries()
    policy = str(base_policy())
    with tempfile.TemporaryDirectory() as folder:
        ours = build_ours(policy, folder, SETTINGS)
        suppress = sorted(ours._placeholders)
        steppers = {"contextrl": Stepper(ours), "trl": Stepper(build_trl(policy, folder, SETTINGS, suppress))}
        for number in track(range(options.steps + 2), "Stepping", console=Console(stderr=True), transient=True):
            for stepper in steppers.values():
                stepper.step(number)
    medians = {name: statistics.median(stepper.seconds[2:]) for name, stepper in steppers.items()}
    pairs = zip(steppers["contextrl"].seconds[2:], steppers["trl"].seconds[2:], strict=True)
    ratios = sorted(a / b for a, b in pairs)
    result = {
        "contextrl_step_s": round(medians["contextrl"], 4),
        "trl_step_s": round(medians["trl"], 4),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_lowest": round(ratios[0], 3),
        "ratio_highest": round(ratios[-1], 3),
        "steps": options.steps,
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
