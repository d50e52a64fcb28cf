"""A group step beside TRL's own GRPOTrainer: rollout, learner, whole step, memory, and how far the numbers differ.

    python benchmarks/group_step.py [--settings A,B,C] [--repeats 5] [--json [FILE]]

Both trainers live in one process, with the same weights, prompts, images and settings, and take turns; medians count.
The learner (forward and backward of the loss) gets the same completions in both. Stage 2 is off: GRPOTrainer has none.

Settings: A, one image of 128x128 per prompt; B, four of them; C, the demo's own problems and natural lengths. In A and
B every sample has 40 tokens. `flop_limit` is what the learner's ratio could be if time were matrix products alone,
counted with the vision tower; the table also prints the limits of rollout and step, and the fraction reached.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch.profiler import ProfilerActivity, profile
from transformers.utils.logging import disable_progress_bar
from trl import GRPOConfig, GRPOTrainer

from contextrl.commands.quiet import quiet_libraries
from contextrl.judge.rules import RulesJudge
from contextrl.miniature import BASE_POLICY
from contextrl.miniature.tasks import miniature_examples
from contextrl.objective.settings import ObjectiveSettings
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompts import Prompts, build_prompts
from contextrl.records.example import Example
from contextrl.records.verdict import Verdict
from contextrl.rollout.sampling import Draws, Sampled
from contextrl.rollout.settings import Stage2Settings
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.contextrl_trainer import ContextRLTrainer

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # the profiler, which measures memory, talks
Row = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """N prompts with G samples each, of `completion` tokens; 0 is until they end, at most 40."""

    prompts: int
    generations: int
    completion: int
    images: int = 1


SETTINGS = {
    "A": Setting(prompts=8, generations=8, completion=40),
    "B": Setting(prompts=8, generations=8, completion=40, images=4),
    "C": Setting(prompts=16, generations=8, completion=0),
}
ARGUMENTS: dict[str, Any] = {
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
    "max_completion_length": 40,
}


def reward(text: str) -> float:
    """Spread in every group, whatever the policy says."""
    return float(len(text) % 2)


class LengthJudge(RulesJudge):
    """The same rewards for both trainers."""

    def judge(self, requests: Any) -> list[Verdict]:
        return [Verdict("correct" if reward(r.response) else "incorrect") for r in requests]


def examples_of(setting: Setting) -> list[Example]:
    """Problems of the miniature, or noise of 128x128 with a question that makes 292 prompt tokens."""
    if not setting.completion:
        return list(miniature_examples("train", 16 * setting.prompts))
    rng = np.random.default_rng(0)

    def picture() -> Image.Image:
        return Image.fromarray(rng.integers(0, 255, (128, 128, 3), dtype=np.uint8))

    question = "What is the sum of all the digits you see here?"
    return [
        Example(str(n), question, "1 + 2 = 3. Answer: 3", "3", images=tuple(picture() for _ in range(setting.images)))
        for n in range(setting.prompts)
    ]


class Ours:
    """ContextRLTrainer's parts of a step."""

    def __init__(self, policy: str, folder: str, setting: Setting, examples: Sequence[Example]) -> None:
        arguments = arguments_of(setting)
        self.trainer = ContextRLTrainer(
            load_policy(policy),
            LengthJudge(),
            ContextRLConfig(
                output_dir=folder,
                stage2=Stage2Settings(enabled=False),
                objective=ObjectiveSettings(kl_scope="all"),
                **arguments,
            ),
            list(examples),
            load_processor(policy, policy_config(policy)),
        )
        self.generations = setting.generations
        ready(self.trainer)

    def rows(self, numbers: Sequence[int]) -> list[Row]:
        return [{"row": n} for n in numbers for _ in range(self.generations)]

    def prompts(self, numbers: Sequence[int]) -> Prompts:
        return build_prompts(self.trainer.processing_class, [self.trainer.examples[n] for n in numbers])

    def rollout(self, prompts: Prompts) -> list[list[int]]:
        row = [n for n in range(len(prompts.ids)) for _ in range(self.generations)]
        return self.trainer.engines.engine.read(prompts).sample(Draws(row, [()] * len(row), range(len(row)))).ids

    def batch(self, numbers: Sequence[int], completions: list[list[int]]) -> dict[str, Any]:
        """A scored batch of these completions, unshuffled."""
        collector, original = self.trainer.collector, self.trainer.collector.engine
        collector.engine = Given(completions)
        try:
            return self.trainer._generate_and_score_completions(self.rows(numbers))
        finally:
            collector.engine = original

    def log_probabilities(self, batch: dict[str, Any]) -> torch.Tensor:
        assert self.trainer.rows is not None
        prompts, groups = self.trainer.rows.prompts, batch["group"].tolist()
        with torch.no_grad():
            logps, _ = self.trainer.engines.scorer.score(
                self.trainer.model, prompts, groups, batch["completion_ids"], batch["completion_mask"]
            )
        return logps


