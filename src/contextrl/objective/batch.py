"""What a loss takes and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from contextrl.objective.settings import ObjectiveSettings


@dataclass(frozen=True)
class LossSettings:
    """Constants of a loss: TRL's and ours.

    Attributes:
        epsilon_low, epsilon_high: the ratio is clipped to [1 - epsilon_low, 1 + epsilon_high].
        beta: weight of the KL term; 0 leaves it out.
        objective: the method's own.
    """

    epsilon_low: float = 0.2
    epsilon_high: float = 0.2
    beta: float = 0.0
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)


@dataclass(frozen=True)
class LossBatch:
    """One micro-batch.

    Attributes:
        per_token_logps: [B, C] under the policy, with gradient.
        old_per_token_logps: [B, C] under the policy that sampled, given the original prompt.
        ref_per_token_logps: [B, C] under the reference model, or None where beta is 0.
        advantages: [B], already scaled.
        mask: [B, C], 1 for tokens that count.
        off_policy: [B] bool, True for rolled-back responses.
        importance: [B, C] or [B, 1], what corrects for an engine that samples from another distribution than the
            trainer's (truncated importance sampling), 1 for rolled-back responses; None where it is the same.
        weights: [B], G / (size of the row's group): a group's loss is the mean over its own members, and groups weigh
            the same whatever their size. 1 in online groups, 0 in rows that are members of no group.
        rows: what the sum of weighted rows is divided by: rows of a micro-batch if all groups had G members.
        accumulation_steps: micro-batches in one optimizer step.
        token_normalizer: what the token-level loss divides by: completion tokens of one optimizer step, per process.
    """

    per_token_logps: torch.Tensor
    old_per_token_logps: torch.Tensor
    ref_per_token_logps: torch.Tensor | None
    advantages: torch.Tensor
    mask: torch.Tensor
    off_policy: torch.Tensor
    weights: torch.Tensor
    rows: int
    accumulation_steps: int = 1
    importance: torch.Tensor | None = None
    token_normalizer: torch.Tensor | float = 1.0


@dataclass(frozen=True)
class TokenLoss:
    """Per-token quantities, all [B, C] and detached but for `loss`.

    Attributes:
        loss: policy loss plus beta times KL in scope.
        kl: k3 estimate on every token, in scope or not; zero where beta is 0.
        clipped_low, clipped_high: tokens whose ratio the clip holds.
    """

    loss: torch.Tensor
    kl: torch.Tensor
    clipped_low: torch.Tensor
    clipped_high: torch.Tensor


@dataclass(frozen=True)
class TokenSum:
    """A sum over tokens and their number, so that processes can be added before dividing."""

    total: torch.Tensor
    count: torch.Tensor

    def plus(self, total: torch.Tensor, count: torch.Tensor) -> TokenSum:
        """With further tokens."""
        return TokenSum(self.total + total, self.count + count)


@dataclass(frozen=True)
class LossResult:
    """`loss`: scalar with gradient. `sums`: named token sums for logging."""

    loss: torch.Tensor
    sums: dict[str, TokenSum] = field(default_factory=dict)
