"""Which column of a file holds which field of an `Example`: said by `data.columns`, or found by name."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from contextrl.data.raw_rows import RawRow
from contextrl.errors import InputError

#: Fields of an `Example` that a column may hold.
FIELDS = (
    *("id", "question", "images", "solution", "answer", "answer_type", "task", "source", "image_ids", "tolerance"),
    "documents",
)
#: Other names that columns of a field have in public sets, the likeliest first.
KNOWN_AS: dict[str, tuple[str, ...]] = {
    "question": ("query", "problem", "prompt", "instruction", "question_text", "input", "text", "user"),
    "solution": (
        *("rationale", "explanation", "reasoning", "worked_solution", "reference_solution", "reference", "cot"),
        *("chain_of_thought", "steps", "analysis", "output", "response", "completion"),
    ),
    "answer": ("final_answer", "label", "gt", "ground_truth", "gt_answer", "target", "correct_answer", "gold"),
    "images": (
        *("image", "picture", "pictures", "image_path", "image_paths", "img", "img_path", "image_file", "file_name"),
        *("image_path_list", "decoded_image", "photo", "file"),
    ),
    "id": ("qid", "question_id", "uid", "pid", "index", "idx"),
    "answer_type": ("question_type", "type"),
    "source": ("dataset", "data_source"),
}
#: Columns of options, which no field of an `Example` holds: they belong into the question.
OPTIONS = ("choices", "options", "candidates")
#: A field to the column that holds it; for images also several columns. None: rows have none, whatever a column of the
#: field's name holds.
Columns = Mapping[str, str | Sequence[str] | None]

_MISSING = object()


def value_at(row: Mapping[str, Any], column: str) -> Any:
    """A column's value; `meta.question` and `turns.0.value` lead into objects and lists.

    Raises:
        KeyError: there is none.
    """
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes) and part.isdecimal():
            if int(part) >= len(value):
                raise KeyError(column)
            value = value[int(part)]
        else:
            raise KeyError(column)
    return value


def column_names(row: Mapping[str, Any], depth: int = 3) -> list[str]:
    """Columns of a row, also those within objects and the first entries of lists of objects."""
    names: list[str] = []
    for name, value in row.items():
        names.append(str(name))
        if depth > 1 and isinstance(value, Mapping):
            names += [f"{name}.{inner}" for inner in column_names(value, depth - 1)]
        elif depth > 1 and isinstance(value, list) and value and isinstance(value[0], Mapping):
            parts = enumerate(value[:2])
            names += [f"{name}.{i}.{inner}" for i, part in parts if isinstance(part, Mapping) for inner in part]
    return names


class Renaming:
    """Reads rows by `data.columns`.

    Args:
        columns: what the configuration says; fields that it does not name are read by their own names.
        lenient: a row that lacks a column is read by the field's own name, where it has that.
    """

    def __init__(self, columns: Columns | None, *, lenient: bool = False) -> None:
        self.columns = dict(columns or {})
        self.lenient = lenient
        one = self.columns.get("answer", "answer")
        self.answer_within_solution = self.columns.get("solution", "solution") == one and isinstance(one, str)
        """`answer` and `solution` are one column: the answer is what the solution ends with."""

    def __call__(self, row: RawRow) -> RawRow:
        """The row with its fields under their own names.

        Raises:
            InputError: it has no such column; the columns that are there, and the nearest.
        """
        if not self.columns:
            return row
        fields = dict(row.columns)
        for field, names in self.columns.items():
            if names is None and field == "images":
                fields[field] = []
            elif names is None:
                # What a set calls `task` or `answer_type` may be something else.
                fields.pop(field, None)
            elif isinstance(names, str):
                fields[field] = self._value(row, field, names)
            else:
                parts = [self._value(row, field, name) for name in names]
                fields[field] = [part for part in parts if part is not None]
        return row._replace(columns=fields)

    def sources(self) -> set[str]:
        """The columns that the configuration names."""
        named = (names for names in self.columns.values() if names is not None)
        return {name for names in named for name in ([names] if isinstance(names, str) else names)}

    def _value(self, row: RawRow, field: str, column: str) -> Any:
        try:
            return value_at(row.columns, column)
        except KeyError:
            if self.lenient and field in row.columns:
                return row.columns[field]
        names = column_names(row.columns)
        raise InputError(
            f"a column {column!r} for {field!r}",
            found=f"the columns {listed(names)}",
            where=row.where,
            fix=f"{_did_you_mean(column, names)}Change data.columns.{field}, or --column {field}=",
        )


def _did_you_mean(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}? " if near else ""


def listed(names: Sequence[str], most: int = 200) -> str:
    """Names for an error."""
    text = ", ".join(names) or "none"
    return text if len(text) <= most else f"{text[:most]}…"


def typed_columns(columns: Columns) -> str:
    """The options that name columns, as they are typed in a shell."""
    named = [
        (field, name)
        for field, names in columns.items()
        for name in ([names or ""] if names is None or isinstance(names, str) else names)
    ]
    return " ".join(f"--column {shlex.quote(f'{field}={name}')}" for field, name in named)


def column_for(field: str, names: Iterable[str]) -> str | None:
    """The column that another name of a field makes likely; None where none does."""
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(name.casefold().replace("-", "_").replace(" ", "_"), name)
    return next((by_name[known] for known in (field, *KNOWN_AS.get(field, ())) if known in by_name), None)


def missing_field(field: str, row: RawRow) -> InputError:
    """The error of a row without a needed field: what could be it, and how to say so."""
    names = [str(name) for name in row.columns]
    others = [name for name in names if name not in FIELDS]
    near = difflib.get_close_matches(field, others, n=1)
    other = near[0] if near else column_for(field, others)
    turns = next((name for name in ("conversations", "messages") if name in names), None)
    if field == "images" and len(several := numbered_images(names)) > 1:
        fix = f"Set data.columns: {{images: [{', '.join(several)}]}}"
    elif other is not None:
        fix = f"Rename {other!r} to {field!r}, or say data.columns: {{{field}: {other}}} (--column {field}={other})"
    elif field == "images":
        fix = "A row without images says so: images: []"
    elif turns is not None:
        inner = "value" if turns == "conversations" else "content"
        fix = f"Set data.columns: {{question: {turns}.0.{inner}, solution: {turns}.1.{inner}, ...}}"
    else:
        fix = ""
    return InputError(f"a field {field!r}", found=f"the fields {listed(names)}", where=row.where, fix=fix)


def picture_columns(names: Sequence[str], holds: Callable[[str], bool]) -> list[str]:
    """Columns whose names say that they hold a row's pictures: several with numbers, or the likeliest one.

    Args:
        holds: whether a column has pictures, by what is in it.
    """
    several = numbered_images(names)
    if len(several) > 1:
        return several
    column = column_for("images", [name for name in names if holds(name)])
    return [name for name in several if holds(name)] if column is None else [column]


def numbered_images(names: Iterable[str]) -> list[str]:
    """`image_1`, `image_2`, ... in their order."""
    found = sorted(
        (int(number), name)
        for name in names
        for stem, number in [(name.rstrip("0123456789"), name[len(name.rstrip("0123456789")) :])]
        if number and stem.rstrip("_ ").casefold() in ("image", "img", "picture")
    )
    return [name for _, name in found]
