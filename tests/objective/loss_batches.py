"""A small batch that meets every branch of the loss, and the loss written again as plain loops over floats."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from contextrl.objective.batch import LossBatch, LossResult, LossSettings
from contextrl.objective.settings import ObjectiveSettings

#: Both signs of advantage for on-policy rows (0, 1) and rolled-back ones (2, 3).
ADVANTAGES = [1.2, -0.7, 0.5, -1.1]
OFF_POLICY = [False, False, True, True]
#: Completion tokens of each row; what follows is padding.
LENGTHS = [6, 3, 5, 1]


def loss_settings(
    *, epsilon_low: float = 0.2, epsilon_high: float = 0.2, beta: float = 0.0, **objective: Any
) -> LossSettings:
    """TRL's constants, and ours by the names of the `objective` section."""
    return LossSettings(epsilon_low, epsilon_high, beta, ObjectiveSettings(**objective))


def make_batch() -> LossBatch:
    """[4, 6] in float64. Ratios run from about 0.5 to 2, so that both sides clip."""
    generator = torch.Generator().manual_seed(3)

    def draw() -> torch.Tensor:
        return torch.rand(4, 6, generator=generator, dtype=torch.float64)

    logps = -0.2 - 2 * draw()
    return LossBatch(
        per_token_logps=logps.clone().requires_grad_(True),
        old_per_token_logps=logps + 1.4 * (draw() - 0.5),
        ref_per_token_logps=logps + 2 * (draw() - 0.5),
        advantages=torch.tensor(ADVANTAGES, dtype=torch.float64),
        mask=torch.tensor([[float(c < length) for c in range(6)] for length in LENGTHS], dtype=torch.float64),
        off_policy=torch.tensor(OFF_POLICY),
        weights=torch.ones(4, dtype=torch.float64),
        rows=4,
    )


def gradient(
    loss: Callable[[LossBatch, LossSettings], LossResult], batch: LossBatch, settings: LossSettings
) -> torch.Tensor:
    """[B, C]: the loss's gradient by the log-probabilities."""
    logps = batch.per_token_logps.detach().clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(loss(replace(batch, per_token_logps=logps), settings).loss, logps)
    return slope


def matches_finite_differences(
    loss: Callable[[LossBatch, LossSettings], LossResult], batch: LossBatch, settings: LossSettings
) -> bool:
    """Whether autograd agrees with central differences; raises with the two Jacobians where it does not."""

    def value(logps: torch.Tensor) -> torch.Tensor:
        return loss(replace(batch, per_token_logps=logps), settings).loss

    return torch.autograd.gradcheck(value, batch.per_token_logps)


def looped_token_losses(batch: LossBatch, settings: LossSettings) -> list[list[float]]:
    """Every token's loss by scalar arithmetic: the reference that shares nothing with the code under test."""
    return [[_token(batch, settings, b, c) for c in range(6)] for b in range(4)]


def _token(batch: LossBatch, settings: LossSettings, b: int, c: int) -> float:
    logp, old = batch.per_token_logps[b, c].item(), batch.old_per_token_logps[b, c].item()
    advantage, rolled_back = ADVANTAGES[b], OFF_POLICY[b]
    if settings.objective.ratio == "shaped" and rolled_back:
        loss = -advantage * math.exp(logp) / (math.exp(logp) + settings.objective.shaping_gamma)
    else:
        ratio = math.exp(logp - old)
        held = min(max(ratio, 1 - settings.epsilon_low), 1 + settings.epsilon_high)
        # The pessimistic bound: whichever of the two promises less.
        loss = -min(ratio * advantage, held * advantage)
    if settings.beta and not (rolled_back and settings.objective.kl_on == "on_policy"):
        assert batch.ref_per_token_logps is not None
        difference = batch.ref_per_token_logps[b, c].item() - logp
        loss += settings.beta * (math.exp(difference) - difference - 1)
    return loss
