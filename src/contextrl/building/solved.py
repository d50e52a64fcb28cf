"""Where nobody makes references, questions without a solution that ends with the answer are left out, unless documents
stand in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.filters import UNVERIFIED
from contextrl.building.pipeline import Context, EachStep
from contextrl.building.references import ends_with_answer

UNSOLVED = "no reference solution"


class Solved(EachStep):
    """The step; it has no settings."""

    name = "solved"

    def identity(self) -> Mapping[str, Any]:
        return {"version": 2}

    def each(self, candidates: Iterable[Candidate], context: Context) -> Iterator[Candidate | Dropped]:  # noqa: ARG002 - a step's
        for one in candidates:
            if one.solution.strip() and ends_with_answer(one.solution, one):
                yield one
            else:
                # One such row, and a run would refuse the set.
                reason = UNVERIFIED if one.solution.strip() else UNSOLVED
                yield _by_its_documents(one) or Dropped(one.id, reason, one.solution.strip()[-80:])


def _by_its_documents(one: Candidate) -> Candidate | None:
    """With its answer alone as solution, for judges that see documents; None where it has none."""
    stated = f"Answer: {one.answer}"
    if not one.documents or not one.is_stated_in(stated):
        return None
    return replace(one, solution=stated, reference="answer")
