"""The three devices with which ContextRL (arXiv 2602.22623) trains on mixed groups.

A mixed group holds on-policy negatives and rolled-back positives: responses that were sampled under the guiding
context and are trained as answers to the original prompt. The paper gives the group and its advantage scaling (not the
value of lambda) and names selective KL without a formula: which tokens it leaves out is our reading, and a setting.
"""

from __future__ import annotations

import math

import torch

from contextrl.objective.settings import KlScope


def scale_mixed_advantages(
    advantages: torch.Tensor,
    mixed: torch.Tensor,
    off_policy: torch.Tensor,
    *,
    mixed_group_scale: float,
    off_policy_scale: float = 1.0,
) -> torch.Tensor:
    """Advantage scaling (arXiv 2602.22623, section 3): A_i <- lambda * A_i for every member of a mixed group.

    Negatives too: one positive beside K = 8 negatives has A = 2.67 and each negative -0.33, and the factor keeps their
    sum zero, which a factor for the positive alone would not.

    Args:
        advantages: [B]; mixed: [B] bool, members of mixed groups; off_policy: [B] bool, rolled-back responses.
        mixed_group_scale: lambda; off_policy_scale: a second factor for rolled-back responses, ours.
    """
    scaled = torch.where(mixed, advantages * mixed_group_scale, advantages)
    return torch.where(off_policy, scaled * off_policy_scale, scaled)


def shaped_ratio(per_token_logps: torch.Tensor, gamma: float) -> torch.Tensor:
    """f(pi) = pi / (pi + gamma) in place of the importance ratio (LUFFY, arXiv 2504.14945, eq. 7), unclipped.

    Its gradient is largest for tokens the policy finds unlikely, where the plain ratio's would vanish.

    Args:
        per_token_logps: [B, C].
    """
    # sigmoid(log pi - log gamma) is pi / (pi + gamma) without leaving log space.
    return torch.sigmoid(per_token_logps - math.log(gamma))


def kl_tokens(mask: torch.Tensor, off_policy: torch.Tensor, scope: KlScope) -> torch.Tensor:
    """Selective KL: which tokens the KL term covers.

    The k3 estimate is wrong for samples that did not come from the policy, and pulling towards the reference on
    knowledge that the reference does not have undoes the recovery.

    Args:
        mask: [B, C]; off_policy: [B] bool.
    """
    if scope == "all":
        return mask
    return mask * (~off_policy).unsqueeze(1)
