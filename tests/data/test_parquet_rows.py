"""Rows of parquet files: all of them, in order, with little in memory, and only the columns that are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from contextrl.data import examination, parquet_rows
from contextrl.data.examination import Reading, examine
from contextrl.data.row_files import Source


def written(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def big(n: int, size: int) -> dict[str, Any]:
    return {"id": f"r{n}", "images": [{"bytes": n.to_bytes(4, "big") * (size // 4), "path": None}]}


@pytest.mark.parametrize("groups", [1_000, 70])
def test_all_rows_in_order(tmp_path: Path, groups: int) -> None:
    rows = [big(n, 400 * (n % 50)) for n in range(600)]
    path = written(tmp_path / "rows.parquet", rows, row_group_size=groups)
    assert list(parquet_rows.parquet_rows(path, "here")) == rows


def test_large_rows_are_read_few_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    table = pa.Table.from_pylist([big(n, 400_000) for n in range(300)])  # 120 MB in one row group
    # As datasets writes pictures: pages of about a megabyte. One page is the least that can be read.
    pq.write_table(table, path, use_dictionary=False, compression="none", write_batch_size=4)
    del table
    before, most, count = pa.total_allocated_bytes(), 0, 0
    for row in parquet_rows.parquet_rows(path, "here"):
        assert row["id"] == f"r{count}"
        count += 1
        most = max(most, pa.total_allocated_bytes() - before)
    assert count == 300
    assert most < 48 * 2**20


def test_only_some_columns(tmp_path: Path) -> None:
    rows = [{"id": n, "text": "x", "meta": {"id": n + 1, "note": "y"}} for n in range(5)]
    path = written(tmp_path / "rows.parquet", rows)

    def read(only: Sequence[str] | None) -> list[Any]:
        return list(parquet_rows.parquet_rows(path, "here", only))

    assert read(None) == rows
    assert read(["id"]) == [{"id": n} for n in range(5)]
    assert read(["meta.id"]) == [{"meta": row["meta"]} for row in rows]
    assert read(["absent"]) == [{}] * 5


def test_ids_are_read_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "rows.parquet", [big(n, 100) | {"text": "x"} for n in (0, 1, 1)])
    seen: list[set[str]] = []
    whole = Source.rows

    def rows(self: Source) -> Any:
        for row in whole(self):
            seen.append(set(getattr(row, "columns", {})))
            yield row

    monkeypatch.setattr(Source, "rows", rows)
    count, repeated = examination._repeated_ids(Reading(str(tmp_path / "rows.parquet")))
    assert (count, repeated) == (3, {"r1"})
    assert all(columns == {"id"} for columns in seen)


@pytest.mark.parametrize(
    ("rows", "columns", "repeated"),
    [
        ([{"id": "a"}, {"id": "b"}, {"id": "a"}], None, 1),
        ([{"id": 1}, {"id": 2}, {"id": 1}], None, 1),
        ([{"key": "a"}, {"key": "b"}, {"key": "a"}], {"id": "key"}, 1),
        ([{"meta": {"id": "a"}}, {"meta": {"id": "a"}}], {"id": "meta.id"}, 1),
        ([{"id": "a"}, {"id": "a"}], {"id": "absent"}, 0),
        ([{"other": "a"}, {"other": "a"}], None, 0),
        ([{"id": None, "x": 1}, {"id": None, "x": 1}], None, 0),
    ],
)
def test_repeated_ids_by_any_column(
    tmp_path: Path, rows: list[dict[str, Any]], columns: dict[str, str] | None, repeated: int
) -> None:
    fields = {"question": "1 + 1?", "images": None, "solution": "Answer: 2", "answer": "2"}
    path = written(tmp_path / "rows.parquet", [{**fields, "images": [], **row} for row in rows])
    findings = examine(Reading(str(path), columns=columns), workers=1)
    assert findings.rows == len(rows)
    assert sum(kind.count for name, kind in findings.by_count if name.startswith("id: a unique")) == repeated


def test_saved_datasets_are_read_alike(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = [{"id": f"r{n}", "question": "x" * n} for n in range(700)]
    datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / "saved"))
    assert [row.columns for row in Source(str(tmp_path / "saved")).rows()] == rows  # type: ignore[union-attr]
    only = Source(str(tmp_path / "saved"), only=("id",)).rows()
    assert [row.columns for row in only] == [{"id": f"r{n}"} for n in range(700)]  # type: ignore[union-attr]
