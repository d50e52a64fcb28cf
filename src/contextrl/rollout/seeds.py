"""Seeds of samples: what is sampled depends on the run, the step and the place of a sample, never on the order of work.

Groups can then be sampled, judged and retried in any order and on any number of processes, and a resumed run samples
what it would have sampled.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

#: Seeds are positive and fit the signed 64 bits that engines take, with room for what is added to them.
_BITS = 62


def seed_of(*parts: object) -> int:
    """A seed that differs wherever any of the parts does."""
    digest = blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % (1 << _BITS)


class GroupSeeds:
    """Seeds of the groups of one rollout.

    Args:
        run: the run's seed.
        step: which rollout of the run it is.
    """

    def __init__(self, run: int, step: int) -> None:
        self.run, self.step = run, step
        self._met: Counter[int] = Counter()

    def of(self, row: int) -> int:
        """The seed of a group's first sample; sample i has the i-th after it. A row that comes again has others."""
        times = self._met[row]
        self._met[row] += 1
        return seed_of(self.run, self.step, row, times, "data")

    def of_refill(self, row: int, number: int) -> int:
        """The same for a row that dynamic sampling draws, the `number`-th of all that it has drawn."""
        return seed_of(self.run, self.step, row, number, "refill")


def retry_seed(group: int, parent: int, sample: int) -> int:
    """The seed of a retry of stage-1 attempt `parent` of a group."""
    return seed_of(group, "retry", parent, sample)


def seed_again(group: int, retried: int) -> int:
    """The seed of a retry, in a later round, of the `retried`-th retry of a group."""
    return seed_of(group, "again", retried)
