"""References for labelled sets that come without: a JSONL of `id` or `question`, `answer` and `solution`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contextrl.data.loading import file_objects
from contextrl.errors import InputError
from contextrl.evaluation.judging.labelled import Labelled, with_reference

_COLUMNS = "`id` or `question` (or `problem`), with `answer` and `solution` as text"


@dataclass(frozen=True)
class Reference:
    """What a row gives; either may be empty."""

    answer: str
    solution: str


def add_references(
    items: Sequence[Labelled], path: Path, left_out: Mapping[str, int]
) -> tuple[list[Labelled], Counter[str]]:
    """Items with their references: by id, else by question. Items without one are left out and counted.

    Raises:
        InputError: the file is missing or wrong, no item has a reference, or a question has two.
    """
    by_id, by_question = _read(path)
    complete: list[Labelled] = []
    counts = Counter(left_out)
    for item in items:
        reference = by_id.get(item.example.id)
        if reference is None:
            several = by_question.get(_plain(item.example.question), [])
            if len(several) > 1:
                raise InputError(
                    "one reference for each question",
                    found=f"{len(several)} for that of item {item.example.id!r}",
                    where=str(path),
                    fix="Name the items by `id`",
                )
            reference = several[0] if several else None
        if reference is None:
            counts["no reference"] += 1
        else:
            complete.append(with_reference(item, reference.answer, reference.solution))
    if not complete:
        sample = items[0].example.id if items else "none"
        raise InputError("references of this set's items", found=f"none for {sample!r} or any other", where=str(path))
    return complete, counts


def _read(path: Path) -> tuple[dict[str, Reference], dict[str, list[Reference]]]:
    """References by id and by question; a question may have several that differ."""
    if not path.is_file():
        raise InputError("a JSONL file", found="no such file", where=f"--references {path}")
    by_id: dict[str, Reference] = {}
    by_question: dict[str, list[Reference]] = {}
    for where, row in file_objects(path):
        question = row.get("question") or row.get("problem")
        answer, solution = row.get("answer") or "", row.get("solution") or ""
        texts = isinstance(answer, str) and isinstance(solution, str) and bool(answer.strip() or solution.strip())
        if not texts or not (row.get("id") is not None or isinstance(question, str)):
            raise InputError(_COLUMNS, found=", ".join(map(str, row))[:120] or "no fields", where=where)
        reference = Reference(str(answer).strip(), str(solution).strip())
        if row.get("id") is not None:
            key = str(row["id"])
            if by_id.setdefault(key, reference) != reference:
                raise InputError("one reference for each id", found=f"another for {key[:80]!r}", where=where)
        if isinstance(question, str):
            known = by_question.setdefault(_plain(question), [])
            if reference not in known:
                known.append(reference)
    return by_id, by_question


def _plain(question: str) -> str:
    """Without differences in white space."""
    return " ".join(question.split())
