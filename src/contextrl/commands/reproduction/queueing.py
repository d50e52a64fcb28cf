"""Which run is begun next, so that no processor waits for what another is making."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from contextrl.commands.reproduction.arms import Arm
from contextrl.commands.reproduction.artifacts import Pantry

#: An arm and a seed.
Run: TypeAlias = tuple[Arm, int]


class RunQueue:
    """Runs that have not begun.

    Those that make artifacts come before the others of their seed: what waits for them, and takes long for it, is then
    not left for the end, when nothing else is there to be done.

    Args:
        runs: in the order in which they were asked for.
        pantry: knows which artifacts are there.
    """

    def __init__(self, runs: Sequence[Run], pantry: Pantry) -> None:
        seeds = list(dict.fromkeys(seed for _, seed in runs))
        self._pantry = pantry
        self._left = sorted(runs, key=lambda run: (seeds.index(run[1]), not self._to_be_made(run)))

    def __len__(self) -> int:
        return len(self._left)

    def clear(self) -> None:
        """Begin none of them."""
        self._left.clear()

    def next(self, running: Sequence[Run]) -> Run | None:
        """Take the first that needs nothing that others are about to make; None where all have to wait.

        Args:
            running: runs that have begun and are not done.
        """
        making = {place for run in running for place in self._to_be_made(run)}
        for run in self._left:
            if making.isdisjoint(self._to_be_made(run)):
                self._left.remove(run)
                return run
        return None

    def _to_be_made(self, run: Run) -> set[Path]:
        arm, seed = run
        return self._pantry.missing(arm.needs, seed)
