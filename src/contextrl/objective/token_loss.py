"""The one path for ratio, clip and KL that every method shares."""

from __future__ import annotations

import torch

from contextrl.objective.batch import LossBatch, LossSettings, TokenLoss, TokenSum
from contextrl.objective.contextrl import kl_tokens, shaped_ratio
from contextrl.records import metrics as names


def k3_kl(per_token_logps: torch.Tensor, ref_per_token_logps: torch.Tensor) -> torch.Tensor:
    """Schulman's k3 estimate of KL(policy || reference) per token: exp(d) - d - 1 with d = log ref - log policy.

    Non-negative, and unbiased for tokens sampled from the policy (arXiv 2402.03300, eq. 4). [B, C] each.
    """
    difference = ref_per_token_logps - per_token_logps
    return torch.exp(difference) - difference - 1


def token_loss(batch: LossBatch, settings: LossSettings) -> TokenLoss:
    """Clipped policy loss plus KL, per token: -w min(rho A, clip(rho) A) + beta KL.

    w corrects for the engine that sampled; it is 1 where the trainer did.

    Args:
        batch: one micro-batch; settings: constants.

    Returns:
        Per-token quantities [B, C], not masked: the caller averages over `batch.mask`.
    """
    advantages = batch.advantages.unsqueeze(1)
    log_ratio = batch.per_token_logps - batch.old_per_token_logps
    rolled_back = batch.off_policy.unsqueeze(1)
    if settings.objective.ratio == "shaped":
        # Selected before exp: what overflows in a branch that is not taken would still make its gradient NaN.
        log_ratio = torch.where(rolled_back, torch.zeros_like(log_ratio), log_ratio)
    ratio = torch.exp(log_ratio)
    low, high = 1 - settings.epsilon_low, 1 + settings.epsilon_high
    loss = -torch.min(ratio * advantages, ratio.clamp(low, high) * advantages)
    clipped_low = (ratio < low) & (advantages < 0)
    clipped_high = (ratio > high) & (advantages > 0)
    if settings.objective.ratio == "shaped":
        shaped = -shaped_ratio(batch.per_token_logps, settings.objective.shaping_gamma) * advantages
        loss = torch.where(rolled_back, shaped, loss)
    if batch.importance is not None:
        loss = loss * batch.importance
    kl = torch.zeros_like(batch.per_token_logps)
    if settings.beta != 0.0:
        if batch.ref_per_token_logps is None:
            raise ValueError("beta is not 0, so the batch needs ref_per_token_logps")
        with torch.no_grad():
            kl = k3_kl(batch.per_token_logps, batch.ref_per_token_logps)
        in_scope = kl_tokens(torch.ones_like(batch.mask), batch.off_policy, settings.objective.kl_on).bool()
        # Out of scope the reference is the policy itself: KL and its gradient are exactly zero there.
        reference = torch.where(in_scope, batch.ref_per_token_logps, batch.per_token_logps.detach())
        loss = loss + settings.beta * k3_kl(batch.per_token_logps, reference)
    return TokenLoss(loss, kl, clipped_low, clipped_high)


def logged_sums(batch: LossBatch, tokens: TokenLoss, settings: LossSettings) -> dict[str, TokenSum]:
    """Token sums behind the logged metrics; names as TRL's where TRL has them."""
    mask = batch.mask.bool()
    rolled_back = batch.off_policy.unsqueeze(1) & mask
    on_policy = mask & ~rolled_back

    def over(values: torch.Tensor, where: torch.Tensor) -> TokenSum:
        return TokenSum(values[where].float().sum(), where.sum().float())

    sums = {
        names.CLIPPED_LOW: over(tokens.clipped_low, mask),
        names.CLIPPED_HIGH: over(tokens.clipped_high, mask),
        names.CLIPPED: over(tokens.clipped_low | tokens.clipped_high, mask),
        names.OFF_POLICY_TOKENS: over(rolled_back, mask),
    }
    if settings.beta != 0.0:
        sums[names.KL] = over(tokens.kl, mask)
        sums[names.KL_ON_POLICY] = over(tokens.kl, on_policy)
        sums[names.KL_OFF_POLICY] = over(tokens.kl, rolled_back)
    return sums
