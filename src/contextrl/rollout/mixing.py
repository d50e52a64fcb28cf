"""Rollback: kept retries take the slots of the negatives they came from."""

from __future__ import annotations

from contextrl.rollout.groups import Group


def mix_group(group: Group, max_positives: int | None) -> None:
    """Fill `group.slots` with the stage-1 attempts and the kept retries; reject what does not fit, in place.

    At most `max_positives` (by default G / 2) and scored negatives - 1 retries are kept, so that scored negatives
    remain and the group has spread. Identical retries are kept once. The prompt of every slot is the original one: that
    is the rollback.
    """
    cap = min(max_positives or len(group.attempts) // 2, len(group.negatives) - 1)
    slots = list(group.attempts)
    taken: set[int] = set()
    texts: set[str] = set()
    for retry in group.retries:
        if retry.rejection is not None:
            continue
        assert retry.parent is not None
        if retry.completion.text in texts:
            retry.rejection = "duplicate"
        elif len(taken) >= cap or retry.parent in taken:
            retry.rejection = "over_cap"
        else:
            slots[retry.parent] = retry
            taken.add(retry.parent)
            texts.add(retry.completion.text)
    group.slots = slots
