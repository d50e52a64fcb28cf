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
    tokens, rows = torch.tensor(mask), len(advantages)
    logps = torch.full_like(tokens, -1.0)
    off_policy = torch.zeros(rows, dtype=torch.bool)
    return LossBatch(logps, logps, None, torch.tensor(advantages), tokens, off_policy, torch.ones(rows), rows)


def test_long_and_short_sequences_weigh_the_same() -> None:
    # Sequence means -2 (one token) and -(-1) (three): (-2 + 1) / 2 = -0.5; over tokens it would be (-2 + 3) / 4.
    batch = flat_batch([2.0, -1.0], [[1, 0, 0], [1, 1, 1]])
    assert grpo_loss(batch, loss_settings()).loss.item() == pytest.approx(-0.5)


def test_groups_weigh_the_same_whatever_their_size() -> None:
    # G = 2. A group of 2 with losses -1 and 1 has the mean 0; a mixed one of 4 with losses -3, 1, 1, -2: -3/4.
    # Over the two groups: -3/8. By hand with weights G / |g| = 1 and 1/2, over 4 rows: (0 + (-3) / 2) / 4 = -3/8.
    batch = flat_batch([1.0, -1.0, 3.0, -1.0, -1.0, 2.0], [[1.0]] * 6)
    batch = replace(batch, weights=torch.tensor([1.0, 1.0, 0.5, 0.5, 0.5, 0.5]), rows=4)
    assert grpo_loss(batch, loss_settings()).loss.item() == pytest.approx(-3 / 8)


def test_rows_without_weight_add_nothing() -> None:
    batch = replace(flat_batch([1.0, 5.0], [[1.0]] * 2), weights=torch.tensor([1.0, 0.0]), rows=1)
    assert grpo_loss(batch, loss_settings()).loss.item() == pytest.approx(-1.0)


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
