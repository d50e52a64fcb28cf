"""Stage 2 only while it pays: kinds of questions whose groups are seldom recovered are retried less often.

Thompson sampling against a threshold. Of each kind it is remembered how many of the groups that were retried lately
were recovered; before a group is sampled, a share is drawn from the Beta distribution that these counts leave, and the
group is retried only if the share is large enough. A small part is retried whatever is drawn, so that a kind that has
become recoverable is found out about.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from contextrl.records.example import Example
from contextrl.rollout.groups import Group
from contextrl.rollout.seeds import seed_of
from contextrl.rollout.settings import BudgetSettings

#: By kind: groups that were retried, and those of them that were recovered.
Outcomes = dict[str, tuple[float, float]]
#: One value from each process, in their order; collective.
Exchange = Callable[[Outcomes], Sequence[Mapping[str, Sequence[float]]]]


def kind_of(example: Example) -> str:
    """What groups are told apart by: where a row comes from, or its task where it does not say."""
    return example.source or example.task


class RecoveryBudget:
    """Decides which groups stage 2 may retry. The same on every process, and from group to group only by its seed.

    Args:
        settings: see `BudgetSettings`.
        exchange: see `Exchange`.

    Attributes:
        counts: of each kind, as `Outcomes`; older ones count for less.
    """

    def __init__(self, settings: BudgetSettings, exchange: Exchange) -> None:
        self.settings, self.exchange = settings, exchange
        self.counts: Outcomes = {}

    def allows(self, group: Group) -> bool:
        """Whether a group is to be retried if all of its samples are wrong."""
        least = self.settings.least_recovery
        if least is None:
            return True
        tried, recovered = self.counts.get(kind_of(group.example), (0.0, 0.0))
        chance = random.Random(seed_of(group.seed, "budget"))
        if chance.random() < self.settings.exploration:
            return True
        return chance.betavariate(1 + recovered, 1 + tried - recovered) >= least

    def learn(self, groups: Sequence[Group]) -> None:
        """Count what became of the groups that were retried, on all processes."""
        if self.settings.least_recovery is None:
            return
        found: Outcomes = {}
        for group in groups:
            if group.retries:
                tried, recovered = found.get(kind_of(group.example), (0.0, 0.0))
                found[kind_of(group.example)] = (tried + 1, recovered + group.recovered)
        for of_process in self.exchange(found):
            self._add(of_process)

    def _add(self, outcomes: Mapping[str, Sequence[float]]) -> None:
        for kind, (more, of_these) in outcomes.items():
            tried, recovered = self.counts.get(kind, (0.0, 0.0))
            kept = (1 - 1 / self.settings.window) ** more
            self.counts[kind] = (tried * kept + more, recovered * kept + of_these)

    def restore(self, counts: Mapping[str, Sequence[float]] | None) -> None:
        """Take back the counts of a checkpoint; one of a run without a budget has none."""
        self.counts = {kind: (tried, recovered) for kind, (tried, recovered) in (counts or {}).items()}
