"""Labelled responses: the miniature's, ProcessBench, VisualProcessBench, and one's own."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from contextrl.data.example import Example
from contextrl.errors import InputError
from contextrl.judge.bench.measures import Label, label_of
from contextrl.judge.response_rows import image_problems, problems_error, read_response_rows
from contextrl.judge.types import ReferenceContext

#: Responses drawn from the miniature where nothing says otherwise.
MINIATURE_ITEMS = 600
#: What `--data` may be.
FORMS = "miniature, processbench:PATH, visualprocessbench:PATH or FILE.jsonl"


@dataclass(frozen=True)
class Labelled:
    """A response whose correctness is known.

    Attributes:
        example: question, images and whatever reference there is (`answer` and `solution` may be empty).
        response: what is judged.
        label: its class.
    """

    example: Example
    response: str
    label: Label

    @property
    def question_key(self) -> str:
        """The same for all responses to one question: its text and its images."""
        shown = self.example.image_ids or [str(handle) for handle in self.example.images if isinstance(handle, Path)]
        return " ".join([self.example.question, *shown])


@dataclass(frozen=True)
class LabelledSet:
    """Labelled responses and what is known of them.

    Attributes:
        name: as the command was given it.
        items: the responses.
        left_out: responses that cannot be used, by reason.
    """

    name: str
    items: Sequence[Labelled]
    left_out: Mapping[str, int]

    def contexts(self) -> tuple[ReferenceContext, ...]:
        """The reference contexts that every item can serve."""
        served: list[ReferenceContext] = ["none"]
        if all(item.example.answer for item in self.items):
            served.append("answer")
            if all(item.example.solution for item in self.items):
                served.append("solution")
        return tuple(served)


def load_labelled(spec: str, *, limit: int | None = None, references: Path | None = None, seed: int = 0) -> LabelledSet:
    """Read a labelled set from local files.

    Args:
        spec: see `FORMS`. A file of one's own has the columns of `judge verify` and `answer_correct`,
            `process_correct`; its references may be missing.
        limit: only so many items, drawn at random and kept in their order: files are often sorted by class.
        references: JSONL of `id` or `question`, `answer` and `solution`, for sets that lack them. Items without one
            are then left out.
        seed: of the miniature's responses and of the draw.

    Raises:
        InputError: a file is missing or a row is wrong, naming it.
    """
    from contextrl.judge.bench.public_sets import READERS, read_public_set
    from contextrl.judge.bench.references import add_references

    name, _, path = spec.partition(":")
    left_out: Counter[str] = Counter()
    if spec == "miniature":
        from contextrl.miniature.labelled import labelled_items

        drawn = labelled_items("test", limit or MINIATURE_ITEMS, seed=seed)
        items = [Labelled(item.example, item.response, item.label) for item in drawn]
    elif name in READERS:
        items, left_out = read_public_set(name, Path(path))
    else:
        items = _own(Path(spec))
    if references is not None:
        items, left_out = add_references(items, references, left_out)
    if limit is not None and limit < len(items):
        items = [items[index] for index in sorted(random.Random(seed).sample(range(len(items)), limit))]
    if not items:
        raise InputError("at least one labelled response", found="none", where=spec)
    _check_images(items, spec)
    return LabelledSet(spec, items, dict(left_out))


def _own(path: Path) -> list[Labelled]:
    """The columns of `judge verify` and two booleans."""
    if not path.is_file():
        raise InputError(FORMS, found=f"no such file: {str(path)!r}", where="--data")
    flags = ("answer_correct", "process_correct")
    # Read as if the judge saw nothing of the references: where they are missing, their contexts are refused later.
    rows = read_response_rows(path, "none", limit=0, flags=flags)
    return [
        Labelled(row.example, row.response, label_of(**{flag: row.columns[flag] for flag in flags})) for row in rows
    ]


def _check_images(items: Sequence[Labelled], where: str) -> None:
    found = [f"item {items[index].example.id!r}, {text}" for index, text in image_problems([i.example for i in items])]
    if found:
        raise problems_error(found, total=f"{len(items)} items", where=where)


def with_reference(item: Labelled, answer: str, solution: str) -> Labelled:
    """The item with what is given of a reference."""
    example = item.example
    return replace(
        item, example=replace(example, answer=answer or example.answer, solution=solution or example.solution)
    )
