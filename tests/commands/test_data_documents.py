"""Rows with documents through `contextrl data build`, `validate` and `show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from set_rows import lines, row
from typer.testing import CliRunner, Result

from contextrl.commands.data_cli import app
from contextrl.data.loading import load_examples

FACTS = ["Two dogs are on the left.", "<script>alert(1)</script>"]
RECIPE = """
sources:
  - {name: told, path: rows.jsonl, columns: {documents: facts}}
filter: {without_documents: drop}
"""


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Three questions with documents, one of them without a solution, and one without documents."""
    rows = [row(1, facts=FACTS), row(2, facts=FACTS[0]), row(3, facts=[FACTS[0]] * 2), row(4, facts=[])]
    del rows[1]["solution"]
    lines(tmp_path / "rows.jsonl", rows)
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    done = command("build", tmp_path / "recipe.yaml", "--out", tmp_path / "set", "--json")
    assert done.exit_code == 0, done.output
    return tmp_path / "set"


def test_a_build_carries_them(built: Path) -> None:
    examples = {one.id: one for one in load_examples(str(built))}
    assert {name: list(one.documents) for name, one in examples.items()} == {
        "told-1": FACTS,
        "told-2": FACTS[:1],
        "told-3": [FACTS[0]] * 2,
    }
    assert examples["told-2"].solution == "Answer: 3"
    manifest = json.loads((built / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["documents"] == {"rows": 3, "texts": 5}
    assert manifest["counts"]["reference"] == {"answer": 1, "source": 2}
    assert {step["name"]: step["dropped"] for step in manifest["steps"] if step["dropped"]} == {
        "filter": {"no documents": 1}
    }


def test_its_page_shows_them(built: Path) -> None:
    told: dict[str, Any] = json.loads(command("show", built, "--json").stdout)
    assert told["documents_of_a_row"] == {"1": 1, "2": 2}
    # 25 characters, 25 and 25, and 25 and 25 of the one with a tag.
    assert [len(text) for text in FACTS] == [25, 25]
    assert (told["documents_characters"]["least"], told["documents_characters"]["most"]) == (25, 50)
    assert command("show", built).exit_code == 0
    page = (built / "show.html").read_text(encoding="utf-8")
    assert page.count("<dt>documents</dt>") == 3
    assert page.count('<li class="text" dir="auto">Two dogs are on the left.</li>') == 4
    assert "<script>alert(1)</script>" not in page
    assert "Documents of a row" in page


def test_rows_without_any_have_no_figure_of_them(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", [row(1), row(2)])
    told = json.loads(command("show", path, "--json").stdout)
    assert (told["documents_of_a_row"], told["documents_characters"]["count"]) == ({"0": 2}, 0)
    assert command("show", path).exit_code == 0
    assert "ocuments of a row" not in (tmp_path / "rows.show.html").read_text(encoding="utf-8")


def test_validate_counts_rows_with_them_and_refuses_what_is_no_text(tmp_path: Path) -> None:
    rows = [row(1, documents=FACTS), row(2), row(3, documents=[7])]
    path, out = lines(tmp_path / "rows.jsonl", rows), tmp_path / "usable.jsonl"
    done = command("validate", path, "--workers", 1, "--fix-to", out)
    assert done.exit_code == 2
    assert "field 'documents': expected a list of texts" in done.output
    assert "1 of these have documents; judge.context: documents needs them in all." in done.output
    assert [list(one.documents) for one in load_examples(str(out))] == [FACTS, []]
    told = json.loads(command("validate", path, "--workers", 1, "--json").stdout)
    assert (told["rows"], told["usable"], told["with_documents"]) == (3, 2, 1)


def test_validate_says_nothing_more_where_all_rows_have_them(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", [row(1, facts=FACTS), row(2, facts="One.")])
    done = command("validate", path, "--workers", 1, "--column", "documents=facts")
    assert done.output.splitlines()[-2:] == ["2 of 2 rows are usable.", "2 of these have documents."]
