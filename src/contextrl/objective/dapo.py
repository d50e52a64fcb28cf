"""DAPO (arXiv 2503.14476): token-level loss (eq. 12) and soft overlong punishment (eq. 13).

Clip-higher is `LossSettings.epsilon_high`; dynamic sampling is the rollout's (`contextrl.rollout.dynamic`).
"""

from __future__ import annotations

from contextrl.objective.batch import LossBatch, LossResult, LossSettings
from contextrl.objective.token_loss import logged_sums, token_loss


def dapo_loss(batch: LossBatch, settings: LossSettings) -> LossResult:
    """Every token of the optimizer step weighs the same, so long responses are not diluted."""
    tokens = token_loss(batch, settings)
    loss = (tokens.loss * batch.mask).sum() / batch.token_normalizer
    return LossResult(loss, logged_sums(batch, tokens, settings))


def soft_overlong_penalty(length: int, max_length: int, buffer: int) -> float:
    """Added to the reward: 0 up to max_length - buffer, then linear down to -1 at max_length and beyond.

    Args:
        length: completion tokens.
        max_length: L_max, the generation limit.
        buffer: L_cache, how many tokens before the limit the punishment begins.
    """
    start = max_length - buffer
    if length <= start:
        return 0.0
    if length >= max_length:
        return -1.0
    return (start - length) / buffer