@dataclass(frozen=True)
class Given:
    """An engine that has sampled already."""

    completions: list[list[int]]

    def read(self, prompts: Prompts) -> GivenReading:
        return GivenReading(self.completions, prompts)


@dataclass(frozen=True)
class GivenReading:
    completions: list[list[int]]
    prompts: Prompts

    def sample(self, draws: Draws) -> Sampled:  # noqa: ARG002
        return Sampled(self.completions)


class Theirs:
    """GRPOTrainer's parts of a step."""

    def __init__(
        self, policy: str, folder: str, setting: Setting, examples: Sequence[Example], suppress: list[int]
    ) -> None:
        arguments = arguments_of(setting)
        arguments["generation_kwargs"] = {**arguments.get("generation_kwargs", {}), "suppress_tokens": suppress}
        data = [{"prompt": [{"role": "user", "content": e.question}], "images": list(e.images)} for e in examples]

        def rewards(completions: list[Any], **_: Any) -> list[float]:
            return [reward(completion[0]["content"]) for completion in completions]

        self.trainer = GRPOTrainer(
            load_policy(policy),
            [rewards],
            GRPOConfig(output_dir=folder, **arguments),
            train_dataset=Dataset.from_list([{"n": n} for n in range(len(data))]),
            processing_class=load_processor(policy, policy_config(policy)),
        )
        self.data, self.generations = data, setting.generations
        ready(self.trainer)

    def rows(self, numbers: Sequence[int]) -> list[Row]:
        return [self.data[n] for n in numbers for _ in range(self.generations)]

    def rollout(self, prompts: Prompts) -> list[list[int]]:
        repeated = prompts.select([n for n in range(len(prompts.ids)) for _ in range(self.generations)])
        fields = {**repeated.per_token, **repeated.image_tensors()}
        sampled, _ = self.trainer._generate_single_turn(repeated.ids, None, fields, self.generations)
        return sampled  # type: ignore[no-any-return]

    def batch(self, numbers: Sequence[int], completions: list[list[int]]) -> dict[str, Any]:
        original = self.trainer._generate_single_turn
        self.trainer._generate_single_turn = lambda *_, **__: (completions, None)
        try:
            return self.trainer._generate_and_score_completions(self.rows(numbers))  # type: ignore[no-any-return]
        finally:
            self.trainer._generate_single_turn = original

    def log_probabilities(self, batch: dict[str, Any]) -> torch.Tensor:
        fields = ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")
        with torch.no_grad():
            found, _, _ = self.trainer._get_per_token_logps_and_entropies(
                self.trainer.model,
                torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1),
                torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1),
                batch["completion_ids"].size(1),
                **{name: batch[name] for name in fields},
            )
        return found  # type: ignore[no-any-return]


def arguments_of(setting: Setting) -> dict[str, Any]:
    batch = {
        "num_generations": setting.generations,
        "per_device_train_batch_size": setting.prompts * setting.generations,
    }
    fixed = {"generation_kwargs": {"min_new_tokens": setting.completion}} if setting.completion else {}
    return ARGUMENTS | batch | fixed


def ready(trainer: Any) -> None:
    """What `train()` does before its first step."""
    if trainer.args.gradient_checkpointing and not trainer.model.is_gradient_checkpointing:
        trainer.model.gradient_checkpointing_enable(trainer.args.gradient_checkpointing_kwargs)
    trainer.create_optimizer_and_scheduler(num_training_steps=10_000)
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1


def learn(side: Ours | Theirs, batch: dict[str, Any]) -> torch.Tensor:
    """Forward and backward; the gradient."""
    model = side.trainer.model
    model.zero_grad()
    side.trainer._compute_loss(model, batch).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def step(side: Ours | Theirs, numbers: Sequence[int]) -> None:
    """Rollout, judging, scoring, update: what a step of training does."""
    side.trainer.training_step(side.trainer.model, side.rows(numbers), None)
    side.trainer.optimizer.step()
    side.trainer.optimizer.zero_grad()


def peak_bytes(run: Callable[[], Any]) -> int:
    """Most memory that was allocated at once while it ran, beyond what was there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        run()
    events = [e for e in recorded.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


def alternately(repeats: int, runs: dict[str, Callable[[], Any]], tick: Callable[[], None]) -> dict[str, float]:
    """Median seconds of each, taking turns, after one run of each to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(repeats + 1):
        for name, run in runs.items():
            torch.manual_seed(number)
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
        tick()
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def limits(ours: Ours, prompts: Prompts, completions: list[list[int]]) -> dict[str, float]:
    """What the ratios could be if time were matrix products alone. Backward is twice forward."""
    cost, row = ours.trainer._cost, [n for n in range(len(prompts.ids)) for _ in range(ours.generations)]
    lengths = [len(ids) for ids in completions]
    separate, packed = cost.separate(prompts, row, lengths), cost.packed(prompts, row, lengths)
    # Sampling is the same forward token by token; GRPOTrainer steps every sample until the last has ended.
    padded = cost.separate(prompts, row, [max(lengths)] * len(row))
    # The reference pass is one more forward: beta is not 0.
    return {
        "learner": separate / packed,
        "rollout": padded / packed,
        "step": (padded + 4 * separate) / (packed + 4 * packed),
    }


