"""Rows of parquet files and other tables: as many at a time as fit into a few megabytes, and no column in vain."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contextrl.errors import InputError

#: Rows that are read at a time, and bytes of those that become Python's objects at a time: rows with large pictures
#: fill memory long before they are many.
BATCH_ROWS, _BATCH_BYTES = 256, 16 * 2**20
#: Bytes of a column that are read at a time; without it pyarrow reads the column of a whole row group.
_BUFFER = 2**20


def parquet_rows(path: Path, where: str, only: Sequence[str] | None = None) -> Iterator[Mapping[str, object]]:
    """Rows of a parquet file.

    Args:
        only: columns that are wanted, as `data.columns` names them; None: all.

    Raises:
        InputError: it is no parquet file, or not a whole one.
    """
    parquet = importlib.import_module("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except Exception as error:  # pyarrow's own exceptions have no common base below Exception
        raise InputError("a parquet file", found=str(error)[:160], where=where) from error
    with file:
        columns = None if only is None else columns_of(only, file.schema_arrow.names)
        if columns == []:
            yield from ({} for _ in range(file.metadata.num_rows))
            return
        for batch in _batches(file, columns, where):
            for part in in_parts(batch):
                yield from part.to_pylist()


def _batches(file: Any, columns: list[str] | None, where: str) -> Iterator[Any]:
    """Raises InputError where pages are damaged: the end of a file, which is read first, says nothing of them."""
    read = 0
    for group in range(file.num_row_groups):
        rows = _rows_at_once(file.metadata.row_group(group)) if columns is None else BATCH_ROWS
        batches = file.iter_batches(batch_size=rows, row_groups=[group], columns=columns, use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except Exception as error:  # see parquet_rows
                found, after = " ".join(str(error).split())[:160], f"{where}, after row {read}"
                raise InputError("a whole parquet file", found=found, where=after, fix="Copy it again") from error
            if batch is None:
                break
            yield batch
            read += batch.num_rows


def parquet_schema(paths: Sequence[Path]) -> Any:
    """Arrow's schema of parquet files together; None where there is no file, or they do not fit together."""
    arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    if not paths:
        return None
    try:
        schemas = [parquet.read_schema(path) for path in paths]
        same = all(schema.equals(schemas[0]) for schema in schemas)
        return schemas[0] if same else arrow.unify_schemas(schemas, promote_options="default")
    except Exception:  # whoever reads the rows is told what is wrong
        return None


def columns_of(only: Sequence[str], names: Sequence[str]) -> list[str]:
    """Those of a table's columns that hold some values: a name, or the first part of one that leads into an object."""
    found = [name if name in names else name.partition(".")[0] for name in only]
    return [name for name in dict.fromkeys(found) if name in names]


def in_parts(table: Any) -> Iterator[Any]:
    """A table or record batch in parts of a few megabytes; a row is never divided."""
    rows = table.num_rows
    step = max(1, rows * _BATCH_BYTES // max(table.nbytes, 1))
    for start in range(0, rows, step):
        yield table.slice(start, step)


def _rows_at_once(group: Any) -> int:
    """Rows of a row group that fit, by their average."""
    average = group.total_byte_size // max(group.num_rows, 1)
    return int(min(BATCH_ROWS, max(1, _BATCH_BYTES // max(average, 1))))
