"""GRPO's average: tokens of a sequence, then sequences."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from loss_batches import LENGTHS, looped_token_losses, loss_settings, make_batch, matches_finite_differences

from contextrl.objective.batch import LossBatch
from contextrl.objective.grpo import grpo_loss
from contextrl.objective.settings import KlScope, RatioKind


@pytest.mark.parametrize("kl_scope", ["on_policy", "all"])
@pytest.mark.parametrize("ratio", ["rollback", "shaped"])
@pytest.mark.parametrize("steps", [1, 4])
def test_agrees_with_plain_loops(kl_scope: KlScope, ratio: RatioKind, steps: int) -> None:
    settings = loss_settings(epsilon_low=0.1, epsilon_high=0.3, beta=0.3, ratio=ratio, kl_scope=kl_scope)
    batch = replace(make_batch(), accumulation_steps=steps)
    tokens = looped_token_losses(batch, settings)
    rows = [sum(row[:length]) / length for row, length in zip(tokens, LENGTHS, strict=True)]
    assert grpo_loss(batch, settings).loss.item() == pytest.approx(sum(rows) / 4 / steps, abs=1e-8)


@pytest.mark.parametrize("ratio", ["rollback", "shaped"])
def test_gradient_agrees_with_finite_differences(ratio: RatioKind) -> None:
    settings = loss_settings(epsilon_low=0.1, epsilon_high=0.3, beta=0.3, ratio=ratio)
    assert matches_finite_differences(grpo_loss, make_batch(), settings)


def flat_batch(advantages: list[float], mask: list[list[float]]) -> LossBatch:
    """Every ratio is 1, so a token's loss is minus its row's advantage."""
    weights = torch.tensor(mask)
    logps = torch.full_like(weights, -1.0)
    off_policy = torch.zeros(len(advantages), dtype=torch.bool)
    return LossBatch(logps, logps, None, torch.tensor(advantages), weights, off_policy)


def test_long_and_short_sequences_weigh_the_same() -> None:
    # Sequence means -2 (one token) and -(-1) (three): (-2 + 1) / 2 = -0.5; over tokens it would be (-2 + 3) / 4.
    batch = flat_batch([2.0, -1.0], [[1, 0, 0], [1, 1, 1]])
    assert grpo_loss(batch, loss_settings()).loss.item() == pytest.approx(-0.5)


def test_sequence_without_tokens_adds_nothing_but_counts() -> None:
    # Means 0 (nothing to average) and -4: -4 / 2.
    batch = flat_batch([9.0, 4.0], [[0, 0], [1, 1]])
    assert grpo_loss(batch, loss_settings()).loss.item() == pytest.approx(-2.0)


def test_padding_gets_no_gradient() -> None:
    batch = make_batch()
    (slope,) = torch.autograd.grad(grpo_loss(batch, loss_settings(beta=0.3)).loss, batch.per_token_logps)
    assert slope[batch.mask == 0].abs().max() == 0
    assert slope[batch.mask == 1].abs().max() > 0


def test_sums_for_logging_come_with_the_loss() -> None:
    sums = grpo_loss(make_batch(), loss_settings(beta=0.3)).sums
    assert sums["kl"].count.item() == sum(LENGTHS)
