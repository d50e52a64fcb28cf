"""GRPO and DAPO must stay what TRL computes: its own code is the independent reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from runs import untruncated
from trl import GRPOConfig, GRPOTrainer

from contextrl.judge.rules import RulesJudge
from contextrl.miniature.tasks import miniature_examples
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompts import Prompts
from contextrl.policy.vision import VisionInputs
from contextrl.records.verdict import Verdict
from contextrl.rollout.sampling import Draws, Engine, Reading, Sampled
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.contextrl_trainer import ContextRLTrainer

ROWS = 16
SETTINGS: dict[str, Any] = {
    "num_generations": 4,
    "per_device_train_batch_size": 8,
    "max_completion_length": 12,
    # Not Adam, which turns the rounding of a gradient that is zero into a whole step.
    "optim": "sgd",
    "learning_rate": 0.1,
    "lr_scheduler_type": "constant",
    "use_cpu": True,
    "bf16": False,
    "disable_tqdm": True,
    "report_to": "none",
    "save_strategy": "no",
    "logging_steps": 1,
    "gradient_checkpointing": False,
    "use_bias_correction_kl": False,
    "remove_unused_columns": False,
    "dataloader_pin_memory": False,
}
VARIANTS = {
    "grpo": {"loss_type": "grpo", "beta": 0.05},
    "grpo-two-updates": {"loss_type": "grpo", "beta": 0.05, "num_iterations": 2},
    "grpo-accumulated": {"loss_type": "grpo", "beta": 0.0, "gradient_accumulation_steps": 2, "num_iterations": 2},
    "dapo": {"loss_type": "dapo", "beta": 0.0, "epsilon": 0.01, "epsilon_high": 0.02, "num_iterations": 2},
    "dapo-kl": {
        "loss_type": "dapo",
        "beta": 0.05,
        "epsilon_high": 0.28,
        "num_iterations": 2,
        "gradient_accumulation_steps": 2,
    },
}


def length_reward(text: str) -> float:
    """Spread in every group of an untrained policy, which is rarely right."""
    return float(len(text) % 3)


class LengthJudge(RulesJudge):
    """Correct where `length_reward` is not zero: the same rewards for both trainers."""

    def judge(self, requests: Any) -> Any:
        statuses = ["correct" if length_reward(r.response) > 0 else "incorrect" for r in requests]
        return [Verdict(status, answer_correct=status == "correct") for status in statuses]  # type: ignore[arg-type]


def train_ours(policy: Path, folder: Path, variant: dict[str, Any], steps: int) -> tuple[ContextRLTrainer, Any]:
    config = policy_config(str(policy))
    args = ContextRLConfig(
        output_dir=str(folder),
        max_steps=steps,
        stage2=False,
        objective={"kl_scope": "all"},
        seed=5,
        **SETTINGS,
        **variant,
    )
    trainer = ContextRLTrainer(
        load_policy(str(policy)),
        LengthJudge(),
        args,
        miniature_examples("train", ROWS),
        load_processor(str(policy), config),
    )
    # TRL has no rule that truncated text is not a positive.
    untruncated(trainer).collector.engine = recorder = Recorder(trainer.engines.engine)
    trainer.train()
    return trainer, recorder.samples


class Recorder:
    """An engine whose samples are written down with the prompts that they followed."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.samples: list[tuple[list[list[int]], list[list[int]]]] = []

    def read(self, prompts: Prompts) -> Recording:
        return Recording(self.engine.read(prompts), self.samples)


@dataclass(frozen=True)
class Recording:
    reading: Reading
    samples: list[tuple[list[list[int]], list[list[int]]]]

    @property
    def prompts(self) -> Prompts:
        return self.reading.prompts

    def sample(self, draws: Draws) -> Sampled:
        sampled = self.reading.sample(draws)
        self.samples.append(([self.prompts.ids[n] for n in draws.prompt_of], sampled.ids))
        return sampled


class ReplayingTrainer(GRPOTrainer):
    """GRPOTrainer, given samples that were drawn after the same prompts: it draws all of a batch from one generator."""

    given: Iterator[tuple[list[list[int]], list[list[int]]]]

    def _generate_single_turn(self, prompt_ids: Any, *_: Any, **__: Any) -> Any:
        prompts, completions = next(self.given)
        assert prompt_ids == prompts, "both trainers must draw after the same prompts"
        return completions, None


def train_trl(policy: Path, folder: Path, variant: dict[str, Any], steps: int, samples: Any) -> GRPOTrainer:
    examples = miniature_examples("train", ROWS)
    rows = Dataset.from_list(
        [{"prompt": [{"role": "user", "content": e.question}], "image": e.images[0]} for e in examples]
    )

    def reward(completions: list[Any], **_: Any) -> list[float]:
        return [float(length_reward(c[0]["content"]) > 0) for c in completions]

    args = GRPOConfig(output_dir=str(folder), max_steps=steps, seed=5, **SETTINGS, **variant)
    processor = load_processor(str(policy), policy_config(str(policy)))
    trainer = ReplayingTrainer(load_policy(str(policy)), [reward], args, train_dataset=rows, processing_class=processor)
    trainer.given = iter(samples)
    trainer.train()
    return trainer


