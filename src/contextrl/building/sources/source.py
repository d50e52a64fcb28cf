"""What a source is: a set on the hub, how it is copied, and what its rows ask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contextrl.data.raw_rows import RawRow
from contextrl.records.example import AnswerType, Task


@dataclass(frozen=True)
class Found:
    """One question of a row, as its source has it.

    Attributes:
        question: with its markers of pictures; they are settled afterwards.
        answer: the final answer; empty: it is what the solution ends with.
        images: pictures as the row has them (`{"bytes", "path"}`, paths, bytes), in order.
        solution: a worked solution; empty where the source has none.
        answer_type: None goes by the look of the answer.
        task: None is the source's own.
        id: within the row, for rows with several questions; empty where there is one.
        row_id: of the row, where it has one.
        ratings: the source's own, by name.
        licence: of this row, where it is not the source's.
        origin: fields of the row that are worth keeping (subject, the set that it was taken from).
        documents: as `Example.documents`.
        tolerance: as `Example.tolerance`.
    """

    question: str
    answer: str
    images: Sequence[object] = ()
    solution: str = ""
    answer_type: AnswerType | None = None
    task: Task | None = None
    id: str = ""
    row_id: str = ""
    ratings: Mapping[str, float] = field(default_factory=dict)
    licence: str = ""
    origin: Mapping[str, Any] = field(default_factory=dict)
    documents: Sequence[str] = ()
    tolerance: float | str | None = None


@dataclass(frozen=True)
class Sick:
    """A question that cannot be used, in place of a `Found`.

    Attributes:
        reason: the same few words for all that have the same fault.
        detail: what is special about this one.
        id: as in `Found`.
    """

    reason: str
    detail: str = ""
    id: str = ""


class Source(ABC):
    """A set of questions. One that has several configurations is made for one of them.

    Attributes:
        hub: its id on the hub.
        config: which of its configurations; empty: it has one.
        split: that is trained on.
        revision: that its schema was read at; None: no revision is known here, and the recipe may name one.
        licence: as the hub names licences; empty where none is stated.
        task: of its questions.
        rows_in: the folder of the repository that its rows are in, for sets that have them neither at its top nor in a
            folder of the configuration's name.
        needs_copy: why the hub alone does not do, for sets whose pictures are in an archive; empty: it does.
    """

    hub: str
    config: str = ""
    split: str = "train"
    revision: str | None = None
    licence: str = ""
    task: Task = "reasoning"
    rows_in: str = "data"
    needs_copy: str = ""

    @abstractmethod
    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """What a row asks, in order.

        Raises:
            InputError: the row is not of the documented schema, naming its place and the field; it is then dropped.
        """
