"""Responses to verify: JSON lines, all of them checked before the first call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contextrl.data.confinement import outside
from contextrl.data.images import ImageChecks, image_problems
from contextrl.data.loading import row_to_example
from contextrl.data.problems import problems_error
from contextrl.errors import InputError
from contextrl.records.example import Example
from contextrl.records.jsonl import json_lines
from contextrl.records.verdict import ReferenceContext

#: What a judge does not see need not be there.
_NOT_NEEDED: dict[ReferenceContext, tuple[str, ...]] = {
    "none": ("solution", "answer"),
    "answer": ("solution",),
    "documents": ("solution",),
    "solution": (),
}
#: Stands for a field that may be missing while the others are checked.
_ABSENT = "absent"

Problem = tuple[int, str]  # line, what is wrong with it


@dataclass(frozen=True)
class ResponseRow:
    """One line of input.

    Attributes:
        line: its number in the file, from 1.
        key: its id, or a hash of its content where it has none; equal lines without ids share one.
        columns: the line as it was read, with `id`, without an earlier `verdict`.
        example: question, images and reference; parts of the reference that the context hides may be empty.
        response: what is to be verified.
    """

    line: int
    key: str
    columns: Mapping[str, Any]
    example: Example
    response: str

    @property
    def digest(self) -> str:
        """Tells two contents apart."""
        return content_hash(self.columns)


def content_hash(columns: Mapping[str, Any]) -> str:
    """SHA-256 of a row's canonical JSON: independent of the order of keys and of how text is escaped."""
    return hashlib.sha256(json.dumps(columns, sort_keys=True).encode("ascii")).hexdigest()


def read_response_rows(
    path: Path,
    context: ReferenceContext,
    *,
    limit: int | None = None,
    flags: Sequence[str] = (),
    allow_outside: bool = False,
) -> list[ResponseRow]:
    """Read and check every line.

    Args:
        path: lines with `question, images, solution, answer, response` and, if given, `answer_type` (text),
            `tolerance`, `documents` and `id`; image paths are relative to the file. Blank lines are passed over.
        context: with `answer`, `solution` may be missing; with `none`, `answer` too; `documents` wants them instead.
        limit: decode the images of only so many rows: the rest will not be judged.
        flags: further fields that must be there and true or false.
        allow_outside: take pictures from anywhere; by default from the file's folder only.

    Raises:
        InputError: one for the whole file, with the first `SHOWN_PROBLEMS` problems by line: bad JSON, a missing or
            wrong field, an image that is missing or cannot be decoded, an id that occurs twice.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InputError("a file of JSON lines", found=found, where=str(path))
    rows: list[ResponseRow] = []
    problems: list[Problem] = []
    count = 0
    for line in json_lines(path):
        count += 1
        if line.object is None:
            expected, found = line.problem or ("a JSON object", "")
            problems.append((line.number, f"expected {expected}" + (f", found {found}" if found else "")))
            continue
        try:
            rows.append(_row(line.object, line.number, context, path.parent, flags))
        except InputError as error:
            problems.append((line.number, describe(error)))
    if not count:
        raise InputError("at least one line", found="an empty file", where=str(path))
    problems += _repeated_ids(rows)
    if not allow_outside:
        folders = [path.parent.resolve()]
        problems += [(row.line, text) for row in rows for text in outside(row.example, folders, [path.parent])]
    judged = rows[:limit]
    problems += [(judged[index].line, text) for index, text in wrong_images([row.example for row in judged])]
    if problems:
        lines = [f"line {number}{_joined(text)}" for number, text in sorted(problems, key=lambda problem: problem[0])]
        raise problems_error(lines, total=f"{count} line{'s' if count > 1 else ''}", where=str(path))
    return rows


def _joined(text: str) -> str:
    return f", {text}" if text.startswith("field ") else f": {text}"


def describe(error: InputError) -> str:
    """A row's error without the row's place, which the listing names."""
    place = error.where.partition("field ")
    prefix = f"{place[1]}{place[2]}: " if place[1] else ""
    fix = f" ({error.fix})" if error.fix else ""
    return f"{prefix}expected {error.expected}, found {error.found}{fix}"


def _row(
    columns: dict[str, Any], number: int, context: ReferenceContext, base: Path, flags: Sequence[str]
) -> ResponseRow:
    columns = {name: value for name, value in columns.items() if name != "verdict"}
    example = lenient_example(columns, context, base)
    if context == "documents" and not example.documents:
        raise InputError("texts, to show them to the judge", found="none", where="field 'documents'")
    response = columns.get("response")
    if not isinstance(response, str):
        found = "no such field" if "response" not in columns else type(response).__name__
        raise InputError("text", found=found, where="field 'response'")
    for flag in flags:
        if not isinstance(columns.get(flag), bool):
            found = "no such field" if flag not in columns else repr(columns[flag])[:60]
            raise InputError("true or false", found=found, where=f"field {flag!r}")
    has_id = columns.get("id") is not None
    key = example.id if has_id else content_hash({name: value for name, value in columns.items() if name != "id"})
    if not has_id:
        columns = {**columns, "id": key}
    return ResponseRow(number, key, columns, replace(example, id=key), response)


def lenient_example(columns: Mapping[str, Any], context: ReferenceContext, base: Path | None) -> Example:
    """An example whose hidden parts may be missing, null or empty; they are then empty.

    Raises:
        InputError: a field is wrong; `where` ends with it.
    """
    absent = [name for name in _NOT_NEEDED[context] if _is_missing(columns.get(name))]
    filled = {**columns, **dict.fromkeys(absent, _ABSENT)}
    example = row_to_example(filled, where="row", default_id="row", base=base)
    return replace(
        example,
        solution="" if "solution" in absent else example.solution,
        answer="" if "answer" in absent else example.answer,
    )


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _repeated_ids(rows: Iterable[ResponseRow]) -> Iterator[Problem]:
    """Ids that occur twice; equal lines that have none may."""
    first: dict[str, ResponseRow] = {}
    for row in rows:
        other = first.setdefault(row.key, row)
        if other is not row and not _same_without_id(row, other):
            yield row.line, f"field 'id': expected a unique id, found {row.key!r}, already the id of line {other.line}"


def _same_without_id(row: ResponseRow, other: ResponseRow) -> bool:
    """Whether both are the same line, their key its hash."""
    plain = {name: value for name, value in row.columns.items() if name != "id"}
    return row.digest == other.digest and content_hash(plain) == row.key


def wrong_images(examples: Sequence[Example]) -> Iterator[tuple[int, str]]:
    """(index of the example, what is wrong with an image of it); each file is decoded once."""
    with ImageChecks() as checks:
        begun = [checks.start(example.images) for example in examples]
        for index, images in enumerate(begun):
            for problem in image_problems(images):
                yield index, problem
