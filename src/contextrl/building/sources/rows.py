"""Rows of one's own: any file, folder or hub set, by the names of its columns. A solution is not needed yet."""

from __future__ import annotations

from collections.abc import Iterator

from contextrl.building.import_settings import SourceSettings
from contextrl.building.sources.source import Found, Sick, Source
from contextrl.data.columns import Renaming
from contextrl.data.raw_rows import RawRow
from contextrl.data.rows import RowReader
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

    def questions(self, row: RawRow) -> Iterator[Found | Sick]:
        """See `Source`."""
        named = self._columns(row)
        fields = dict(named.columns)
        has_solution = bool(str(fields.get("solution") or "").strip())
        if self._within:
            # The answer is what the solution ends with; the reader finds it.
            example = RowReader(self._columns, self._reader.answer_type).example(row)
        else:
            if not has_solution:
                fields["solution"] = f"Answer: {fields.get('answer')}"
            if "image" not in fields:
                fields.setdefault("images", [])
            example = self._reader.example(named._replace(columns=fields))
        yield Found(
            example.question,
            example.answer,
            example.images,
            example.solution if has_solution or self._within else "",
            example.answer_type,
            example.task if fields.get("task") else None,
            row_id=example.id,
            origin={"source": example.source} if example.source else {},
            licence=_text(fields.get("licence") or fields.get("license")),
        )


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def own_rows(settings: SourceSettings) -> OwnRows:
    """Rows as a recipe names them.

    Raises:
        InputError: columns of fields that there are not.
    """
    known = {
        "id",
        "question",
        "images",
        "solution",
        "answer",
        "answer_type",
        "task",
        "source",
        "image_ids",
        "tolerance",
    }
    if strange := sorted(set(settings.columns) - known):
        where = f"sources, columns of {settings.unit}"
        raise InputError(f"fields: {', '.join(sorted(known))}", found=strange[0], where=where)
    return OwnRows(settings)
