"""What `contextrl data build` refuses before it begins, and what it says where nothing is left."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contextrl.commands.cli import main

ROWS = "sources:\n  - {path: rows.jsonl}\n"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    rows = [
        {"id": str(n), "question": f"What is the sum of {n} and 1?", "answer": str(n + 1), "images": []}
        | {"solution": f"One more than {n} is {n + 1}. Answer: {n + 1}"}
        for n in range(6)
    ]
    write_rows(tmp_path / "rows.jsonl", rows)

    def run(recipe: str, *arguments: str) -> tuple[int, str]:
        (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["contextrl", "data", "build", "recipe.yaml", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), capsys.readouterr().err

    return run


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (f"{ROWS}balance: {{groups: [{{name: a, sources: [row]}}]}}\n", "balance.groups.0.sources"),
        (f"{ROWS}balance: {{groups: [{{name: a, sources: [rows]}}, {{name: b, sources: [x]}}]}}\n", "groups.1.sources"),
        (f"{ROWS}balance: {{shares: {{source: {{rows: 1, sums: 2}}}}}}\n", "balance.shares.source"),
        (f"{ROWS}duplicates: {{benchmarks: nowhere}}\n", "duplicates.benchmarks"),
        (f"{ROWS}duplicates: {{benchmarks: empty}}\n", "duplicates.benchmarks"),
        ('sources:\n  - {path: rows.jsonl, name: "a\\nb"}\n', "sources.0.name"),
        ('sources:\n  - {path: rows.jsonl, name: "a\\0b"}\n', "sources.0.name"),
        ('sources:\n  - {path: rows.jsonl, name: "\\uD800"}\n', "sources.0.name"),
        ("sources:\n  - {path: rows.jsonl, name: ' '}\n", "sources.0.name"),
    ],
)
def test_nothing_is_begun_with_what_cannot_be_done(build: Any, tmp_path: Path, recipe: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    code, error = build(recipe, "--out", "set")
    assert code == 2
    assert said in error
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("name", ["a/b", "../../x", "a\"b'c", "<b>[/red]", "数学", "x" * 300])
def test_any_printable_name_of_a_source_is_only_a_name(build: Any, tmp_path: Path, name: str) -> None:
    recipe = json.dumps({"sources": [{"path": "rows.jsonl", "name": name}]})
    code, error = build(recipe, "--out", "deep/set")
    assert code == 0, error
    assert {path.name for path in tmp_path.iterdir()} == {"rows.jsonl", "recipe.yaml", "deep"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["set"]


@pytest.mark.parametrize("name", ["README.md", "train-00000.parquet", "manifest.json", "pictures", "removed.jsonl"])
def test_what_no_build_has_made_is_not_replaced(build: Any, tmp_path: Path, name: str) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    kept = mine / name / "one.png" if name == "pictures" else mine / name
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine", encoding="utf-8")
    code, error = build(ROWS, "--out", "mine")
    assert code == 2
    assert name in error
    assert kept.read_text(encoding="utf-8") == "mine"
    assert list(mine.iterdir()) == [mine / name]


@pytest.mark.parametrize("path", ["set", "set/train-00000.parquet", "./set/"])
def test_a_set_is_not_built_over_its_own_source(build: Any, tmp_path: Path, path: str) -> None:
    assert build(ROWS, "--out", "set")[0] == 0
    before = (tmp_path / "set" / "train-00000.parquet").read_bytes()
    code, error = build(f"sources:\n  - {{path: {path}, name: again}}\n", "--out", "set")
    assert code == 2
    assert "source again" in error
    assert (tmp_path / "set" / "train-00000.parquet").read_bytes() == before
    assert build(f"sources:\n  - {{path: {path}, name: again}}\n", "--out", "other")[0] == 0


@pytest.mark.parametrize(("path", "out"), [(".", None), (".", "set"), ("data", "data/set"), ("data", "data/deep/set")])
def test_a_build_within_its_source_s_folder_reads_nothing_of_its_own(
    build: Any, tmp_path: Path, path: str, out: str | None
) -> None:
    if path == "data":
        (tmp_path / "data" / "train").mkdir(parents=True)
        (tmp_path / "rows.jsonl").rename(tmp_path / "data" / "train" / "metadata.jsonl")
    recipe, where = f"sources: [{{path: {path}, name: own}}]\n", ["--out", out] if out else []
    code, error = build(recipe, *where)
    assert code == 0, error
    made = tmp_path / (out or "sets/recipe")
    before = {one.name: one.read_bytes() for one in made.iterdir() if one.is_file()}
    done = made / "build" / "steps" / "01-import" / "done.json"
    stamp = done.stat().st_mtime_ns
    for _ in range(2):
        code, error = build(recipe, *where)
        assert code == 0, error
        assert {one.name: one.read_bytes() for one in made.iterdir() if one.is_file()} == before
        assert done.stat().st_mtime_ns == stamp, "nothing is imported again"


@pytest.mark.parametrize("out", ["rows.jsonl", "rows.jsonl/set", "x" * 300])
def test_a_folder_that_there_cannot_be_is_refused_in_words(build: Any, out: str) -> None:
    code, error = build(ROWS, "--out", out)
    assert code == 2
    assert "Traceback" not in error
    assert "--out" in error or "could not be written" in error


def test_where_no_row_is_left_the_step_and_its_reasons_are_named(build: Any) -> None:
    code, error = build("sources:\n  - {path: rows.jsonl, columns: {question: q}}\n", "--out", "set")
    assert code == 2
    assert "the step import" in error
    assert "removed all of 6 (6 expected a column 'q'" in error
    assert "The first: rows.jsonl, line 1: expected a column 'q'" in error
    code, error = build("sources:\n  - {path: rows.jsonl, ratings: {clarity: 3}}\n", "--out", "set")
    assert "the step filter" in error
    assert "6 no rating clarity" in error


def test_a_set_says_nothing_of_the_machine_it_was_built_on(build: Any, tmp_path: Path) -> None:
    with (tmp_path / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "sick", "question": 5}\n[1]\n')
    assert build(f"{ROWS}  - {{path: 'ro*.jsonl', name: all}}\n", "--out", "set")[0] == 0
    for name in ("manifest.json", "README.md", "removed.jsonl"):
        assert str(tmp_path) not in (tmp_path / "set" / name).read_text(encoding="utf-8"), name
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text(encoding="utf-8"))
    assert [source["path"] for source in manifest["recipe"]["sources"]] == ["rows.jsonl", "ro*.jsonl"]


def test_a_pattern_through_folders_is_read_with_its_pictures(build: Any, tmp_path: Path) -> None:
    (tmp_path / "own" / "train").mkdir(parents=True)
    Image.effect_noise((64, 64), 80).save(tmp_path / "own" / "train" / "a.png")
    row = {"file_name": "a.png", "question": "How many?", "solution": "Answer: 7", "answer": "7"}
    (tmp_path / "own" / "train" / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    recipe = "sources:\n  - {path: 'own/*/metadata.jsonl', columns: {images: file_name}}\n"
    assert build(recipe, "--out", "set") == (0, "")
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["rows"], manifest["pictures"]["files"]) == (1, 1)


def test_the_manifest_says_the_limit(build: Any, tmp_path: Path) -> None:
    assert build("sources:\n  - {path: rows.jsonl, limit: 4}\n", "--out", "set", "--limit", "2")[0] == 0
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["recipe"]["sources"][0]["limit"], manifest["rows"]) == (2, 2)


@pytest.mark.parametrize("path", ["rows.jsonl", "row?.jsonl"])
def test_an_answer_that_was_mended_is_read_again(build: Any, tmp_path: Path, path: str) -> None:
    """In the middle of a large file, its size being the same."""
    long = "x" * 3_000_000
    rows = [{"id": "long", "question": long}, {"id": "a", "question": "How many are there here?", "images": []}]
    rows[1] |= {"solution": "I count 3. Answer: 3", "answer": "3"}
    write_rows(tmp_path / "rows.jsonl", [rows[0], rows[1], rows[0]])
    recipe = f"sources:\n  - {{path: '{path}', name: own}}\nfilter: false\n"
    assert build(recipe, "--out", "set")[0] == 0
    rows[1] |= {"solution": "I count 4. Answer: 4", "answer": "4"}
    write_rows(tmp_path / "rows.jsonl", [rows[0], rows[1], rows[0]])
    assert build(recipe, "--out", "set")[0] == 0
    part = next((tmp_path / "set" / "build" / "steps" / "01-import").glob("part-*.jsonl"))
    assert json.loads(part.read_text(encoding="utf-8"))["answer"] == "4"


def test_a_card_holds_nothing_that_cannot_be_printed(build: Any, tmp_path: Path) -> None:
    row = {"id": "a", "question": "How many are there here?", "images": [], "answer": "3", "solution": "Answer: 3"}
    write_rows(tmp_path / "rows.jsonl", [row | {"licence": "mit\u0000\u001b[31m\u202e"}])
    assert build(ROWS, "--out", "set")[0] == 0
    card = (tmp_path / "set" / "README.md").read_text(encoding="utf-8")
    assert all(character.isprintable() or character == "\n" for character in card)


def test_what_another_recipe_had_removed_is_not_told_of(build: Any, tmp_path: Path) -> None:
    row = {"question": "What is the sum of 5 and 1?", "images": [], "answer": "6", "solution": "Answer: 6"}
    with (tmp_path / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row | {"id": "again"}) + "\n")
        file.write(json.dumps(row | {"id": "told", "question": "The answer is 6. What is the sum of 5 and 1?"}) + "\n")
    assert build(ROWS, "--out", "set")[0] == 0
    removed = (tmp_path / "set" / "removed.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["id"] for line in removed.splitlines()] == ["rows-told", "rows-again"]
    assert build(ROWS + "filter: false\nduplicates: false\n", "--out", "set")[0] == 0
    assert (tmp_path / "set" / "removed.jsonl").read_text(encoding="utf-8") == ""
    assert build(ROWS, "--out", "set")[0] == 0
    assert (tmp_path / "set" / "removed.jsonl").read_text(encoding="utf-8") == removed
