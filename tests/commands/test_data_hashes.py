"""`contextrl data hashes`: files without a word of the benchmarks, with which a build leaves their questions out."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.made_rows import MADE, ROWS, png
from PIL import Image

from contextrl.building.stems import parts
from contextrl.commands.cli import main
from contextrl.commands.data_hashes import asked
from contextrl.evaluation.benchmarks.items import Item
from contextrl.evaluation.benchmarks.registry import BENCHMARKS
from contextrl.records.jsonl import read_objects

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_main(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["contextrl", "data", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return run_main


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    folder = tmp_path / "copies"
    folder.mkdir()
    for name, rows in MADE.items():
        pq.write_table(pa.Table.from_pylist(rows()), folder / f"{name}.parquet")
    return folder


def test_a_build_leaves_out_what_benchmarks_have(copies: Path, run: Run, tmp_path: Path) -> None:
    code, out, error = run("hashes", tmp_path / "hashes", "--data", copies)
    assert code == 0, error
    files = sorted(path.stem for path in (tmp_path / "hashes").iterdir())
    assert files == sorted(BENCHMARKS)
    assert f"mmstar: {ROWS} questions" in out
    for path in (tmp_path / "hashes").iterdir():
        text = path.read_text(encoding="utf-8")
        assert "bars" not in text
        assert "What" not in text
    smaller = io.BytesIO()
    with Image.open(io.BytesIO(png(3, (480, 320)))) as picture:
        picture.resize((240, 160)).save(smaller, format="JPEG", quality=80)
    (tmp_path / "shown.jpg").write_bytes(smaller.getvalue())
    Image.effect_mandelbrot((200, 150), (-2, -1.5, 1, 1.5), 60).save(tmp_path / "other.png")
    pq.write_table(
        pa.Table.from_pylist([{**MADE["mmstar"]()[3], "image": png(3, (480, 320))}]), copies / "mmstar.parquet"
    )
    assert run("hashes", tmp_path / "hashes", "--data", copies, "--benchmark", "mmstar")[0] == 0
    rows = [
        {"id": "shown", "question": "Is anything else asked here?", "answer": "no", "images": ["shown.jpg"]},
        {"id": "other", "question": "Is anything else asked here?", "answer": "no", "images": ["other.png"]},
    ]
    lines = "".join(json.dumps({**row, "solution": "So. Answer: no"}) + "\n" for row in rows)
    (tmp_path / "rows.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(
        "sources: [{path: rows.jsonl}]\nduplicates: {benchmarks: hashes}\n", encoding="utf-8"
    )
    code, _, error = run("build", tmp_path / "recipe.yaml", "--out", tmp_path / "set")
    assert code == 0, error
    (removed,) = read_objects(tmp_path / "set" / "removed.jsonl")
    assert (removed["id"], removed["reason"]) == ("rows-shown", "a benchmark's picture")
    assert str(removed["detail"]).startswith("mmstar:")


def test_without_copies_it_says_how_to_have_them(run: Run, tmp_path: Path) -> None:
    code, _, error = run("hashes", tmp_path / "hashes", "--benchmark", "mmstar")
    assert code == 3
    assert "hf download" in error


@pytest.mark.parametrize("named", ["mmstr", "", "miniature"])
def test_other_names_are_refused(named: str, run: Run, tmp_path: Path) -> None:
    assert run("hashes", tmp_path / "hashes", "--benchmark", named)[0] == 2
    assert not (tmp_path / "hashes").exists()


@pytest.mark.parametrize(
    ("columns", "question"),
    [
        ({"question": "Find x.\nChoices:\nA: 3\nB: 4"}, "Find x."),
        ({"query": "Hint: Please answer with an integer.\nQuestion: How many?\nChoices:\n(A) 1"}, "How many?"),
        ({"query": "Question: How many?"}, "How many?"),
        ({"query": "How many?"}, "How many?"),
    ],
)
def test_what_is_asked_is_without_hints_and_options(columns: dict[str, str], question: str) -> None:
    assert parts(asked(Item("1", columns))).stem == question
