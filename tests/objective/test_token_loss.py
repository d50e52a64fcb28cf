"""Ratio, clip and KL per token, against plain loops and by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from loss_batches import looped_token_losses, loss_settings, make_batch

from contextrl.objective.batch import LossBatch
from contextrl.objective.settings import KlScope, RatioKind
from contextrl.objective.token_loss import k3_kl, logged_sums, token_loss


@pytest.mark.parametrize("kl_scope", ["on_policy", "all"])
@pytest.mark.parametrize("ratio", ["rollback", "shaped"])
@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_agrees_with_plain_loops(kl_scope: KlScope, ratio: RatioKind, beta: float) -> None:
    settings = loss_settings(epsilon_low=0.1, epsilon_high=0.3, beta=beta, ratio=ratio, kl_scope=kl_scope)
    batch = make_batch()
    expected = torch.tensor(looped_token_losses(batch, settings), dtype=torch.float64)
    # The shaped ratio's gamma is a float32 constant: relative error 1e-8.
    torch.testing.assert_close(token_loss(batch, settings).loss.detach(), expected, rtol=1e-7, atol=1e-7)


def test_batch_clips_on_both_sides_for_both_signs() -> None:
    """Without this the comparison above could pass on a batch that never meets the clip."""
    batch = make_batch()
    ratio = torch.exp(batch.per_token_logps - batch.old_per_token_logps)[batch.mask.bool()]
    positive = (batch.advantages > 0).unsqueeze(1).expand_as(batch.mask)[batch.mask.bool()]
    for sign in (positive, ~positive):
        assert (ratio[sign] < 0.9).any()
        assert (ratio[sign] > 1.3).any()


def one_token(ratio: float, advantage: float, *, off_policy: bool = False) -> LossBatch:
    """A batch of one token whose ratio is `ratio`."""
    logp = torch.tensor([[-1.0]], dtype=torch.float64, requires_grad=True)
    return LossBatch(
        per_token_logps=logp,
        old_per_token_logps=logp.detach() - math.log(ratio),
        ref_per_token_logps=None,
        advantages=torch.tensor([advantage], dtype=torch.float64),
        mask=torch.ones(1, 1),
        off_policy=torch.tensor([off_policy]),
        weights=torch.ones(1),
        rows=1,
    )


# Clip to [0.8, 1.28]; loss = -min(ratio A, clipped A); its gradient by log pi is -ratio A, or 0 where the clip holds.
@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope", "low", "high"),
    [
        pytest.param(1.0, 2.0, -2.0, -2.0, False, False, id="on-policy"),
        pytest.param(1.5, 2.0, -2.56, 0.0, False, True, id="above-and-good: held"),
        pytest.param(1.25, 2.0, -2.5, -2.5, False, False, id="inside-because-high-is-higher"),
        pytest.param(0.5, 2.0, -1.0, -1.0, False, False, id="below-and-good: free"),
        pytest.param(0.5, -2.0, 1.6, 0.0, True, False, id="below-and-bad: held"),
        pytest.param(1.5, -2.0, 3.0, 3.0, False, False, id="above-and-bad: free"),
        pytest.param(1.5, 0.0, 0.0, 0.0, False, False, id="no-advantage"),
    ],
)
def test_clip_by_hand(ratio: float, advantage: float, loss: float, slope: float, low: bool, high: bool) -> None:
    batch = one_token(ratio, advantage)
    tokens = token_loss(batch, loss_settings(epsilon_low=0.2, epsilon_high=0.28))
    (gradient,) = torch.autograd.grad(tokens.loss.sum(), batch.per_token_logps)
    assert tokens.loss.item() == pytest.approx(loss)
    assert gradient.item() == pytest.approx(slope)
    assert (tokens.clipped_low.item(), tokens.clipped_high.item()) == (low, high)


def test_shaped_tokens_are_never_clipped() -> None:
    batch = one_token(1.5, 2.0, off_policy=True)
    tokens = token_loss(batch, loss_settings(ratio="shaped"))
    assert not tokens.clipped_high.item()
    # Under rollback the same token is.
    assert token_loss(batch, loss_settings()).clipped_high.item()


@pytest.mark.parametrize(
    ("policy", "reference", "expected"),
    [
        # d = log ref - log pi; exp(d) - d - 1
        pytest.param(0.5, 0.5, 0.0, id="equal"),
        pytest.param(0.5, 1.0, 2 - math.log(2) - 1, id="reference-likelier"),  # 0.306853
        pytest.param(1.0, 0.5, 0.5 + math.log(2) - 1, id="policy-likelier"),  # 0.193147
    ],
)
def test_k3_by_hand(policy: float, reference: float, expected: float) -> None:
    policy_logps, ref_logps = torch.tensor([[math.log(policy)]]), torch.tensor([[math.log(reference)]])
    assert k3_kl(policy_logps, ref_logps).item() == pytest.approx(expected, abs=1e-6)


def test_k3_is_unbiased_for_samples_of_the_policy() -> None:
    policy, reference = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([0.6, 0.3, 0.1])
    # Its expectation under the policy is KL(policy || reference), term by term.
    expectation = (policy * k3_kl(policy.log(), reference.log())).sum().item()
    assert expectation == pytest.approx(sum(p * math.log(p / q) for p, q in ((0.2, 0.6), (0.3, 0.3), (0.5, 0.1))))


def test_beta_without_reference_raises() -> None:
    batch = replace(make_batch(), ref_per_token_logps=None)
    with pytest.raises(ValueError, match="ref_per_token_logps"):
        token_loss(batch, loss_settings(beta=0.1))
    assert token_loss(batch, loss_settings(beta=0.0)).kl.abs().max() == 0


def test_kl_is_reported_on_every_token_whatever_its_scope() -> None:
    batch = make_batch()
    scoped = token_loss(batch, loss_settings(beta=0.3, kl_scope="on_policy"))
    assert torch.equal(scoped.kl, token_loss(batch, loss_settings(beta=0.3, kl_scope="all")).kl)
    assert (scoped.kl > 0).all()
    assert not scoped.kl.requires_grad


def test_logged_sums_count_completion_tokens_by_scope() -> None:
    batch, settings = make_batch(), loss_settings(beta=0.3)
    tokens = token_loss(batch, settings)
    sums = logged_sums(batch, tokens, settings)
    counts = {name: value.count.item() for name, value in sums.items()}
    # Rows of 6, 3, 5 and 1 tokens, the last two rolled back: 15 tokens, 9 on-policy, 6 off.
    assert counts == {
        "clip_ratio/low_mean": 15,
        "clip_ratio/high_mean": 15,
        "clip_ratio/region_mean": 15,
        "off_policy/token_share": 15,
        "kl": 15,
        "kl/on_policy": 9,
        "kl/off_policy": 6,
    }
    assert sums["off_policy/token_share"].total.item() == 6
    by_hand = sum(tokens.kl[b, c].item() for b, length in ((2, 5), (3, 1)) for c in range(length))
    assert sums["kl/off_policy"].total.item() == pytest.approx(by_hand, rel=1e-5)
    held = sum(bool(tokens.clipped_low[b, c]) for b, length in enumerate((6, 3, 5, 1)) for c in range(length))
    assert sums["clip_ratio/low_mean"].total.item() == held
    region = sums["clip_ratio/region_mean"].total.item()
    assert region == held + sums["clip_ratio/high_mean"].total.item()
    assert region > 0
    assert "kl" not in logged_sums(batch, tokens, loss_settings(beta=0.0))


def test_the_correction_for_the_engine_scales_the_policy_loss_and_not_the_kl() -> None:
    batch = make_batch()
    weights = 0.5 + torch.rand(4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    plain = token_loss(batch, loss_settings(beta=0.0)).loss
    kl = token_loss(batch, loss_settings(beta=0.3)).loss - plain
    corrected = token_loss(replace(batch, importance=weights), loss_settings(beta=0.3)).loss
    torch.testing.assert_close(corrected, plain * weights + kl)
    of_sequences = token_loss(replace(batch, importance=weights[:, :1]), loss_settings(beta=0.0)).loss
    torch.testing.assert_close(of_sequences, plain * weights[:, :1])
