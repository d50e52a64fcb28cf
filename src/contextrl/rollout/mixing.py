"""Rollback: kept retries are trained as answers to the original prompt, beside the negatives of their group."""

from __future__ import annotations

from contextrl.objective.settings import Mixing
from contextrl.rollout.groups import Attempt, Group


def mix_group(group: Group, mixing: Mixing = "union", max_positives: int | None = None) -> None:
    """Make a mixed group of an all-negative one, in place; reject the retries that it does not take.

    `union` (arXiv 2602.22623, section 3): all K scored negatives and all kept retries, K + |P| members. `replace`: G
    members, kept retries in the places of the negatives that they came from; some negative always stays, so that there
    is spread. Identical retries are kept once. The prompt of every member is the original one: that is the rollback.

    Args:
        max_positives: most retries that are kept; by default all of them, with `replace` half of the group.
    """
    if mixing == "union":
        kept = _kept(group, max_positives)
        if kept:
            group.members = [*(group.attempts[i] for i in group.negatives), *kept]
        return
    cap = min(max_positives or len(group.attempts) // 2, len(group.negatives) - 1)
    for retry in _kept(group, cap, one_per_negative=True):
        assert retry.parent is not None
        group.members[retry.parent] = retry
    group.replayed = list(group.members)


def _kept(group: Group, cap: int | None, *, one_per_negative: bool = False) -> list[Attempt]:
    """Retries that the filter has passed, without duplicates and what is over the cap, which are rejected."""
    kept: dict[str, Attempt] = {}
    for retry in group.retries:
        if retry.rejection is not None:
            continue
        taken = one_per_negative and any(other.parent == retry.parent for other in kept.values())
        if retry.completion.text in kept:
            retry.rejection = "duplicate"
        elif taken or (cap is not None and len(kept) >= cap):
            retry.rejection = "over_cap"
        else:
            kept[retry.completion.text] = retry
    return list(kept.values())
