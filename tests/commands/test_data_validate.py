"""`contextrl data validate`: faults by kind, exit codes, and the file of usable rows."""

from __future__ import annotations

import base64
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
from contextrl.data.validation import validate_examples
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


def test_pictures_in_a_table_cannot_go_into_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([row(1) | {"raw": b"xx"}]), path)
    done = CliRunner().invoke(app, ["validate", str(path), "--workers", "1", "--fix-to", str(tmp_path / "good.jsonl")])
    assert "--fix-to: expected rows that JSON can hold, found bytes in column 'raw'" in str(done.exception)
    assert [file.name for file in tmp_path.iterdir()] == ["a.parquet"]


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


def validated(path: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["validate", str(path), "--workers", "1", *options])
    if isinstance(done.exception, InputError):
        return InputError.exit_code, str(done.exception)
    return done.exit_code, done.stdout


@pytest.mark.parametrize("name", ["good.jsonl", "good.parquet"])
def test_usable_rows_are_usable_in_the_new_file(tmp_path: Path, name: str) -> None:
    """Also where columns are not in all rows, or are the empty cells of a table."""
    for picture in ("a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / picture)
    table = tmp_path / "rows.csv"
    table.write_text(
        "id,question,images,solution,answer,image_ids,tolerance\n"
        "1,What?,,Answer: 5,5,,\n2,What?,a.png;b.png,Answer: 5,5,,1%\n3,What?,a.png,Answer: 6,5,,\n",
        encoding="utf-8",
    )
    objects = lines(
        tmp_path / "rows.jsonl",
        [row(1), row(2) | {"images": ["a.png"], "image_ids": ["a"], "documents": ["fact"]}, row(3, "77")],
    )
    for path in (table, objects):
        out = tmp_path / f"{path.suffix[1:]}-{name}"
        assert validated(path, "--fix-to", str(out))[0] == InputError.exit_code
        assert validated(out)[0] == 0, path
        assert [len(one.images) for one in load_examples(str(out))] == ([0, 2] if path == table else [0, 1])
    assert [one.documents for one in load_examples(str(tmp_path / f"jsonl-{name}"))] == [(), ("fact",)]


def test_a_column_that_only_later_rows_fill_is_kept_or_refused(tmp_path: Path) -> None:
    rows = [row(n) | ({"documents": ["fact"]} if n == 300 else {}) for n in range(301)]
    code, said = validated(lines(tmp_path / "a.jsonl", rows), "--fix-to", str(tmp_path / "good.parquet"))
    assert (code, "'documents'" in said, "ends in .jsonl" in said) == (2, True, True)
    schema = pa.schema([("id", pa.string()), ("question", pa.string()), ("images", pa.list_(pa.string()))])
    for name in ("solution", "answer"):
        schema = schema.append(pa.field(name, pa.string()))
    schema = schema.append(pa.field("documents", pa.list_(pa.string())))
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "a.parquet")
    assert validated(tmp_path / "a.parquet", "--fix-to", str(tmp_path / "good.parquet"))[0] == 0
    assert pq.read_schema(tmp_path / "good.parquet").equals(schema)
    assert load_examples(str(tmp_path / "good.parquet"))[300].documents == ("fact",)


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({"note": "\ud800"}, id="half-a-character"),
        pytest.param({"note": {}}, id="empty-object"),
        pytest.param({"note": 2**70}, id="large-number"),
    ],
)
def test_columns_that_parquet_cannot_hold_stay_in_lines(tmp_path: Path, extra: dict[str, object]) -> None:
    path = lines(tmp_path / "a.jsonl", [row(1) | extra])
    code, said = validated(path, "--fix-to", str(tmp_path / "good.parquet"))
    assert (code, "ends in .jsonl" in said) == (2, True)
    assert validated(path, "--fix-to", str(tmp_path / "good.jsonl"))[0] == 0
    assert json.loads((tmp_path / "good.jsonl").read_text(encoding="utf-8")) == row(1) | extra
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.jsonl", "good.jsonl"]


@pytest.mark.parametrize("kind", ["absolute", "dotted", "stored", "address", "data"])
def test_pictures_that_the_new_file_would_not_find(tmp_path: Path, kind: str) -> None:
    picture = tmp_path / "p.png"
    Image.new("RGB", (8, 8)).save(picture)
    (tmp_path / "other").mkdir()
    values: dict[str, object] = {
        "absolute": [str(picture)],
        "dotted": [],
        "stored": [{"path": "p.png", "bytes": None}],
        "address": [picture.as_uri()],
        "data": ["data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()],
    }
    one = row(1) | {"images": values[kind], "meta": {"picture": "p.png"}}
    options = ["--column", "images=meta.picture"] if kind == "dotted" else []
    path, out = lines(tmp_path / "a.jsonl", [one]), tmp_path / "other" / "good.jsonl"
    code, said = validated(path, "--fix-to", str(out), *options)
    if kind == "data":
        assert (code, validated(out)[0]) == (0, 0)
    else:
        assert (code, "beside it" in said, out.exists()) == (2, True, False)
    if kind == "absolute":
        assert validated(path, "--fix-to", str(out), "--allow-outside")[0] == 0
        assert validated(out, "--allow-outside")[0] == 0


@pytest.mark.parametrize("content", ["\n \n", "\ufeff"])
def test_a_file_without_rows_is_not_usable(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content, encoding="utf-8")
    assert validated(path)[0] == InputError.exit_code
    pq.write_table(pa.Table.from_pylist([row(1)]).slice(0, 0), tmp_path / "a.parquet")
    assert validated(tmp_path / "a.parquet") == (2, f"{tmp_path}/a.parquet: expected at least one row, found none.")


def test_damaged_pages_of_parquet_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([row(n) for n in range(50)]), path)
    data = bytearray(path.read_bytes())
    data[4:200] = b"\xff" * 196
    path.write_bytes(data)
    code, said = validated(path)
    assert (code, "expected a whole parquet file" in said) == (2, True)


def test_what_rows_hold_moves_no_terminal_and_fills_none(tmp_path: Path) -> None:
    rows = [{"\x1b]0;title\x07\u202e": 1}, row(2, "9" * 100_000), row(3, "it's") | {"id": "\x1b[31m" * 9_000}]
    code, said = validated(lines(tmp_path / "a.jsonl", rows))
    assert code == InputError.exit_code
    assert "[U+001B]" in said
    assert len(said) < 3_000
    assert all(character.isprintable() or character == "\n" for character in said)
    assert "2 x expected solution: the final answer\n" in said


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("source", ["jsonl", "parquet"])
def test_what_answers_are_taken_for_is_written_so_that_training_takes_them_for_the_same(
    tmp_path: Path, source: str, suffix: str
) -> None:
    """`validate` finds out what an answer is, training takes one for text where the row does not say it."""
    rows = [
        {"id": "a", "question": "Is it?", "images": [], "solution": "I look. Answer: yes, it is", "answer": "Yes"},
        {"id": "b", "question": "Who?", "images": [], "solution": "I look. Answer: Ada", "answer": "Ada"},
    ]
    path = tmp_path / f"rows.{source}"
    if source == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    fixed = tmp_path / f"fixed.{suffix}"
    done = CliRunner().invoke(app, ["validate", str(path), "--fix-to", str(fixed)], catch_exceptions=False)
    assert done.exit_code == 0
    examples = load_examples(str(fixed))
    assert [example.answer_type for example in examples] == ["yes_no", "text"]
    validate_examples(examples, vision=True, where="fixed", progress=False)