@pytest.mark.parametrize("shared_prefix", [False, True], ids=["separate", "shared"])
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_run_without_stage_2_gives_trls_weights(
    tiny_policy: Path, tmp_path: Path, variant: dict[str, Any], shared_prefix: bool
) -> None:
    """Same data order, prompts, rewards, advantages, losses and updates: the weights are those of GRPOTrainer.

    `num_iterations=2` makes ratio and clip count: in the second update the policy has moved.
    """
    steps = 4
    config = policy_config(str(tiny_policy))
    forbidden = [config.image_token_id, config.video_token_id, config.vision_start_token_id, config.vision_end_token_id]
    same = {"generation_kwargs": {"suppress_tokens": sorted(forbidden)}}
    changed = variant | same | {"shared_prefix": shared_prefix}
    ours, samples = train_ours(tiny_policy, tmp_path / "ours", changed, steps)
    trl = train_trl(tiny_policy, tmp_path / "trl", variant | same, steps, samples)
    used = [row["shared_prefix/used"] for row in ours.state.log_history if "shared_prefix/used" in row]
    assert used == ([1.0] * steps if shared_prefix else []), "the way under test must have been taken"
    start = load_policy(str(tiny_policy)).state_dict()
    theirs = trl.model.state_dict()
    moved = max(float((theirs[name] - start[name]).abs().max()) for name in theirs)
    assert moved > 1e-3, "the reference run must have trained"
    for name, weights in ours.model.state_dict().items():
        torch.testing.assert_close(weights, theirs[name], rtol=0, atol=2e-6, msg=f"{name} differs")
    if "num_iterations" in variant and variant["beta"] == 0.0:
        clipped = [row["clip_ratio/region_mean"] for row in trl.state.log_history if "clip_ratio/region_mean" in row]
        assert max(clipped) > 0, "the clip must have held somewhere"


def vision_fields(trainer: ContextRLTrainer, batch: dict[str, Any]) -> dict[str, Any]:
    """What GRPOTrainer's own loss reads from a batch: every row's images."""
    assert trainer.rows is not None
    rows = trainer.rows.prompts.prompts.select(batch["group"].tolist())
    vision = VisionInputs(rows, trainer.accelerator.device)
    return vision.fields(batch["prompt_ids"].size(1), batch["completion_ids"].size(1))


@pytest.fixture(scope="module")
def one_batch(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ContextRLTrainer, dict[str, Any]]:
    """A trainer after one step, and a batch with old log-probabilities far from the policy's, so that clips hold."""
    trainer = train_ours(tiny_policy, tmp_path_factory.mktemp("run"), {"loss_type": "grpo", "beta": 0.1}, 1)[0]
    trainer.current_gradient_accumulation_steps = 1
    batch = trainer._prepare_inputs([{"row": row} for row in (0, 1) for _ in range(4)])
    generator = torch.Generator().manual_seed(0)
    rows, width = batch["completion_ids"].shape
    batch |= vision_fields(trainer, batch)
    with torch.no_grad():
        assert trainer.rows is not None
        logps, _ = trainer.engines.scorer.score(
            trainer.model,
            trainer.rows.prompts,
            batch["group"].tolist(),
            batch["completion_ids"],
            batch["completion_mask"],
        )
    batch["old_per_token_logps"] = logps + 0.4 * torch.randn((rows, width), generator=generator)
    batch["advantages"] = torch.randn(rows, generator=generator)
    return trainer, batch


@pytest.mark.parametrize("loss_type", ["grpo", "dapo"])
@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("epsilon_high", [0.2, 0.28])
def test_loss_and_gradient_equal_trls_on_the_same_batch(
    one_batch: tuple[ContextRLTrainer, dict[str, Any]], loss_type: str, beta: float, epsilon_high: float
) -> None:
    """GRPOTrainer._compute_loss on our trainer is the reference: values and gradients."""
    trainer, batch = one_batch
    trainer.loss_type = trainer.args.loss_type = loss_type
    trainer.beta = trainer.args.beta = beta
    trainer.epsilon_high = trainer.args.epsilon_high = epsilon_high
    losses, gradients = [], []
    for compute in (GRPOTrainer._compute_loss, ContextRLTrainer._compute_loss):
        trainer.model.zero_grad()
        loss = compute(trainer, trainer.model, batch)
        loss.backward()
        losses.append(loss.detach())
        gradients.append(torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None]))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-5, atol=1e-7)
    assert gradients[0].norm() > 0
    assert float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) < 1e-5
