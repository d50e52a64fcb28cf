"""Where nobody makes references, questions without a solution are left out, unless documents stand in its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from contextrl.answers import check_answer
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
            yield one if one.solution.strip() else _by_its_documents(one) or Dropped(one.id, UNSOLVED)


def _by_its_documents(one: Candidate) -> Candidate | None:
    """With its answer alone as solution, for judges that see documents; None where it has none."""
    stated = f"Answer: {one.answer}"
    if not one.documents or check_answer(stated, one.answer, one.answer_type) is not True:
        return None
    return replace(one, solution=stated, reference="answer")
