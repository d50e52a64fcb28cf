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
        InputError: it is no parquet file.
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
        for group in range(file.num_row_groups):
            rows = _rows_at_once(file.metadata.row_group(group)) if columns is None else BATCH_ROWS
            for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=columns, use_threads=False):
                for part in in_parts(batch):
                    yield from part.to_pylist()


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
