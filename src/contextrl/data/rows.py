"""From a row to an `Example`, with errors that name the row and the field."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from contextrl.answers import parse_tolerance
from contextrl.answers.extraction import whole_answer
from contextrl.data.answer_types import AUTO, guessed_type
from contextrl.data.columns import Renaming, missing_field
from contextrl.data.markers import settled_markers
from contextrl.data.pictures import cell_pictures, flat, picture
from contextrl.data.raw_rows import RawRow, describe, quoted
from contextrl.errors import InputError
from contextrl.records.example import ANSWER_TYPES, TASKS, AnswerType, Example, ImageHandle, Task
from contextrl.records.jsonl import parse_json

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
T = TypeVar("T")
_NO_IMAGES = "A row without images says so: images: []"


class RowFaults(InputError):
    """Several things are wrong with one row.

    Attributes:
        faults: each of them.
    """

    faults: Sequence[InputError] = ()


def faults_of(error: InputError) -> Sequence[InputError]:
    """What is wrong with a row, each fault of it."""
    return error.faults if isinstance(error, RowFaults) else [error]


def fault_lines(faults: Sequence[InputError], row: RawRow | InputError, reader: RowReader) -> list[str]:
    """What is wrong with a row, a line each, its id beside its place."""
    lines = [str(error).rstrip(".") for error in faults]
    if isinstance(row, InputError):
        return lines
    return [line.replace(row.where, reader.name(row), 1) if line.startswith(row.where) else line for line in lines]


class Faults:
    """Keeps what is wrong with a row, so that all of it is told."""

    def __init__(self) -> None:
        self.found: list[InputError] = []

    def kept(self, read: Callable[[], T], instead: T, *, unless: bool = False) -> T:
        """What is read, or `instead` where something is wrong.

        Args:
            unless: what is wrong here is not told.
        """
        try:
            return read()
        except InputError as error:
            if not unless or not self.found:
                self.found.append(error)
            return instead

    def raise_them(self) -> None:
        if not self.found:
            return
        first = self.found[0]
        if len(self.found) == 1:
            raise first
        found = "; ".join([first.found, *(str(error).rstrip(".") for error in self.found[1:])])
        together = RowFaults(first.expected, found=found, where=first.where, fix=first.fix)
        together.faults = self.found
        raise together


class RowReader:
    """Builds examples from rows.

    Args:
        columns: which column holds which field.
        answer_type: of rows that name none; `auto` looks at the answer.
    """

    def __init__(self, columns: Renaming | None = None, answer_type: str = "text") -> None:
        self.columns = columns or Renaming(None)
        self.answer_type = answer_type

    def example(self, row: RawRow) -> Example:
        """The example of a row.

        Raises:
            InputError: naming the row and the field.
        """
        row = self.columns(row)
        faults = Faults()
        no_images: tuple[ImageHandle, ...] = ()
        no_ids: tuple[str, ...] = ()
        no_answer: tuple[str, AnswerType] = ("", "text")
        values = faults.kept(lambda: picture_values(row), None)
        if values is None:
            faults.kept(lambda: _text(row, "question"), "")
            question, images = "", no_images
        else:
            question, images = faults.kept(partial(_question_and_images, row, values), ("", no_images))
        image_ids = faults.kept(lambda: _image_ids(row, len(images), known=not faults.found), no_ids)
        solution = faults.kept(lambda: self._text(row, "solution"), "")
        # What is said of an answer within the solution would only follow from what is wrong already.
        follows = self.columns.answer_within_solution and not solution
        answer, answer_type = faults.kept(lambda: self._answer(row, question, solution), no_answer, unless=follows)
        if not answer:
            told = any("'answer_type'" in error.where for error in faults.found)
            faults.kept(lambda: _one_of(row, "answer_type", ANSWER_TYPES, default="text"), "", unless=told)
        example = Example(
            id=faults.kept(lambda: _id(row), row.default_id),
            question=question,
            solution=solution,
            answer=answer,
            answer_type=answer_type,
            task=cast(Task, faults.kept(lambda: _one_of(row, "task", TASKS, default="reasoning"), "reasoning")),
            images=images,
            source=faults.kept(lambda: _text(row, "source") if row.columns.get("source") else "", ""),
            image_ids=image_ids,
            tolerance=faults.kept(lambda: tolerance_of(row), None),
            documents=faults.kept(lambda: documents_of(row), no_ids),
        )
        faults.raise_them()
        return example

    def name(self, row: RawRow) -> str:
        """The place of a row and, where it has one, its id."""
        try:
            named = self.columns(row)
            return f"{row.where}, row {quoted(_id(named))}" if _has(named, "id") else row.where
        except InputError:
            return row.where

    def _answer(self, row: RawRow, question: str, solution: str) -> tuple[str, AnswerType]:
        if not self.columns.answer_within_solution:
            answer = self._text(row, "answer")
            default = guessed_type(answer, question, solution) if self.answer_type == AUTO else self.answer_type
            return answer, cast(AnswerType, _one_of(row, "answer_type", ANSWER_TYPES, default=default))
        default = self.answer_type
        if default == AUTO:
            default = guessed_type(whole_answer(solution, "text") or "", question, solution)
        answer_type = cast(AnswerType, _one_of(row, "answer_type", ANSWER_TYPES, default=default))
        stated = whole_answer(solution, answer_type)
        if stated is None:
            found = f"{solution[-60:]!r} at its end"
            raise InputError(
                f"a solution that ends with its answer ({answer_type})",
                found=found,
                where=f"{row.where}, field 'solution'",
                fix="End it with 'Answer: ...', or name the answer's own column in data.columns.answer",
            )
        return stated, answer_type

    def _text(self, row: RawRow, field: str) -> str:
        """Text; numbers and truth values too, where the configuration says that they are what is meant."""
        value = row.columns.get(field)
        if field in self.columns.columns and isinstance(value, int | float):
            return ("no", "yes")[value] if isinstance(value, bool) else str(value)
        return _text(row, field)


def _image_ids(row: RawRow, images: int, *, known: bool) -> tuple[str, ...]:
    """One for each image.

    Args:
        known: the number of images is.
    """
    named = row.columns.get("image_ids") is not None  # tables have null where a row says nothing
    image_ids = tuple(str(value) for value in _list(row, "image_ids")) if named else ()
    if known and image_ids and len(image_ids) != images:
        found = f"{len(image_ids)} ids for {images} images"
        raise InputError("one id for each image", found=found, where=f"{row.where}, field 'image_ids'")
    for image_id in image_ids:
        _check_characters(image_id, f"{row.where}, field 'image_ids'")
    return image_ids


def _question_and_images(row: RawRow, values: list[object]) -> tuple[str, tuple[ImageHandle, ...]]:
    try:
        question, order = settled_markers(_text(row, "question"), len(values))
    except InputError as error:
        if error.where:
            raise
        where = f"{row.where}, field 'question'"
        raise InputError(error.expected, found=error.found, where=where, fix=error.fix) from None
    places = [(index, values[index]) for index in order]
    for index, value in places:
        if isinstance(value, str | Path):
            _check_characters(str(value), f"{row.where}, field 'images[{index}]'")
    return question, tuple(
        picture(value, where=f"{row.where}, field 'images[{index}]'", base=row.base) for index, value in places
    )


def picture_values(row: RawRow) -> list[object]:
    """What `images` lists, or `image` holds: a list, a list of lists, one alone, or null where there is none.

    Raises:
        InputError: it is none of these.
    """
    alone = row.columns.get("images") is None and "image" in row.columns
    value = row.columns["image"] if alone else _field(row, "images")
    where = f"{row.where}, field 'image{'' if alone else 's'}'"
    if value is None and (alone or row.cells):
        return []
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _listed_as_text(value, where)
    elif isinstance(value, str) and row.cells:
        value = cell_pictures(value)
    if value is None or isinstance(value, bool | int | float):
        raise InputError("a list", found=describe(value), where=where, fix=_NO_IMAGES if value is None else "")
    return list(flat(value))


def _listed_as_text(text: str, where: str) -> object:
    """A list that a table or a careless writer has as text."""
    value, problem = parse_json(text.encode("utf-8", "replace"))
    if problem is not None or not isinstance(value, list):
        raise InputError("a list as JSON", found=text[:60], where=where, fix='Write ["a.png", "b.png"]')
    return value


def _has(row: RawRow, field: str) -> bool:
    return row.columns.get(field) is not None if row.cells else field in row.columns


def tolerance_of(row: RawRow) -> float | str | None:
    """A row's tolerance, as `Example.tolerance`.

    Raises:
        InputError: it is none.
    """
    value: Any = row.columns.get("tolerance")
    try:
        parse_tolerance(value)
    except ValueError:
        expected = 'a number that is not negative, or text relative to the answer such as "1%"'
        raise InputError(expected, found=describe(value), where=f"{row.where}, field 'tolerance'") from None
    return cast("float | str | None", value)


def documents_of(row: RawRow) -> tuple[str, ...]:
    """A row's documents; one text alone stands for a list of it, and a table's cell may hold a list as JSON.

    Raises:
        InputError: they are no texts.
    """
    value = row.columns.get("documents")
    where = f"{row.where}, field 'documents'"
    if row.cells and isinstance(value, str) and value.lstrip().startswith("["):
        # Not a list: a text that begins so, such as `[1] Smith`.
        listed, _ = parse_json(value.encode("utf-8", "surrogatepass"))
        value = listed if isinstance(listed, list) else value
    values = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(text, str) for text in values):
        raise InputError("a list of texts", found=describe(value), where=where)
    for text in values:
        _check_characters(text, where)
    return tuple(text.strip() for text in values if text.strip())


def _field(row: RawRow, field: str) -> object:
    if field not in row.columns:
        raise missing_field(field, row)
    return row.columns[field]


def _text(row: RawRow, field: str) -> str:
    value, where = _field(row, field), f"{row.where}, field {field!r}"
    if isinstance(value, list) and (said := _said(value)) is not None:
        value = said
    if not isinstance(value, str):
        fix = "Put it in quotes" if isinstance(value, int | float) and not isinstance(value, bool) else ""
        raise InputError("text", found=describe(value), where=where, fix=fix)
    if not value.strip():
        raise InputError("text", found="an empty string", where=where)
    _check_characters(value, where)
    return value.strip()


def _said(value: list[Any]) -> str | None:
    """What the one message of a list says, or the parts of its content; None where it is no such list."""
    if len(value) == 1 and isinstance(value[0], Mapping) and "content" in value[0]:
        content = value[0]["content"]
        return content if isinstance(content, str) else _said(content) if isinstance(content, list) else None
    texts = []
    for part in value:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in ("text", "image") or not isinstance(part.get("text", ""), str):
            return None
        texts.append(part.get("text") or "" if kind == "text" else "<image>")
    return "".join(texts) or None


def _check_characters(text: str, where: str) -> None:
    """Halves of characters beyond U+FFFF are no text: no file, no tokenizer and no server takes them."""
    if (half := _HALF_CHARACTER.search(text)) is not None:
        raise InputError(
            "whole characters",
            found=f"half of one (surrogate \\u{ord(half[0]):04x}) at position {half.start()}",
            where=where,
            fix="Write the character itself, or both of its halves",
        )


def _id(row: RawRow) -> str:
    value = row.columns.get("id")
    if value is None:
        return row.default_id
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(row, "id")


def _one_of(row: RawRow, field: str, allowed: tuple[str, ...], *, default: str) -> str:
    if row.columns.get(field) is None:
        return default
    value = _text(row, field)
    if value in allowed:
        return value
    near = difflib.get_close_matches(value.lower(), allowed, n=1, cutoff=0.4)
    raise InputError(
        f"one of {', '.join(allowed)}",
        found=quoted(value),
        where=f"{row.where}, field {field!r}",
        fix=f"{f'Did you mean {near[0]!r}? ' if near else ''}Where the column holds something else: columns: "
        f"{{{field}: null}}",
    )


def _list(row: RawRow, field: str) -> list[object]:
    value = _field(row, field)
    if isinstance(value, list | tuple):
        return list(value)
    raise InputError("a list", found=describe(value), where=f"{row.where}, field {field!r}", fix="Put it in a list")
