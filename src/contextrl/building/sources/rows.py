"""Rows of one's own: any file, folder or hub set, by the names of its columns. A solution is not needed yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

from contextrl.answers import extract_answer
from contextrl.building.import_settings import SourceSettings
from contextrl.building.sources.choices import Chosen, chosen, options_beside, with_choice
from contextrl.building.sources.row_pictures import with_pictures
from contextrl.building.sources.shown import asked_with
from contextrl.building.sources.source import Found, Sick, Source
from contextrl.building.sources.texts import is_only, pictures_of
from contextrl.building.sources.turns import NO_TURN, Turn, asked_in, conversation
from contextrl.data.answer_types import AUTO
from contextrl.data.columns import FIELDS, Renaming
from contextrl.data.raw_rows import RawRow
from contextrl.data.rows import RowReader, documents_of, tolerance_of
from contextrl.errors import InputError


class OwnRows(Source):
    """A set whose schema the recipe tells.

    Args:
        settings: `path`, `columns`, `answer_type`.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self.hub = settings.path
        self._columns = Renaming(settings.columns or None)
        # Fields have their own names once the columns are renamed.
        self._reader = RowReader(Renaming(None), settings.answer_type)
        self._within = self._columns.answer_within_solution
        self._taken = self._columns.sources()

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        row = with_pictures(row, self._columns)
        named = self._columns(row)
        if "question" not in named.columns and (turns := conversation(named)) is not None:
            yield from self._turns(named, turns)
            return
        fields = self._with_options(named)
        if isinstance(fields, Sick):
            yield fields
            return
        has_solution = bool(str(fields.get("solution") or "").strip())
        within = self._within and "answer" not in fields
        if within:
            # The answer is what the solution ends with; the reader finds it.
            example = RowReader(self._columns, self._reader.answer_type).example(row)
        else:
            if not has_solution:
                fields["solution"] = f"Answer: {fields.get('answer')}"
            example = self._reader.example(named._replace(columns=fields))
        # The import guesses too, and better: a solution may end otherwise, and is looked at later.
        is_guessed = self._reader.answer_type == AUTO and not within and fields.get("answer_type") is None
        is_worked = not is_only(example.solution, example.answer) if within else has_solution
        yield Found(
            example.question,
            example.answer,
            example.images,
            example.solution if is_worked else "",
            None if is_guessed else example.answer_type,
            example.task if fields.get("task") else None,
            row_id=example.id,
            origin={"source": example.source} if example.source else {},
            licence=_text(fields.get("licence") or fields.get("license")),
            documents=example.documents,
            tolerance=example.tolerance,
        )

    def _with_options(self, row: RawRow) -> dict[str, Any] | Sick:
        """A row's fields, with options that are in columns of their own in the question, and a letter as the answer."""
        fields = dict(row.columns)
        answer: object
        if self._within:
            # The answer is what the solution ends with; the reader finds it, or is given the option that it is.
            fields.pop("answer", None)
            answer = extract_answer(_text(fields.get("solution")), "text")
        else:
            answer = _as_written(fields.get("answer"))
            fields |= {"answer": answer} if "answer" in fields else {}
        question, options = fields.get("question"), options_beside(row.columns, self._taken)
        if options is None or not (_text(question) and _text(answer)):
            return fields
        one = chosen(_text(question), _text(answer), _text(fields.get("solution")), options)
        if isinstance(one, Chosen) and one.answer_type is not None:
            fields |= {"question": one.question, "answer": one.answer, "answer_type": one.answer_type}
            fields |= {"solution": one.solution} if one.solution else {}
        return one if isinstance(one, Sick) else fields

    def _turns(self, row: RawRow, turns: Sequence[Turn]) -> Iterator[Found | Sick]:
        images = pictures_of(row, "images" if "images" in row.columns else "image") if _has_pictures(row) else []
        own, licence = row.columns.get("id"), _text(row.columns.get("licence") or row.columns.get("license"))
        documents, tolerance = documents_of(row), tolerance_of(row)
        options = options_beside(row.columns, self._taken)
        if not turns:
            yield Sick(NO_TURN)
        for number, (turn, (question, shown)) in enumerate(zip(turns, asked_with(turns, images), strict=True), start=1):
            whole = None if turn.asked is None or turn.said is None else (question, turn.said)
            found = asked_in(whole, shown, str(number) if len(turns) > 1 else "", {}, {})
            if isinstance(found, Found) and options is not None and len(turns) == 1:
                found = with_choice(found, options)
            if isinstance(found, Found):
                row_id = str(own) if isinstance(own, str | int) and str(own).strip() else ""
                found = replace(found, row_id=row_id, licence=licence, documents=documents, tolerance=tolerance)
            yield found


def _has_pictures(row: RawRow) -> bool:
    return any(row.columns.get(name) is not None for name in ("images", "image"))


def _as_written(answer: object) -> object:
    """A number of a raw set, such as one of a column of numbers, as text; what trains has texts."""
    is_number = isinstance(answer, int) and not isinstance(answer, bool)
    return str(answer) if is_number or (isinstance(answer, float) and isfinite(answer)) else answer


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def own_rows(settings: SourceSettings) -> OwnRows:
    """Rows as a recipe names them.

    Raises:
        InputError: columns of fields that there are not.
    """
    if strange := sorted(set(settings.columns) - set(FIELDS)):
        where = f"sources, columns of {settings.unit}"
        raise InputError(f"fields: {', '.join(sorted(FIELDS))}", found=strange[0], where=where)
    return OwnRows(settings)
