"""DAPO's token-level average and its soft overlong penalty."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from loss_batches import LENGTHS, looped_token_losses, loss_settings, make_batch, matches_finite_differences

from contextrl.objective.batch import LossBatch
from contextrl.objective.dapo import dapo_loss, soft_overlong_penalty
from contextrl.objective.settings import RatioKind


@pytest.mark.parametrize("ratio", ["rollback", "shaped"])
@pytest.mark.parametrize("normalizer", [15.0, 40.0])
def test_agrees_with_plain_loops(ratio: RatioKind, normalizer: float) -> None:
    settings = loss_settings(epsilon_low=0.1, epsilon_high=0.3, beta=0.3, ratio=ratio)
    # accumulation_steps must not matter: the normalizer already covers the whole optimizer step.
    batch = replace(make_batch(), token_normalizer=normalizer, accumulation_steps=4)
    tokens = looped_token_losses(batch, settings)
    total = sum(sum(row[:length]) for row, length in zip(tokens, LENGTHS, strict=True))
    assert dapo_loss(batch, settings).loss.item() == pytest.approx(total / normalizer, abs=1e-8)


def test_gradient_agrees_with_finite_differences() -> None:
    settings = loss_settings(epsilon_low=0.1, epsilon_high=0.3, beta=0.3)
    assert matches_finite_differences(dapo_loss, replace(make_batch(), token_normalizer=15.0), settings)


def test_every_token_weighs_the_same() -> None:
    # Ratio 1: token losses -2 once and 1 three times: (-2 + 3) / 4 = 0.25; by sequences it would be -0.5.
    mask = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    logps, off_policy = torch.full((2, 3), -1.0), torch.tensor([False, False])
    batch = LossBatch(
        logps, logps, None, torch.tensor([2.0, -1.0]), mask, off_policy, torch.ones(2), 2, token_normalizer=4.0
    )
    assert dapo_loss(batch, loss_settings()).loss.item() == pytest.approx(0.25)


def test_normalizer_may_be_a_tensor() -> None:
    batch = make_batch()
    settings = loss_settings()
    by_float = dapo_loss(replace(batch, token_normalizer=30.0), settings).loss
    by_tensor = dapo_loss(replace(batch, token_normalizer=torch.tensor(30.0, dtype=torch.float64)), settings).loss
    assert by_float.item() == by_tensor.item()


# L_max = 100, L_cache = 20: 0 up to 80, then (80 - length) / 20, then -1.
@pytest.mark.parametrize(
    ("length", "buffer", "penalty"),
    [
        pytest.param(0, 20, 0.0, id="empty"),
        pytest.param(80, 20, 0.0, id="last-free-token"),
        pytest.param(81, 20, -0.05, id="first-punished-token"),
        pytest.param(90, 20, -0.5, id="half-way"),
        pytest.param(99, 20, -0.95, id="last-before-the-limit"),
        pytest.param(100, 20, -1.0, id="at-the-limit"),
        pytest.param(130, 20, -1.0, id="beyond"),
        pytest.param(50, 100, -0.5, id="buffer-of-everything"),
        pytest.param(100, 0, 0.0, id="no-buffer"),
    ],
)
def test_soft_overlong_penalty(length: int, buffer: int, penalty: float) -> None:
    assert soft_overlong_penalty(length, 100, buffer) == pytest.approx(penalty)
