"""Writing the usable rows of a file, as they come, with the columns that they have there."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from contextrl.data.columns import Columns, Renaming
from contextrl.data.confinement import is_inside, shown_folder
from contextrl.data.pictures import bytes_of, named_file
from contextrl.data.raw_rows import RawRow, quoted
from contextrl.data.rows import documents_of, picture_values
from contextrl.disk import writing
from contextrl.errors import InputError
from contextrl.records.files import scratch_name

#: Rows that are written at once, and bytes of pictures and texts within them.
_GROUP, _GROUP_BYTES = 256, 32 * 2**20
_KINDS = (".jsonl", ".parquet")


class UsableRows:
    """A file of rows that has its name only when it is whole. Use it as a context.

    Whoever reads it as its rows were read finds them as usable: paths of pictures are kept as they are, and so must
    the folder be.

    Args:
        path: ends in .jsonl or .parquet.
        columns: which column holds a field, as the rows were read.
        allow_outside: the rows may name pictures anywhere.
        option: which option or argument named the file, for errors.
        schema: Arrow's, of a Parquet file; by default what the first rows look like.

    Raises:
        InputError: another ending, or a file that is there.
    """

    def __init__(
        self,
        path: Path,
        columns: Columns | None = None,
        *,
        allow_outside: bool = False,
        option: str = "--fix-to",
        schema: Any = None,
    ) -> None:
        if path.suffix.lower() not in _KINDS:
            raise InputError(f"a file ending in {' or '.join(_KINDS)}", found=path.name, where=option)
        if path.exists():
            raise InputError("a new file", found=f"{path}, which is there", where=option)
        if not path.parent.is_dir():
            raise InputError("an existing folder", found=f"no folder {path.parent}", where=option)
        self.path, self.option, self.rows = path, option, 0
        self._renaming, self._allow_outside = Renaming(columns), allow_outside
        self._type_column = self._renaming.columns.get("answer_type", "answer_type")
        self._table, self.schema = path.suffix.lower() == ".parquet", schema
        self._types: dict[int, str] = {}
        self._folder = path.parent.resolve()
        self._scratch = path.with_name(scratch_name(path.name))
        self._scratch.unlink(missing_ok=True)
        self._group: list[Mapping[str, Any]] = []
        self._bytes = 0
        self._file: Any = None

    def __enter__(self) -> Self:
        return self

    def put(self, row: RawRow, answer_type: str = "") -> None:
        """Add a row.

        Args:
            answer_type: is written beside it; empty where the row says what is needed.

        Raises:
            InputError: it cannot be written in this form, or its pictures would not be found any more.
        """
        elsewhere = row.base is not None and row.base.resolve() != self._folder
        pictures = picture_values(self._renaming(row)) if elsewhere or row.cells else []
        if elsewhere:
            self._check_pictures(row, pictures)
        columns = self._uncelled(row, pictures) if row.cells else row.columns
        if answer_type and isinstance(self._type_column, str):
            if self._table:
                self._types[self.rows] = answer_type
            else:
                columns = {**columns, self._type_column: answer_type}
        self._group.append(columns)
        self._bytes += bytes_of(row)
        self.rows += 1
        if len(self._group) >= _GROUP or self._bytes >= _GROUP_BYTES:
            self._write(row.where)

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        try:
            if kind is None:
                self._write("the last row")
            if self._file is not None:
                self._file.close()
            if kind is None and self._types:
                self._add_types()
            if kind is None and self.rows:
                self._scratch.replace(self.path)
        finally:
            self._scratch.unlink(missing_ok=True)

    def _check_pictures(self, row: RawRow, pictures: list[object]) -> None:
        """Refuse a picture that the new file's reader would look for elsewhere, or not be allowed to take."""
        for value in pictures:
            was, will_be = named_file(value, row.base), named_file(value, self.path.parent)
            if was is None or will_be is None:
                continue
            if was.resolve() != will_be.resolve() or not (self._allow_outside or is_inside(will_be, [self._folder])):
                fix = "Pictures are looked for from the rows' file on, and in its folder: write the new one beside it"
                raise InputError(
                    f"a file in {shown_folder(row.base or Path())}", found=str(self.path), where=self.option, fix=fix
                )

    def _uncelled(self, row: RawRow, pictures: list[object]) -> dict[str, object]:
        """A table's row for a format that has lists, and no need of empty cells."""
        columns = {name: value for name, value in row.columns.items() if value is not None}
        own = "images" if "images" in row.columns else "image"
        name = self._renaming.columns.get("images", own)
        if isinstance(name, str):
            columns[name] = pictures
        documents = self._renaming.columns.get("documents", "documents")
        if isinstance(documents, str) and documents in columns:
            columns[documents] = list(documents_of(self._renaming(row)))
        return columns

    def _write(self, where: str) -> None:
        if not self._group:
            return
        with writing(self._scratch, f"Change {self.option}"):
            if self._table:
                self._write_table(where)
            else:
                self._write_lines()
        self._group, self._bytes = [], 0

    def _add_types(self) -> None:
        """Write a table again with what its rows' answers are: whether any has to say it is known at its end."""
        before = self._scratch.with_name(scratch_name(f"untyped-{self.path.name}"))
        self._scratch.replace(before)
        try:
            self._copy_with_types(before)
        finally:
            before.unlink(missing_ok=True)

    def _copy_with_types(self, before: Path) -> None:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
        with writing(self._scratch, f"Change {self.option}"), parquet.ParquetFile(before) as file:
            name, written = str(self._type_column), 0
            there = file.schema_arrow.get_field_index(name)
            field = arrow.field(name, arrow.string())
            schema = file.schema_arrow.append(field) if there < 0 else file.schema_arrow.set(there, field)
            with parquet.ParquetWriter(self._scratch, schema) as out:
                for batch in file.iter_batches(_GROUP):
                    said = [None] * batch.num_rows if there < 0 else batch.column(there).to_pylist()
                    types = [self._types.get(written + place, own) for place, own in enumerate(said)]
                    columns = [*batch.columns] if there < 0 else [*batch.columns[:there], *batch.columns[there + 1 :]]
                    columns.insert(len(columns) if there < 0 else there, arrow.array(types, arrow.string()))
                    out.write_table(arrow.Table.from_arrays(columns, schema=schema))
                    written += batch.num_rows

    def _write_lines(self) -> None:
        if self._file is None:
            self._file = self._scratch.open("x", encoding="utf-8")
        try:
            self._file.writelines(_line(row) for row in self._group)
        except TypeError as error:
            fix = f"Give {self.option} a name that ends in .parquet"
            raise InputError("rows that JSON can hold", found=self._unwritable(), where=self.option, fix=fix) from error

    def _unwritable(self) -> str:
        """What of the rows in hand JSON has no form for: pictures that a table holds itself, as a rule."""
        for row in self._group:
            for name, value in row.items():
                try:
                    json.dumps(value)
                except TypeError as error:
                    kind = re.search(r"type (\w+)", str(error))
                    return f"{kind[1] if kind else 'others'} in column {quoted(name)}"
        return "others"

    def _write_table(self, where: str) -> None:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
        try:
            schema = self.schema if self._file is None else self._file.schema
            names = list(dict.fromkeys(name for row in self._group for name in row))
            if schema is None:  # pyarrow itself takes the first row's columns for those of all
                rows = self._group
                table = arrow.table({name: arrow.array([row.get(name) for row in rows]) for name in names})
            else:
                others = [name for name in names if name not in schema.names]
                if others:
                    raise arrow.ArrowInvalid(f"a column {others[0]!r}, which the first rows do not have")
                table = arrow.Table.from_pylist([dict(row) for row in self._group], schema=schema)
            if self._file is None:
                self._file = parquet.ParquetWriter(self._scratch, table.schema)
            self._file.write_table(table)
        except (arrow.ArrowException, OverflowError, UnicodeError) as error:
            fix = f"Give {self.option} a name that ends in .jsonl"
            raise InputError("rows of one schema", found=str(error)[:200], where=where, fix=fix) from error


def _line(row: Mapping[str, Any]) -> str:
    """A row as JSON. Half a character beyond U+FFFF, which no file holds, stays the escape that it was."""
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        line = json.dumps(row)
    return f"{line}\n"
