"""A larger model beside the base policy, as the paper has Qwen3-VL-32B beside its 8B policy.

It is bigger, was shown every class of digits under its own name, and writes in the policy's voice. Nothing is trained
from it: it says how far a policy of this kind can get on the same questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console

from contextrl.miniature.base import BaseRecipe, SftSampler, corpus_for_tokenizer, hash_of_draws
from contextrl.miniature.fitting import Fitted, fit
from contextrl.miniature.policy import build_model, build_processor, build_tokenizer
from contextrl.miniature.tasks import Kind


@dataclass(frozen=True)
class ReferenceRecipe:
    """Everything the reference model depends on beside the code of this package.

    Attributes:
        steps, batch: optimizer steps, and sequences in each.
        retries_every: one step in so many is of retries, so that it knows what a mistake report is.
        hidden, layers: of its language model; see `policy.build_model`.
    """

    steps: int = 800
    batch: int = 24
    retries_every: int = 10
    hidden: int = 256
    layers: int = 4
    kinds: tuple[tuple[Kind, int], ...] = BaseRecipe.kinds
    learning_rate: float = 1.5e-3
    seed: int = 0


class RightSampler(SftSampler):
    """Draws what the base policy is taught, with every digit under its own name."""

    def _read(self, digits: Sequence[int]) -> tuple[int, ...]:
        return tuple(digits)


def train_reference(recipe: ReferenceRecipe, *, console: Console | None = None) -> Fitted:
    """Train the reference model on the train images; a bar shows how far it is."""
    processor, sampler = _sampler(recipe)
    taken = 0

    def backward(model: Any) -> float:
        nonlocal taken
        taken += 1
        draw = sampler.retry if taken % recipe.retries_every == 0 else sampler.direct
        loss = model(**sampler.batch([draw() for _ in range(recipe.batch)])).loss
        loss.backward()
        return float(loss.detach())

    build = partial(build_model, hidden=recipe.hidden, layers=recipe.layers)
    return fit(processor, backward, recipe, title="Building the reference model", build=build, console=console)


def reference_fingerprint(recipe: ReferenceRecipe) -> str:
    """SHA-256 of the first draws; see `base.fingerprint`."""
    return hash_of_draws(_sampler(recipe)[1])


def _sampler(recipe: ReferenceRecipe) -> tuple[Any, RightSampler]:
    processor = build_processor(build_tokenizer(corpus_for_tokenizer()))
    return processor, RightSampler(processor, BaseRecipe(kinds=recipe.kinds, seed=recipe.seed))
