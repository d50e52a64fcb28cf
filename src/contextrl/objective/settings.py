"""The `objective` section: what is optimised beside TRL's own settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contextrl.settings import Section

RatioKind = Literal["rollback", "shaped"]
KlScope = Literal["on_policy", "all"]
Mixing = Literal["union", "replace"]
TrainedTokens = Literal["all", "after_divergence", "after_wrong_step"]


class ObjectiveSettings(Section):
    mixing: Mixing = "union"
    """Mixed groups. `union`: all scored negatives and all kept retries (arXiv 2602.22623, section 3). `replace`: a kept
    retry takes the place of the negative that it came from, so that groups keep their size; ours, for comparison."""
    mixed_group_scale: float = Field(0.5, gt=0, le=1)
    """lambda: what the advantages of every member of a mixed group are multiplied by, negatives too (the paper's
    advantage scaling, which gives no value); it limits what mixed groups do to the policy's entropy."""
    off_policy_advantage_scale: float = Field(1.0, gt=0)
    """A second factor, for rolled-back responses alone; ours, off by default."""
    rolled_back_tokens: TrainedTokens = "all"
    """Tokens of rolled-back retries that are trained: all of them, or only those from the first on in which a retry
    differs from its failed attempt (`after_divergence`, ours), or those from the step on that the mistake report names
    as the first wrong one (`after_wrong_step`, ours): what was right already gets no gradient. A retry whose report
    names no step, or one that the retry does not have, is trained whole; `off_policy/unaligned` is their share."""
    ratio: RatioKind = "rollback"
    """`rollback` treats rolled-back tokens as any other, pi_old recomputed under the original prompt; `shaped` puts
    pi / (pi + gamma) in place of their ratio (LUFFY, arXiv 2504.14945)."""
    shaping_gamma: float = Field(0.1, gt=0)
    """gamma of the shaped ratio."""
    kl_scope: KlScope | None = None
    """Tokens of the KL term; by default on_policy for `contextrl` and all for every other method."""
    answer_only_reward: float = Field(0.0, ge=0, le=1)
    """Reward of a right answer by a wrong process, which the judge finds incorrect: 0 is the paper's, 1 that of a
    correct response. What is positive stays the verdict's: all-negative groups, retries that are kept, accuracies."""
    overlong_buffer: int = Field(0, ge=0)
    """DAPO's soft overlong penalty begins so many tokens before max_completion_length; 0 is off."""

    @property
    def kl_on(self) -> KlScope:
        """Tokens of the KL term: where no method has said otherwise, those that the policy sampled."""
        return self.kl_scope or "on_policy"
