"""GRPO (arXiv 2402.03300, eq. 3): mean over each sequence's tokens, then over sequences."""

from __future__ import annotations

from contextrl.objective.batch import LossBatch, LossResult, LossSettings
from contextrl.objective.token_loss import logged_sums, token_loss


def grpo_loss(batch: LossBatch, settings: LossSettings) -> LossResult:
    """Sequence-level mean, divided by the accumulation steps of one optimizer step. ContextRL uses it too."""
    tokens = token_loss(batch, settings)
    per_sequence = (tokens.loss * batch.mask).sum(-1) / batch.mask.sum(-1).clamp(min=1.0)
    return LossResult(per_sequence.mean() / batch.accumulation_steps, logged_sums(batch, tokens, settings))
