"""A question on its way to the training set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from contextrl.answers import check_answer
from contextrl.errors import InputError
from contextrl.records.example import AnswerType, Task
from contextrl.records.jsonl import json_line


@dataclass(frozen=True)
class Candidate:
    """One question with all that the steps have found out about it.

    Attributes:
        id: unique in the build: the source's name and the row's own id or number.
        question: with `<image>` markers where the source says where a picture belongs, else without.
        answer: the final answer.
        source: the source's name in the recipe.
        licence: of the row, as its source states it.
        images: names of its pictures in the build's store, in order.
        solution: the reference solution; empty until there is one.
        reference: how the solution came about: `source` (people or the source's own), `sampled` (a model's, chosen
            among right ones), `answer` (none: the answer alone, beside documents); empty where there is none.
        ratings: the source's ratings by name.
        language: as a two-letter code; empty where nobody has looked.
        tried: responses of the policy that were judged; None where none were.
        right: how many of them were right.
        origin: the source's own fields that are worth keeping (dataset within it, split, row).
        documents: passages or facts that a judge may be shown in place of the solution.
        tolerance: how far a numerical answer may be from `answer`, as `Example.tolerance`.
    """

    id: str
    question: str
    answer: str
    answer_type: AnswerType
    task: Task
    source: str
    licence: str = ""
    images: tuple[str, ...] = ()
    solution: str = ""
    reference: str = ""
    ratings: Mapping[str, float] = field(default_factory=dict)
    language: str = ""
    tried: int | None = None
    right: int | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    documents: tuple[str, ...] = ()
    tolerance: float | str | None = None

    def as_line(self) -> str:
        """One line of JSON, always the same bytes for the same candidate."""
        line = asdict(self)
        if self.tolerance is None:
            # Builds that were begun before there was one go on.
            del line["tolerance"]
        return json_line(line, sort_keys=True)

    def is_stated_in(self, text: str) -> bool:
        """Whether a text ends with the answer, by rule and without doubt."""
        return check_answer(text, self.answer, self.answer_type, tolerance=self.tolerance) is True


@dataclass(frozen=True)
class Dropped:
    """A candidate that a step takes out.

    Attributes:
        reason: a few words, the same for all that are dropped for the same cause: they are counted by it.
        detail: what is special about this one.
    """

    id: str
    reason: str
    detail: str = ""

    def as_line(self) -> str:
        return json_line(asdict(self), sort_keys=True)


_FIELDS = {one.name for one in fields(Candidate)}


def candidate_of(line: Mapping[str, Any], where: str) -> Candidate:
    """What `Candidate.as_line` wrote.

    Raises:
        InputError: it is no such line.
    """
    if not line.keys() <= _FIELDS or "id" not in line:
        raise InputError("a candidate of a build", found=", ".join(map(str, line))[:120], where=where)
    lists = {name: tuple(line.get(name, ())) for name in ("images", "documents")}
    return Candidate(**{**line, **lists})
