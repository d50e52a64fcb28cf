"""Every fault of every row is told, in order, whatever the number of workers; memory does not hold the file."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from contextrl.data import examination
from contextrl.data.examination import Reading, examine
from contextrl.errors import InputError


def good(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "id": f"r{number}",
        "question": f"What is {number} + 1?",
        "images": [],
        "solution": f"{number} + 1 = {number + 1}. Answer: {number + 1}",
        "answer": str(number + 1),
        "answer_type": "number",
    }
    return {key: value for key, value in (row | changes).items() if value is not None}


def written(folder: Path, rows: list[Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def faulty_rows(folder: Path) -> list[Any]:
    Image.new("RGB", (8, 8)).save(folder / "right.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    rows: list[Any] = [good(n) for n in range(200)]
    rows[3] = good(3, answer="5000")
    rows[70] = good(70, question=None)
    rows[71] = good(71, images=["right.png"], question="<image> What is 71 + 1?")
    rows[72] = good(72, images=["broken.png"], question="<image> What is 72 + 1?")
    rows[73] = good(73, images=["absent.png"], question="<image> What is 73 + 1?")
    rows[74] = good(74, images=["/etc/passwd"], question="<image> What is 74 + 1?")
    rows[130] = "{ no json\n"
    rows[131] = "[1, 2]\n"
    rows[180] = good(180, id="r5")
    rows[181] = good(181, solution="")
    return rows


WRONG = {3, 70, 72, 73, 74, 130, 131, 180, 181}


@pytest.mark.parametrize("workers", [1, 2])
def test_all_faults_of_all_rows_are_found_in_order(tmp_path: Path, workers: int) -> None:
    path = written(tmp_path, faulty_rows(tmp_path))
    found: list[tuple[int, bool]] = []
    findings = examine(
        Reading(str(path)), workers=workers, on_row=lambda _, looked: found.append((len(found), not looked.problems))
    )
    assert [place for place, usable in found if not usable] == sorted(WRONG)
    assert (findings.rows, findings.usable) == (200, 200 - len(WRONG))
    lines = [line for _, kind in findings.by_count for line in kind.first]
    assert any("line 131" in line and "JSON" in line for line in lines)
    assert any("line 181" in line and "'r5'" in line and "line 6" in line for line in lines)
    assert not any("expected expected" in line or line.startswith("expected") for line in lines)


def heavy_rows(folder: Path, count: int) -> Path:
    """A table with pictures inside, so large that few fit a batch."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    whole, torn = buffer.getvalue(), buffer.getvalue()[:-4000]
    rows = [good(n, images=[{"bytes": torn if n in (7, 31) else whole, "path": None}]) for n in range(count)]
    path = folder / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_pictures_in_the_rows_are_checked_here_and_in_order(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "look_at", None)  # what other processes would do
    found: list[bool] = []
    findings = examine(
        Reading(str(heavy_rows(tmp_path, 40))),
        workers=workers,
        on_row=lambda _, looked: found.append(not looked.problems),
    )
    assert [place for place, usable in enumerate(found) if not usable] == [7, 31]
    assert [name for name, _ in findings.by_count] == ["images: a complete image"]


def test_kinds_are_counted_and_only_the_first_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path, [good(n, answer="5000") for n in range(30)])
    findings = examine(Reading(str(path)), workers=1)
    assert [(kind.count, len(kind.first)) for _, kind in findings.by_count] == [(30, examination.SHOWN)]


def test_a_filter_that_is_too_small_accuses_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_FILTER_BITS", 64)
    path = written(tmp_path, [good(n) for n in range(50)] + [good(3)])
    findings = examine(Reading(str(path)), workers=1)
    assert [(name, kind.count) for name, kind in findings.by_count] == [("id: a unique id", 1)]


def test_columns_are_read_as_in_training(tmp_path: Path) -> None:
    rows = [{"query": "1 + 1?", "images": [], "solution": "Answer: 2", "answer": "2"}]
    path = written(tmp_path, rows)
    assert examine(Reading(str(path)), workers=1).usable == 0
    assert examine(Reading(str(path), columns={"question": "query"}, answer_type="auto"), workers=1).usable == 1


def test_an_error_from_another_process_is_the_same() -> None:
    error = InputError("a number", found="text", where="row 3", fix="Write one")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(again), again.expected, again.fix) == (str(error), "a number", "Write one")
