"""`contextrl data validate`: faults by kind, exit codes, and the file of usable rows."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from contextrl.commands.data_cli import app
from contextrl.data.loading import load_examples
from contextrl.errors import InputError


def row(number: int, answer: str | None = None) -> dict[str, object]:
    return {
        "id": str(number),
        "question": f"{number} + 1?",
        "images": [],
        "solution": f"Answer: {number + 1}",
        "answer": answer or str(number + 1),
    }


def lines(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


def test_usable_rows_end_with_zero(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["validate", str(lines(tmp_path / "a.jsonl", [row(1)])), "--workers", "1"])
    assert (done.exit_code, done.stdout) == (0, "1 of 1 rows are usable.\n")


def test_faults_are_told_by_kind_and_the_good_rows_written(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [row(1), row(2, "77"), row(3), row(4, "[bold]9[/bold]")])
    out = tmp_path / "good.jsonl"
    done = CliRunner().invoke(app, ["validate", str(path), "--workers", "1", "--fix-to", str(out)])
    assert done.exit_code == InputError.exit_code
    assert "2 x expected solution: the final answer" in done.stdout
    assert "line 2" in done.stdout
    assert "[bold]9[/bold]" in done.stdout
    assert [example.id for example in load_examples(str(out))] == ["1", "3"]


def test_json_output(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [row(1), row(2, "77")])
    told = json.loads(CliRunner().invoke(app, ["validate", str(path), "--workers", "1", "--json"]).stdout)
    assert (told["rows"], told["usable"], told["faults"][0]["count"]) == (2, 1, 1)


def test_pictures_in_parquet_stay_in_the_usable_rows(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    pictures = [buffer.getvalue(), b"broken", buffer.getvalue()]
    rows = [
        row(n) | {"question": f"<image>{n} + 1?", "images": [{"bytes": p, "path": None}]}
        for n, p in enumerate(pictures)
    ]
    path, out = tmp_path / "a.parquet", tmp_path / "good.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    done = CliRunner().invoke(app, ["validate", str(path), "--workers", "1", "--fix-to", str(out)])
    assert done.exit_code == InputError.exit_code
    assert pq.read_table(out).to_pylist() == [rows[0], rows[2]]


def test_usable_rows_never_lose_their_pictures(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "p.png")
    path = lines(tmp_path / "a.jsonl", [row(1) | {"question": "<image>1 + 1?", "images": ["p.png"]}])
    (tmp_path / "other").mkdir()
    done = CliRunner().invoke(
        app, ["validate", str(path), "--workers", "1", "--fix-to", str(tmp_path / "other/a.jsonl")]
    )
    assert isinstance(done.exception, InputError)
    assert "beside it" in str(done.exception)
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize("name", ["good.csv", "a.jsonl", "absent/good.jsonl"])
def test_where_usable_rows_cannot_go(tmp_path: Path, name: str) -> None:
    path = lines(tmp_path / "a.jsonl", [row(1)])
    done = CliRunner().invoke(app, ["validate", str(path), "--workers", "1", "--fix-to", str(tmp_path / name)])
    assert isinstance(done.exception, InputError)
    assert "--fix-to" in str(done.exception)