def measure(name: str, policy: str, folder: str, repeats: int, tick: Callable[[], None]) -> dict[str, Any]:
    """One setting."""
    setting = SETTINGS[name]
    examples = examples_of(setting)
    ours = Ours(policy, f"{folder}/ours", setting, examples)
    theirs = Theirs(policy, f"{folder}/trl", setting, examples, sorted(ours.trainer._placeholders))
    sides: dict[str, Ours | Theirs] = {"ours": ours, "trl": theirs}
    numbers = list(range(setting.prompts))
    prompts = ours.prompts(numbers)
    torch.manual_seed(0)
    completions = theirs.rollout(prompts)
    batches = {one: side.batch(numbers, completions) for one, side in sides.items()}
    # Our trainer gives truncated samples, which these are, no positive reward.
    batches["ours"]["advantages"] = batches["trl"]["advantages"]
    mask = batches["trl"]["completion_mask"].bool()
    difference = (ours.log_probabilities(batches["ours"]) - theirs.log_probabilities(batches["trl"]))[mask]
    gradients = {one: learn(side, batches[one]) for one, side in sides.items()}
    memory = {one: peak_bytes(partial(learn, side, batches[one])) for one, side in sides.items()}
    runs: dict[str, dict[str, Callable[[], Any]]] = {
        "learner": {one: partial(learn, side, batches[one]) for one, side in sides.items()},
        "rollout": {one: partial(side.rollout, prompts) for one, side in sides.items()},
        "step": {one: partial(step, side, numbers) for one, side in sides.items()},
    }
    seconds = {part: alternately(repeats, both, tick) for part, both in runs.items()}
    bounds = limits(ours, prompts, completions)
    ratios = {part: found["trl"] / found["ours"] for part, found in seconds.items()}
    return {
        "setting": name,
        "prompt_tokens": round(statistics.mean(len(ids) for ids in prompts.ids)),
        "completion_tokens": round(statistics.mean(len(ids) for ids in completions)),
        "num_generations": setting.generations,
        "prompts": setting.prompts,
        **{f"{part}_ratio": round(ratio, 3) for part, ratio in ratios.items()},
        "memory_ratio": round(memory["ours"] / memory["trl"], 3),
        "flop_limit": round(bounds["learner"], 2),
        "max_abs_logp_diff": float(difference.abs().max()),
        "rel_grad_diff": float((gradients["ours"] - gradients["trl"]).norm() / gradients["trl"].norm()),
        "limits": {part: round(bound, 2) for part, bound in bounds.items()},
        "fraction_of_limit": {part: round(ratios[part] / bounds[part], 2) for part in bounds},
        "seconds": {part: {one: round(s, 4) for one, s in found.items()} for part, found in seconds.items()},
        "memory_mb": {one: round(peak / 2**20, 1) for one, peak in memory.items()},
        "threads": torch.get_num_threads(),
    }


def table(results: list[dict[str, Any]]) -> Table:
    shown = Table(title="TRL's GRPOTrainer / contextrl: ratio (limit by FLOPs, fraction of it)")
    for column in ("", "prompt", "completion", "learner", "rollout", "step", "memory", "log p differs", "gradient"):
        shown.add_column(column, justify="left" if not column else "right")
    for one in results:
        parts = [
            f"{one[f'{part}_ratio']:.2f}x ({one['limits'][part]:.2f}, {one['fraction_of_limit'][part]:.0%})"
            for part in ("learner", "rollout", "step")
        ]
        shown.add_row(
            one["setting"],
            str(one["prompt_tokens"]),
            str(one["completion_tokens"]),
            *parts,
            f"{one['memory_ratio']:.2f}",
            f"{one['max_abs_logp_diff']:.1e}",
            f"{one['rel_grad_diff']:.1e}",
        )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", default="A,B,C", help="which of A, B and C, by default all")
    parser.add_argument("--repeats", type=int, default=5, help="measured runs of each, after one to warm up")
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="results as JSON, to a file or to stdout")
    options = parser.parse_args()
    names = options.settings.split(",")
    if unknown := set(names) - set(SETTINGS):
        parser.error(f"settings are {', '.join(SETTINGS)}, found {', '.join(sorted(unknown))}")
    quiet_libraries()
    disable_progress_bar()
    policy, console = str(BASE_POLICY), Console(stderr=True, width=140)
    results = []
    with tempfile.TemporaryDirectory() as folder, Progress(console=console, transient=True) as progress:
        for name in names:
            task = progress.add_task(f"Setting {name}", total=3 * (options.repeats + 1))
            tick = partial(progress.advance, task)
            results.append(measure(name, policy, f"{folder}/{name}", options.repeats, tick))
    text = json.dumps(results, indent=2)
    console.print(table(results))
    if options.json == "-" or options.json is None:
        sys.stdout.write(text + "\n")
    else:
        Path(options.json).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
