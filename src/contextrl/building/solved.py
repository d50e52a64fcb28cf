"""Where nobody makes references, questions without a solution are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.pipeline import Context, EachStep

UNSOLVED = "no reference solution"


class Solved(EachStep):
    """The step; it has no settings."""

    name = "solved"

    def identity(self) -> Mapping[str, Any]:
        return {}

    def each(self, candidates: Iterable[Candidate], context: Context) -> Iterator[Candidate | Dropped]:  # noqa: ARG002 - a step's
        for one in candidates:
            yield one if one.solution.strip() else Dropped(one.id, UNSOLVED)
