"""Advantage scaling, the shaped ratio and selective KL."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from loss_batches import gradient, loss_settings, make_batch

from contextrl.objective.batch import LossBatch, LossResult, LossSettings
from contextrl.objective.contextrl import kl_tokens, scale_mixed_advantages, shaped_ratio
from contextrl.objective.dapo import dapo_loss
from contextrl.objective.grpo import grpo_loss

Loss = Callable[[LossBatch, LossSettings], LossResult]
LOSSES = pytest.mark.parametrize("loss", [grpo_loss, dapo_loss], ids=["grpo", "dapo"])


def test_every_member_of_a_mixed_group_is_scaled() -> None:
    """Online rows stay as they are; rolled-back ones may get a second factor."""
    advantages = torch.tensor([2.4, -0.4, 1.0, -1.0])
    mixed, off_policy = torch.tensor([True, True, False, False]), torch.tensor([True, False, False, False])
    scaled = scale_mixed_advantages(advantages, mixed, off_policy, mixed_group_scale=0.5)
    assert scaled.tolist() == pytest.approx([1.2, -0.2, 1.0, -1.0])
    twice = scale_mixed_advantages(advantages, mixed, off_policy, mixed_group_scale=0.5, off_policy_scale=0.25)
    assert twice.tolist() == pytest.approx([0.3, -0.2, 1.0, -1.0])


@pytest.mark.parametrize(
    ("probability", "gamma", "value", "slope"),
    [
        # f = p / (p + g); df/d(log p) = p f' = g p / (p + g)^2
        pytest.param(0.1, 0.1, 0.5, 0.25, id="p-equals-gamma"),
        pytest.param(0.9, 0.1, 0.9, 0.09, id="likely"),
        pytest.param(0.4, 0.1, 0.8, 0.16, id="p-0.4"),
        pytest.param(0.3, 0.6, 1 / 3, 2 / 9, id="other-gamma"),
    ],
)
def test_shaped_ratio_by_hand(probability: float, gamma: float, value: float, slope: float) -> None:
    logps = torch.tensor([[math.log(probability)]], dtype=torch.float64, requires_grad=True)
    ratio = shaped_ratio(logps, gamma)
    (found,) = torch.autograd.grad(ratio.sum(), logps)
    assert ratio.item() == pytest.approx(value, rel=1e-6)
    assert found.item() == pytest.approx(slope, rel=1e-6)


def test_shaped_ratio_survives_vanishing_probability() -> None:
    logps = torch.tensor([[-500.0, 0.0]], requires_grad=True)
    ratio = shaped_ratio(logps, 0.1)
    (slope,) = torch.autograd.grad(ratio.sum(), logps)
    assert torch.isfinite(ratio).all()
    assert torch.isfinite(slope).all()


def test_shaped_ratio_replaces_rolled_back_tokens_only() -> None:
    batch = make_batch()
    plain, shaped = (gradient(grpo_loss, batch, loss_settings(ratio=kind)) for kind in ("rollback", "shaped"))
    assert torch.equal(plain[:2], shaped[:2])
    # Row 2, five tokens, A = 0.5, four rows: -A f'(log p) / 5 / 4 with f' = g p / (p + g)^2.
    p = batch.per_token_logps[2, 0].exp().item()
    assert shaped[2, 0].item() == pytest.approx(-0.5 * 0.1 * p / (p + 0.1) ** 2 / 20, rel=1e-6)


def test_shaped_tokens_do_not_need_old_probabilities() -> None:
    batch, settings = make_batch(), loss_settings(ratio="shaped")
    other = batch.old_per_token_logps.clone()
    other[2:] += 3.0
    changed = replace(batch, old_per_token_logps=other)
    assert grpo_loss(batch, settings).loss.item() == grpo_loss(changed, settings).loss.item()
    assert grpo_loss(batch, loss_settings()).loss.item() != grpo_loss(changed, loss_settings()).loss.item()


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        pytest.param("on_policy", [[1, 1, 0], [0, 0, 0]], id="on_policy"),
        pytest.param("all", [[1, 1, 0], [1, 0, 0]], id="all"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.long, torch.bool], ids=str)
def test_kl_tokens(scope: str, expected: list[list[int]], dtype: torch.dtype) -> None:
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]], dtype=dtype)
    assert kl_tokens(mask, torch.tensor([False, True]), scope).int().tolist() == expected  # type: ignore[arg-type]


def with_other_reference(batch: LossBatch, rows: slice) -> LossBatch:
    assert batch.ref_per_token_logps is not None
    other = batch.ref_per_token_logps.clone()
    other[rows] -= 1.3
    return replace(batch, ref_per_token_logps=other)


@LOSSES
def test_selective_kl_ignores_the_reference_on_rolled_back_rows(loss: Loss) -> None:
    batch, settings = make_batch(), loss_settings(beta=0.3, kl_scope="on_policy")
    changed = with_other_reference(batch, slice(2, 4))
    assert loss(batch, settings).loss.item() == loss(changed, settings).loss.item()
    assert torch.equal(gradient(loss, batch, settings), gradient(loss, changed, settings))


@LOSSES
def test_selective_kl_still_covers_on_policy_rows(loss: Loss) -> None:
    batch, settings = make_batch(), loss_settings(beta=0.3, kl_scope="on_policy")
    changed = with_other_reference(batch, slice(0, 2))
    assert loss(batch, settings).loss.item() != loss(changed, settings).loss.item()


@LOSSES
def test_full_kl_covers_rolled_back_rows(loss: Loss) -> None:
    batch, settings = make_batch(), loss_settings(beta=0.3, kl_scope="all")
    changed = with_other_reference(batch, slice(2, 4))
    assert loss(batch, settings).loss.item() != loss(changed, settings).loss.item()
    assert not torch.equal(gradient(loss, batch, settings)[2:], gradient(loss, changed, settings)[2:])


def with_infinite_kl(batch: LossBatch) -> LossBatch:
    """exp(ref - policy) overflows on one rolled-back token."""
    assert batch.ref_per_token_logps is not None
    far = batch.ref_per_token_logps.clone()
    far[2, 0] += 1000.0
    return replace(batch, ref_per_token_logps=far)


@LOSSES
def test_infinite_kl_out_of_scope_does_not_poison_the_loss(loss: Loss) -> None:
    batch, settings = make_batch(), loss_settings(beta=0.3, kl_scope="on_policy")
    poisoned = with_infinite_kl(batch)
    assert loss(poisoned, settings).loss.item() == loss(batch, settings).loss.item()
    assert math.isinf(loss(poisoned, loss_settings(beta=0.3, kl_scope="all")).loss.item())


@LOSSES
def test_infinite_kl_out_of_scope_does_not_poison_the_gradient(loss: Loss) -> None:
    batch, settings = make_batch(), loss_settings(beta=0.3, kl_scope="on_policy")
    assert torch.equal(gradient(loss, with_infinite_kl(batch), settings), gradient(loss, batch, settings))
