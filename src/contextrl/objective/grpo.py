"""GRPO (arXiv 2402.03300, eq. 3): mean over each sequence's tokens, then over sequences."""

from __future__ import annotations

from contextrl.objective.batch import LossBatch, LossResult, LossSettings
from contextrl.objective.token_loss import logged_sums, token_loss


def grpo_loss(batch: LossBatch, settings: LossSettings) -> LossResult:
    """Mean over a sequence's tokens, over a group's members, then over the groups of one optimizer step.

    With W processes, b rows and a micro-batches this is, in the gradient that processes average, a row's loss times
    1 / |g| over the N = W a b / G groups of the step. ContextRL uses it too (arXiv 2602.22623, section 3).
    """
    tokens = token_loss(batch, settings)
    per_sequence = (tokens.loss * batch.mask).sum(-1) / batch.mask.sum(-1).clamp(min=1.0)
    loss = (per_sequence * batch.weights).sum() / (batch.rows * batch.accumulation_steps)
    return LossResult(loss, logged_sums(batch, tokens, settings))
