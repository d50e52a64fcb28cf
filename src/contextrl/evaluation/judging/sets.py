"""Sets of labelled responses: ProcessBench, VisualProcessBench, one's own, and those that a plug-in names."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contextrl.data.confinement import check_confined
from contextrl.data.problems import problems_error
from contextrl.errors import InputError
from contextrl.evaluation.judging.labelled import Labelled
from contextrl.evaluation.judging.measures import label_of
from contextrl.evaluation.judging.public_sets import READERS, read_public_set
from contextrl.evaluation.judging.references import add_references
from contextrl.evaluation.judging.response_rows import read_response_rows, wrong_images
from contextrl.records.verdict import ReferenceContext

#: What `--data` may be, beside names.
FORMS = "processbench:PATH, visualprocessbench:PATH or FILE.jsonl"
#: Gives so many labelled responses (None: as many as it thinks fit) by a seed.
NamedSet = Callable[[int | None, int], Sequence[Labelled]]


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
            if all(item.example.documents for item in self.items):
                served.append("documents")
            if all(item.example.solution for item in self.items):
                served.append("solution")
        return tuple(served)


def load_labelled(
    spec: str,
    *,
    limit: int | None = None,
    references: Path | None = None,
    seed: int = 0,
    named: Mapping[str, NamedSet] | None = None,
    allow_outside: bool = False,
) -> LabelledSet:
    """Read a labelled set from local files, or take one that has a name.

    Args:
        spec: see `FORMS`. A file of one's own has the columns of `judge verify` and `answer_correct`,
            `process_correct`; its references may be missing.
        limit: only so many items, drawn at random and kept in their order: files are often sorted by class.
        references: JSONL of `id` or `question`, `answer` and `solution`, for sets that lack them. Items without one
            are then left out.
        seed: of named sets and of the draw.
        named: sets that need no file.
        allow_outside: take pictures from anywhere; by default from the set's folder only.

    Raises:
        InputError: a file is missing or a row is wrong, naming it.
    """
    name, _, path = spec.partition(":")
    left_out: Counter[str] = Counter()
    if named and spec in named:
        items = list(named[spec](limit, seed))
    elif name in READERS:
        items, left_out = read_public_set(name, Path(path))
        if not allow_outside:
            folder = Path(path) if Path(path).is_dir() else Path(path).parent
            check_confined([item.example for item in items], [folder], where=spec)
    else:
        items = _own(Path(spec), tuple(named or ()), allow_outside=allow_outside)
    if references is not None:
        items, left_out = add_references(items, references, left_out)
    if limit is not None and limit < len(items):
        items = [items[index] for index in sorted(random.Random(seed).sample(range(len(items)), limit))]
    if not items:
        raise InputError("at least one labelled response", found="none", where=spec)
    _check_images(items, spec)
    return LabelledSet(spec, items, dict(left_out))


def _own(path: Path, names: Sequence[str], *, allow_outside: bool) -> list[Labelled]:
    """The columns of `judge verify` and two booleans."""
    if not path.is_file():
        raise InputError(", ".join([*names, FORMS]), found=f"no such file: {str(path)!r}", where="--data")
    flags = ("answer_correct", "process_correct")
    # Read as if the judge saw nothing of the references: where they are missing, their contexts are refused later.
    rows = read_response_rows(path, "none", limit=0, flags=flags, allow_outside=allow_outside)
    return [
        Labelled(row.example, row.response, label_of(**{flag: row.columns[flag] for flag in flags})) for row in rows
    ]


def _check_images(items: Sequence[Labelled], where: str) -> None:
    problems = [f"item {items[index].example.id!r}, {text}" for index, text in wrong_images([i.example for i in items])]
    if problems:
        raise problems_error(problems, total=f"{len(items)} items", where=where)
