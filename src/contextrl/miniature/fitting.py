"""How the miniature's models are made: built at random, fitted by SFT in one loop, written to a folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import Field, asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from rich.console import Console

from contextrl.console import steps_bar
from contextrl.miniature.policy import build_model

_WARM_UP_STEPS = 50
_WEIGHT_DECAY = 0.01
_MAX_GRAD_NORM = 1.0


class Recipe(Protocol):
    """A dataclass that holds everything a model depends on, and so also how it is fitted."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def steps(self) -> int:
        """Optimizer steps."""

    @property
    def learning_rate(self) -> float:
        """At its highest; see `schedule`."""

    @property
    def seed(self) -> int:
        """Of the weights before the first step."""


@dataclass(frozen=True)
class Fitted:
    """A model, its processor, and how it came to be.

    Attributes:
        losses: of every step.
    """

    model: Any
    processor: Any
    recipe: Recipe
    losses: Sequence[float]

    def save(self, folder: Path) -> None:
        """Write model, processor, `training_log.csv` and, last, `recipe.json` to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        lines = [f"{step},{loss:.4f}\n" for step, loss in enumerate(self.losses, start=1)]
        (folder / "training_log.csv").write_text("".join(["step,loss\n", *lines]))
        (folder / "recipe.json").write_text(json.dumps(asdict(self.recipe), indent=2) + "\n")


def fit(
    processor: Any,
    backward: Callable[[Any], float],
    recipe: Recipe,
    *,
    title: str,
    build: Callable[[Any], Any] = build_model,
    console: Console | None = None,
) -> Fitted:
    """Fit a new model for `processor`'s tokenizer: AdamW, weight decay 0.01, gradients clipped to norm 1.

    Args:
        processor: tokenizer and image processor.
        backward: draws the batch of a step, adds its gradients to the model's and returns its loss.
        title: what the progress bar says.
        build: makes the model for a tokenizer, its weights drawn by `recipe.seed`.
        console: where the bar is drawn; by default standard error.
    """
    losses: list[float] = []
    # The caller's random state must not depend on whether a model had to be made.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = build(processor.tokenizer)
        optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate, weight_decay=_WEIGHT_DECAY, fused=True)
        with steps_bar(console or Console(stderr=True), title, recipe.steps) as after_step:
            for step in range(recipe.steps):
                for group in optimizer.param_groups:
                    group["lr"] = recipe.learning_rate * schedule(step, recipe.steps)
                loss = backward(model)
                torch.nn.utils.clip_grad_norm_(model.parameters(), _MAX_GRAD_NORM)
                optimizer.step()
                optimizer.zero_grad()
                after_step(loss)
                losses.append(loss)
    return Fitted(model, processor, recipe, losses)


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate at `step` of `steps`: linear warm-up over 50 steps, times a cosine from 1 to 0."""
    return min(1.0, (step + 1) / _WARM_UP_STEPS) * 0.5 * (1 + math.cos(math.pi * step / steps))
