"""Dynamic sampling (DAPO, arXiv 2503.14476, section 3.2): refill groups without spread, within a bound.

DAPO draws prompts until the batch is full of groups whose rewards differ. An unbounded loop hangs on a policy that
has solved (or never solves) its data, so the number of rounds is a setting, and what is still without spread then
stays in the batch (with advantage 0, but for DAPO's overlong penalty).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from contextrl.rollout.groups import Group

#: Samples, judges and returns fresh groups for data rows; the second argument is the first one's number among all rows
#: that refills have drawn, the others' follow it.
RollOut = Callable[[Sequence[int], int], list[Group]]
#: From how many rows are needed here to how many are on the processes before this one, and on all of them.
ShareOut = Callable[[int], tuple[int, int]]


class RefillCursor:
    """Which rows a refill draws next: a seeded shuffle of the data, independent of the loader, resumable.

    Args:
        num_rows: rows in the data.
        seed: shuffles; the same on every process, all of which draw together and share out what is drawn.
    """

    def __init__(self, num_rows: int, seed: int) -> None:
        self.num_rows, self.seed, self.position = num_rows, seed, 0
        self._shuffled: tuple[int, list[int]] | None = None

    def draw(self, count: int) -> list[int]:
        """The next `count` rows; every row comes once before any comes again."""
        rows = []
        for _ in range(count):
            epoch, place = divmod(self.position, self.num_rows)
            rows.append(self._order(epoch)[place])
            self.position += 1
        return rows

    def _order(self, epoch: int) -> list[int]:
        if self._shuffled is None or self._shuffled[0] != epoch:
            order = list(range(self.num_rows))
            random.Random(f"refill-{self.seed}-{epoch}").shuffle(order)
            self._shuffled = (epoch, order)
        return self._shuffled[1]


def refill(
    groups: list[Group],
    needs_refill: Callable[[Group], bool],
    roll_out: RollOut,
    cursor: RefillCursor,
    *,
    max_rounds: int,
    share_out: ShareOut,
) -> list[Group]:
    """Replace groups without spread by fresh ones that have it, in place.

    Args:
        groups: this process's groups.
        needs_refill: whether a group has zero or undefined spread.
        roll_out: see `RollOut`; called with no rows where only other processes need some.
        max_rounds: bound on the rounds of sampling.
        share_out: see `ShareOut`; collective.

    Returns:
        All groups sampled in addition, also those without spread.
    """
    sampled: list[Group] = []
    for _ in range(max_rounds):
        open_places = [n for n, group in enumerate(groups) if needs_refill(group)]
        before, total = share_out(len(open_places))
        if not total:
            break
        first = cursor.position + before
        fresh = roll_out(cursor.draw(total)[before : before + len(open_places)], first)
        sampled += fresh
        # Each in the place that it was drawn for: a batch then becomes the same whoever holds which part of it.
        for place, group in zip(open_places, fresh, strict=True):
            if not needs_refill(group):
                group.refilled = True
                groups[place] = group
    return sampled
