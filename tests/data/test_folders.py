"""Folders as they come from the hub, from others' programs and from builds: which files hold the rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contextrl.data.folders import row_files
from contextrl.data.loading import load_examples
from contextrl.data.row_files import Source
from contextrl.errors import InputError

SHARD = "data/train-00000-of-00001.parquet"


def row(answer: str) -> dict[str, object]:
    return {"id": answer, "question": "How many?", "images": [], "solution": f"Answer: {answer}", "answer": answer}


def put(path: Path, *answers: str) -> Path:
    """A file of rows, its answers being those given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [row(answer) for answer in answers]
    if path.suffix == ".parquet":
        images = pa.field("images", pa.list_(pa.string()))
        texts = [pa.field(name, pa.string()) for name in ("id", "question", "solution", "answer")]
        pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema([*texts[:2], images, *texts[2:]])), path)
    elif path.suffix == ".csv":
        lines = [f"{one['id']},{one['question']},,{one['solution']},{one['answer']}" for one in rows]
        path.write_text("\n".join(["id,question,images,solution,answer", *lines]) + "\n", encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


def answers(folder: Path, split: str = "train") -> list[str]:
    return [one.answer for one in load_examples(str(folder), split=split)]


METADATA = ["dataset_infos.json", "dataset_info.json", "config.json", "state.json", "croissant.json", "package.json"]


@pytest.mark.parametrize("name", [*METADATA, "anything.json", ".hidden.parquet", "notes.csv", "notes.jsonl"])
def test_what_lies_above_the_shards_of_a_hub_set_is_not_its_rows(tmp_path: Path, name: str) -> None:
    put(tmp_path / SHARD, "1")
    put(tmp_path / "data/test-00000-of-00001.parquet", "2")
    (tmp_path / name).write_text('{"default": {"splits": {}}}', encoding="utf-8")
    assert answers(tmp_path) == ["1"]
    assert answers(tmp_path, "test") == ["2"]


@pytest.mark.parametrize("name", METADATA)
@pytest.mark.parametrize("rows", ["rows.json", "rows.csv", "train/metadata.jsonl", "en/rows.json"])
def test_known_metadata_beside_rows_of_any_format(tmp_path: Path, name: str, rows: str) -> None:
    (tmp_path / name).write_text('{"a": 1}', encoding="utf-8")
    put(tmp_path / rows, "1")
    assert answers(tmp_path) == ["1"]


@pytest.mark.parametrize(
    ("top", "below", "read"),
    [
        ("meta.csv", "data/train.jsonl", "below"),
        ("meta.csv", "data/0000.parquet", "below"),
        ("index.json", "train/metadata.jsonl", "below"),
        ("test.jsonl", "train/metadata.jsonl", "below"),
        ("train.csv", SHARD, "top"),
        ("rows.csv", "data/lookup.jsonl", "top"),
        ("rows.jsonl", "images/metadata.csv", "top"),
        ("rows.jsonl", "test/metadata.jsonl", "top"),
        ("rows.jsonl", "training/notes.parquet", "top"),
    ],
)
def test_rows_above_and_below(tmp_path: Path, top: str, below: str, read: str) -> None:
    put(tmp_path / top, "1")
    put(tmp_path / below, "2")
    assert answers(tmp_path) == [{"top": "1", "below": "2"}[read]]


@pytest.mark.parametrize(
    ("top", "below"), [("rows.jsonl", "train/metadata.jsonl"), ("rows.parquet", SHARD), ("rows.parquet", "a/train.csv")]
)
def test_where_both_could_be_meant_both_are_named(tmp_path: Path, top: str, below: str) -> None:
    put(tmp_path / top, "1")
    put(tmp_path / below, "2")
    with pytest.raises(InputError) as caught:
        answers(tmp_path)
    assert all(str(name) in str(caught.value) for name in (top, below, tmp_path / top, (tmp_path / below).parent))
    assert answers(tmp_path / top) == ["1"]
    assert answers((tmp_path / below).parent) == ["2"]


@pytest.mark.parametrize("marks", [["manifest.json", "removed.jsonl"], ["build/steps/01-import/part-000-00000.jsonl"]])
def test_a_build_within_a_folder_is_no_part_of_it(tmp_path: Path, marks: Sequence[str]) -> None:
    put(tmp_path / "train/metadata.jsonl", "1")
    put(tmp_path / "set/train-00000.parquet", "2")
    for mark in marks:
        put(tmp_path / "set" / mark, "3")
    assert answers(tmp_path) == ["1"]
    assert Source(str(tmp_path)).files() == [tmp_path / "train/metadata.jsonl"]
    assert answers(tmp_path / "set") == ["2"]
    assert Source(str(tmp_path / "set")).files() == [tmp_path / "set/train-00000.parquet"]


def test_a_folder_of_nothing_but_builds_says_so(tmp_path: Path) -> None:
    put(tmp_path / "sums/train-00000.parquet", "2")
    put(tmp_path / "sums/removed.jsonl", "2")
    (tmp_path / "sums/manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="only the builds sums"):
        answers(tmp_path)


def test_folders_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    assert row_files(tmp_path / "none", "train") == []


def test_a_pattern_goes_through_folders_and_takes_the_files_of_a_split(tmp_path: Path) -> None:
    for folder, answer in (("train", "1"), ("test", "2")):
        (tmp_path / "set[1]" / folder).mkdir(parents=True)
        row = {"question": "?", "images": [], "solution": f"Answer: {answer}", "answer": answer}
        (tmp_path / "set[1]" / folder / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "set[1]" / "a.jsonl").mkdir()  # a folder is no file of rows
    for pattern in ("set[1]/*/metadata.jsonl", "set[1]/**/*.jsonl", "*/t*/*.jsonl", "set[1]/test/*.jsonl"):
        wanted = "2" if "/test/" in pattern else "1"
        assert [example.answer for example in load_examples(str(tmp_path / pattern))] == [wanted], pattern
    with pytest.raises(InputError, match="found none"):
        load_examples(str(tmp_path / "gone/*.jsonl"))
