"""The three devices with which ContextRL (arXiv 2602.22623) trains on mixed groups.

A mixed group holds on-policy negatives and rolled-back positives: responses that were sampled under the guiding
context and are trained as answers to the original prompt. The paper names the devices and gives no formulas; these
are our choices, each a setting.
"""

from __future__ import annotations

import math

import torch

from contextrl.objective.settings import KlScope


def scale_off_policy_advantages(advantages: torch.Tensor, off_policy: torch.Tensor, scale: float) -> torch.Tensor:
    """Advantage scaling: A_i <- alpha * A_i for rolled-back responses.

    One positive among G = 8 has A = 2.47 and each negative -0.35: alpha keeps that one sample from dominating.
    alpha < 1 leaves a net push away from the negatives.

    Args:
        advantages: [B]; off_policy: [B] bool; scale: alpha.
    """
    return torch.where(off_policy, advantages * scale, advantages)


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
