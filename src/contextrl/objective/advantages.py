"""Group-relative advantages (GRPO, arXiv 2402.03300, section 4.1.2), as TRL computes them.

The trainer takes TRL's own for groups of G, and these for mixed groups, whose sizes TRL does not know; tests hold the
two against each other.
"""

from __future__ import annotations

import torch

#: TRL's constant in the denominator.
STD_EPSILON = 1e-4


def group_advantages(rewards: torch.Tensor, *, scale: bool = True) -> torch.Tensor:
    """A_i = (r_i - mean r) / (std r + 1e-4), with the sample standard deviation (n - 1) over each group.

    Unscored rows (NaN) are left out of mean and deviation and get advantage 0. A group with fewer than two scored
    rows has no spread: advantage 0.

    Args:
        rewards: [N, G], NaN where a judge failed.
        scale: False leaves out the division (Dr. GRPO, arXiv 2503.20783).

    Returns:
        [N, G] advantages.
    """
    scored = ~torch.isnan(rewards)
    count = scored.sum(dim=1, keepdim=True)
    values = torch.where(scored, rewards, torch.zeros_like(rewards))
    mean = values.sum(dim=1, keepdim=True) / count.clamp(min=1)
    centred = torch.where(scored, rewards - mean, torch.zeros_like(rewards))
    if not scale:
        return centred
    variance = centred.square().sum(dim=1, keepdim=True) / (count - 1).clamp(min=1)
    return centred / (variance.sqrt() + STD_EPSILON)
