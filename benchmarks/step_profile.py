"""Where the time of the demo's training step goes, and which share of it is not the model.

    python benchmarks/step_profile.py [--steps 20] [--json [FILE]]

Trains the shipped configuration and times its parts, each without the parts inside it. Model: the decoding loop,
forward, backward and optimizer. Everything else is overhead: prompts and images, judge, loss arithmetic, logging,
recording, and what nobody has a name for.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from transformers import TrainerCallback

from contextrl.commands.config import load_config
from contextrl.commands.launch import Run
from contextrl.commands.quiet import quiet_libraries
from contextrl.engines.shared_prefix import engine, scorer
from contextrl.rollout import two_stage
from contextrl.rollout.verify import Verifier
from contextrl.trainer import contextrl_trainer
from contextrl.trainer.finite import FiniteGradients
from contextrl.trainer.group_recorder import GroupRecorder
from contextrl.trainer.rollout_log import RolloutLog
from contextrl.trainer.run_log import RunLog
from contextrl.trainer.terminal import TerminalCallback

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "miniature" / "contextrl.yaml"
MODEL = ("decoding loop", "forward", "backward", "optimizer")
WARM_UP = 3


class Parts(TrainerCallback):
    """Exclusive seconds of named parts, from the end of the warm-up to the end of training."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.total, self.steps = 0.0, 0
        self._inner: list[float] = []
        self._began = 0.0

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        self._inner.append(0.0)
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self.seconds[part] += spent - self._inner.pop()
            if self._inner:
                self._inner[-1] += spent

    def wrap(self, owner: Any, name: str, part: str) -> None:
        original = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.measure(part):
                return original(*args, **kwargs)

        setattr(owner, name, timed)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if state.global_step == WARM_UP:
            self.seconds.clear()
            self._began = time.perf_counter()
        self.steps = state.global_step - WARM_UP
        self.total = time.perf_counter() - self._began

    @property
    def overhead(self) -> float:
        """Share of the step that is not the model."""
        return 1 - sum(self.seconds[part] for part in MODEL) / self.total


def instrument(parts: Parts) -> None:
    """Before the trainer is built, which binds some of these."""
    parts.wrap(engine, "generate", "decoding loop")
    parts.wrap(scorer.PromptScorer, "score_by", "forward")
    parts.wrap(scorer, "encode_prompts", "prompts and images")
    parts.wrap(Verifier, "verify", "judge")
    parts.wrap(Verifier, "add_reports", "judge")
    parts.wrap(two_stage, "plan_retries", "stage 2 bookkeeping")
    parts.wrap(two_stage, "reject_unjudged", "stage 2 bookkeeping")
    parts.wrap(two_stage, "reject_judged", "stage 2 bookkeeping")
    parts.wrap(GroupRecorder, "write", "recording")
    parts.wrap(RunLog, "on_log", "logging")
    parts.wrap(TerminalCallback, "on_log", "logging")
    parts.wrap(FiniteGradients, "on_pre_optimizer_step", "gradient check")
    parts.wrap(RolloutLog, "write", "metrics")
    parts.wrap(contextrl_trainer.ContextRLTrainer, "_compute_loss", "loss arithmetic")
    parts.wrap(contextrl_trainer.ContextRLTrainer, "_generate_and_score_completions", "GRPOTrainer's bookkeeping")
    parts.wrap(contextrl_trainer.ContextRLTrainer, "collect", "rollout bookkeeping")


def profile_demo(steps: int) -> Parts:
    parts = Parts()
    instrument(parts)
    with tempfile.TemporaryDirectory() as folder:
        changes = {
            "run_dir": f"{folder}/run",
            "train.max_steps": str(steps + WARM_UP),
            "train.save_strategy": "no",
            "data.eval": "null",
        }
        config = load_config(CONFIG, [f"{key}={value}" for key, value in changes.items()])
        run = Run(config, Console(stderr=True), command=[])
        trainer = run.trainer
        # Parts are timed one inside the other, so they have to come one after the other.
        trainer.collector.overlap = False
        parts.wrap(trainer.collector, "build_prompts", "prompts and images")
        parts.wrap(trainer.accelerator, "backward", "backward")
        parts.wrap(trainer.accelerator, "clip_grad_norm_", "optimizer")
        create = trainer.create_optimizer_and_scheduler

        def create_timed(*args: Any, **kwargs: Any) -> None:
            create(*args, **kwargs)
            parts.wrap(trainer.optimizer, "step", "optimizer")

        trainer.create_optimizer_and_scheduler = create_timed
        trainer.add_callback(parts)
        run.train()
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20, help=f"measured steps, after {WARM_UP} to warm up")
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="figures as JSON, to a file or to stdout")
    options = parser.parse_args()
    quiet_libraries()
    parts = profile_demo(options.steps)
    named = dict(sorted(parts.seconds.items(), key=lambda item: (item[0] not in MODEL, -item[1])))
    named["everything else"] = parts.total - sum(named.values())
    shown = Table(title=f"One step of the demo: {parts.total / parts.steps:.3f} s, {parts.overhead:.1%} not the model")
    for column in ("part", "ms a step", "share"):
        shown.add_column(column, justify="left" if column == "part" else "right")
    for part, seconds in named.items():
        shown.add_row(part, f"{1000 * seconds / parts.steps:.1f}", f"{seconds / parts.total:.1%}")
    Console(stderr=True).print(shown)
    figures = {
        "step_s": round(parts.total / parts.steps, 4),
        "overhead": round(parts.overhead, 4),
        "ms": {part: round(1000 * seconds / parts.steps, 2) for part, seconds in named.items()},
    }
    text = json.dumps(figures, indent=2)
    if options.json == "-" or options.json is None:
        sys.stdout.write(text + "\n")
    else:
        Path(options.json).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
