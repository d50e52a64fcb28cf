"""How a stranger's rows can be read: which column is which field, how answers compare, what is missing."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from contextrl.answers import extract_answer
from contextrl.data.answer_types import AUTO
from contextrl.data.columns import (
    OPTIONS,
    Columns,
    column_for,
    column_names,
    listed,
    picture_columns,
    typed_columns,
    value_at,
)
from contextrl.data.loading import load_examples
from contextrl.data.pictures import looks_like_picture
from contextrl.data.problems import RowsError
from contextrl.data.raw_rows import RawRow
from contextrl.data.row_files import Source
from contextrl.data.validation import load_valid_examples
from contextrl.errors import InputError
from contextrl.records.example import Example

#: Rows that are looked at.
LOOKED_AT = 200
#: Answers are short; longer texts that a column of answers holds are solutions.
_LONGEST_ANSWER = 60
_TURNS = ("conversations", "messages", "prompt")


@dataclass
class Proposal:
    """How rows are read.

    Attributes:
        columns: as `data.columns`; what needs no word is left out.
        answer_type: as `data.answer_type`; None where the rows say it themselves.
        examples: the rows, read so and validated.
        notes: what the user should know.
    """

    columns: dict[str, str | list[str] | None]
    answer_type: str | None = None
    examples: Sequence[Example] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def answer_types(self) -> Counter[str]:
        return Counter(example.answer_type for example in self.examples)


def propose(
    spec: str, given: Mapping[str, str | list[str] | None], *, vision: bool, limit: int | None, split: str = "train"
) -> Proposal:
    """A proposal that has been tried: all rows are read and validated.

    Args:
        spec: file, folder or hub id.
        given: columns that the user has named.
        vision: whether pictures can be shown.
        limit: rows to read; None reads all.

    Raises:
        InputError: no column can be the question, or the answer; rows are wrong.
    """
    source = Source(spec, split, None, limit or LOOKED_AT)
    rows = _first_rows(source)
    if not rows:
        load_examples(spec, split=split, limit=limit)  # which says what is wrong with all of them
        raise InputError("at least one row", found="an empty dataset", where=spec)
    proposal = Proposal(dict(given))
    for find in _FINDS:
        find(proposal, rows, spec)
    options = next((name for name in _names(rows) if name.casefold() in OPTIONS and name not in given.values()), None)
    if options is not None:
        proposal.notes.append(f"the policy does not see the column {options!r}: write options into the question")
    own_types = all(row.get("answer_type") is not None for row in rows)
    proposal.answer_type = None if own_types else AUTO
    answer_type = proposal.answer_type or "text"
    load = partial(load_examples, spec, split=split, limit=limit, columns=proposal.columns, answer_type=answer_type)
    try:
        proposal.examples = load_valid_examples(load, vision=vision, where=spec)
    except RowsError as error:
        raise _with_way_out(error, spec, proposal.columns) from error
    types = proposal.answer_types
    if proposal.answer_type is not None and len(types) == 1:
        proposal.answer_type = next(iter(types))
    return proposal


def _with_way_out(error: RowsError, spec: str, columns: Columns) -> RowsError:
    """The error of some wrong rows, with the command that leaves them out."""
    options = " ".join(filter(None, [shlex.quote(spec), typed_columns(columns)]))
    way_out = f"All faults, and a file of the usable rows: contextrl data validate {options} --fix-to usable.jsonl"
    fix = ". ".join(filter(None, [error.fix, way_out]))
    told = RowsError(error.expected, found=error.found, where=error.where, fix=fix)
    told.problems, told.usable, told.rows = error.problems, error.usable, error.rows
    return told


def likely_columns(spec: str, split: str = "train") -> dict[str, str | list[str] | None]:
    """Columns as `propose` would name them, whatever is wrong with the rows; those that it cannot tell are left out.

    Raises:
        InputError: the file as a whole cannot be read.
    """
    rows = _first_rows(Source(spec, split))
    proposal = Proposal({})
    for find in _FINDS if rows else ():
        with suppress(InputError):
            find(proposal, rows, spec)
    if proposal.columns.get("solution") == proposal.columns.get("answer"):
        proposal.columns.pop("solution", None)
    return proposal.columns


def _first_rows(source: Source) -> list[Mapping[str, Any]]:
    return [row.columns for row in islice(source.rows(), LOOKED_AT) if isinstance(row, RawRow)]


def _find_question(proposal: Proposal, rows: Sequence[Mapping[str, Any]], spec: str) -> None:
    names = _names(rows)
    if "question" in proposal.columns or "question" in names:
        return
    turns = next((name for name in _TURNS if _is_turns(rows[0].get(name))), None)
    if turns is not None:
        _read_turns(proposal, rows, turns, spec)
        return
    column = column_for("question", names) or _within("question", rows)
    if column is None:
        raise _unknown("question", rows, spec)
    proposal.columns["question"] = column


def _is_turns(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], Mapping)
        and bool({"from", "role"} & value[0].keys())
    )


def _read_turns(proposal: Proposal, rows: Sequence[Mapping[str, Any]], turns: str, spec: str) -> None:
    """A conversation of one question and its answer, after a system prompt or not."""
    for number, row in enumerate(rows, start=1):
        said = [turn for turn in row.get(turns) or [] if str(turn.get("role", turn.get("from"))) != "system"]
        if len(said) > 2:
            raise InputError(
                "one question and one answer a row",
                found=f"{len(said)} turns in {turns!r} of row {number}",
                where=spec,
                fix="Make a row of each question, or of the last one with what was said before in it",
            )
    first = rows[0][turns]
    start = 1 if str(first[0].get("role", first[0].get("from"))) == "system" else 0
    if start:
        proposal.notes.append(f"the system prompt of {turns} is not read: put it into data.system_prompt")
    text = "value" if "value" in first[start] else "content"
    proposal.columns["question"] = f"{turns}.{start}.{text}"
    if len(first) > start + 1:
        proposal.columns.setdefault("solution", f"{turns}.{start + 1}.{text}")


def _find_images(proposal: Proposal, rows: Sequence[Mapping[str, Any]], spec: str) -> None:
    names = _names(rows)
    if "images" in proposal.columns or "images" in names or all("image" in row for row in rows):
        return
    found = picture_columns(names, lambda name: _any(rows, name, looks_like_picture))
    if len(found) > 1:
        proposal.columns["images"] = found
        return
    column = found[0] if found else next((name for name in names if _mostly(rows, name, looks_like_picture)), None)
    column = column or _within("images", rows, lambda name: _any(rows, name, looks_like_picture))
    proposal.columns["images"] = column
    if column is None:
        proposal.notes.append(f"no column of {spec} holds pictures: rows are text alone")


def _find_solution_and_answer(proposal: Proposal, rows: Sequence[Mapping[str, Any]], spec: str) -> None:
    columns, names = proposal.columns, [name for name in _names(rows) if name not in proposal.columns.values()]
    solution = columns.get("solution") or column_for("solution", names)
    answer = columns.get("answer") or column_for("answer", [name for name in names if name != solution])
    taken = (*columns.values(), solution, answer)
    solution = solution or _within("solution", rows, lambda name: name not in taken)
    answer = answer or _within("answer", rows, lambda name: name not in (*taken, solution))
    if solution is None and answer is None:
        raise _unknown("answer", rows, spec)
    assert isinstance(solution, str | None)
    assert isinstance(answer, str | None)
    if solution is None:
        assert answer is not None
        solution = answer
        if not _holds_solutions(rows, answer):
            proposal.notes.append("there are no worked solutions: a judge can compare final answers only")
    elif answer is None:
        answer = solution
    for name, column in (("solution", solution), ("answer", answer)):
        if column != name or _any(rows, column, lambda value: isinstance(value, int | float)):
            columns[name] = column


def _holds_solutions(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    """Whether texts of a column are worked solutions that end with their answers."""
    texts = [str(value) for value in _values(rows, column)]
    long = [text for text in texts if len(text) > _LONGEST_ANSWER or "\n" in text]
    return len(long) * 2 > len(texts) and all(extract_answer(text, "text") for text in long[:20])


def _find_id(proposal: Proposal, rows: Sequence[Mapping[str, Any]], _: str) -> None:
    names = _names(rows)
    column = column_for("id", names)
    if column is None or column == "id" or "id" in proposal.columns:
        return
    values = list(_values(rows, column))
    if len(values) == len(rows) == len({str(value) for value in values}):
        proposal.columns["id"] = column


#: In this order: later ones look at what earlier ones have found.
_FINDS = (_find_question, _find_images, _find_solution_and_answer, _find_id)


def _unknown(name: str, rows: Sequence[Mapping[str, Any]], spec: str) -> InputError:
    return InputError(
        f"a column that holds the {name}",
        found=f"the columns {listed(column_names(rows[0]))}",
        where=spec,
        fix=f"Say which: --column {name}=NAME",
    )


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns that any row has, in their order."""
    return list(dict.fromkeys(str(name) for row in rows for name in row))


def _within(
    field_name: str, rows: Sequence[Mapping[str, Any]], suits: Callable[[str], bool] = lambda _: True
) -> str | None:
    """A column within an object whose own name makes it a field's: `meta.query`."""
    inner: dict[str, str] = {}
    for path in column_names(rows[0]):
        parts = path.split(".")
        if len(parts) > 1 and not any(part.isdecimal() for part in parts) and suits(path):
            inner.setdefault(parts[-1], path)
    name = column_for(field_name, inner)
    return None if name is None else inner[name]


def _values(rows: Sequence[Mapping[str, Any]], column: str) -> list[Any]:
    found = []
    for row in rows:
        try:
            found.append(value_at(row, column))
        except KeyError:
            continue
    return [value for value in found if value is not None]


def _any(rows: Sequence[Mapping[str, Any]], column: str, holds: Any) -> bool:
    return any(holds(value) for value in _values(rows, column) if not isinstance(value, bool))


def _mostly(rows: Sequence[Mapping[str, Any]], column: str, holds: Callable[[Any], bool]) -> bool:
    """Whether more than half of the values are such: a broken one makes a column of pictures no text."""
    values = _values(rows, column)
    return sum(holds(value) for value in values) * 2 > len(values)
