"""Writing the usable rows of a file, as they come, with the columns that they have there."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from contextrl.data.pictures import bytes_of, flat
from contextrl.data.raw_rows import RawRow
from contextrl.disk import writing
from contextrl.errors import InputError
from contextrl.records.files import scratch_name

#: Rows that are written at once, and bytes of pictures and texts within them.
_GROUP, _GROUP_BYTES = 256, 32 * 2**20
_KINDS = (".jsonl", ".parquet")


class UsableRows:
    """A file of rows that has its name only when it is whole. Use it as a context.

    Args:
        path: ends in .jsonl or .parquet.
        pictures: the column of the pictures, or several; paths in it are kept as they are, and so must the folder be.
        option: which option or argument named the file, for errors.
        schema: Arrow's, of a Parquet file; by default what the first rows look like.

    Raises:
        InputError: another ending, or a file that is there.
    """

    def __init__(
        self,
        path: Path,
        pictures: tuple[str, ...] = ("images", "image"),
        option: str = "--fix-to",
        schema: Any = None,
    ) -> None:
        if path.suffix.lower() not in _KINDS:
            raise InputError(f"a file ending in {' or '.join(_KINDS)}", found=path.name, where=option)
        if path.exists():
            raise InputError("a new file", found=f"{path}, which is there", where=option)
        if not path.parent.is_dir():
            raise InputError("an existing folder", found=f"no folder {path.parent}", where=option)
        self.path, self.pictures, self.option, self.rows = path, pictures, option, 0
        self.schema = schema
        self._scratch = path.with_name(scratch_name(path.name))
        self._scratch.unlink(missing_ok=True)
        self._group: list[Mapping[str, Any]] = []
        self._bytes = 0
        self._file: Any = None

    def __enter__(self) -> Self:
        return self

    def put(self, row: RawRow) -> None:
        """Add a row.

        Raises:
            InputError: it cannot be written in this form, or its pictures would not be found any more.
        """
        self._check_pictures(row)
        self._group.append(row.columns)
        self._bytes += bytes_of(row)
        self.rows += 1
        if len(self._group) >= _GROUP or self._bytes >= _GROUP_BYTES:
            self._write(row.where)

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self._write("the last row")
        if self._file is not None:
            self._file.close()
        if kind is None and self.rows:
            self._scratch.replace(self.path)
        else:
            self._scratch.unlink(missing_ok=True)

    def _check_pictures(self, row: RawRow) -> None:
        if row.base is None or row.base.resolve() == self.path.parent.resolve():
            return
        values = [value for column in self.pictures for value in flat(row.columns.get(column) or [])]
        if any(isinstance(value, str) and not Path(value).is_absolute() and len(value) < 4096 for value in values):
            fix = "Paths of pictures are relative to the rows' file: write the new one beside it"
            raise InputError(f"a file in {row.base}", found=str(self.path), where=self.option, fix=fix)

    def _write(self, where: str) -> None:
        if not self._group:
            return
        with writing(self._scratch, f"Change {self.option}"):
            if self.path.suffix.lower() == ".parquet":
                self._write_table(where)
            else:
                self._write_lines(where)
        self._group, self._bytes = [], 0

    def _write_lines(self, where: str) -> None:
        if self._file is None:
            self._file = self._scratch.open("x", encoding="utf-8")
        try:
            self._file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in self._group)
        except TypeError as error:
            fix = f"Give {self.option} a name that ends in .parquet"
            raise InputError("rows that JSON can hold", found=str(error), where=where, fix=fix) from error

    def _write_table(self, where: str) -> None:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
        try:
            schema = self.schema if self._file is None else self._file.schema
            table = arrow.Table.from_pylist([dict(row) for row in self._group], schema=schema)
        except (arrow.ArrowInvalid, arrow.ArrowTypeError) as error:
            fix = f"Give {self.option} a name that ends in .jsonl"
            raise InputError("rows of one schema", found=str(error)[:200], where=where, fix=fix) from error
        if self._file is None:
            self._file = parquet.ParquetWriter(self._scratch, table.schema)
        self._file.write_table(table)
