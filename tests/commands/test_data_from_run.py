"""`contextrl data from-run`: a run's right answers become rows that are read, verified and trained on as any others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner, Result

from contextrl.commands.data_cli import app
from contextrl.data.images import open_image
from contextrl.data.loading import load_examples
from contextrl.data.validation import validate_examples
from contextrl.miniature.facts import with_facts
from contextrl.miniature.tasks import miniature_examples
from contextrl.records.example import Example

SEED, EXAMPLES = 3, 12


def verdict(*, right: bool) -> dict[str, Any]:
    return {"status": "correct" if right else "incorrect", "answer_correct": True, "process_correct": right}


@pytest.fixture
def examples() -> list[Example]:
    return miniature_examples("train", EXAMPLES, seed=SEED, voice="foreign")


@pytest.fixture
def run(tmp_path: Path, examples: list[Example]) -> Path:
    """A run of which each question has one right response, one false positive and one whose answer no rule finds."""
    folder = tmp_path / "some-run"
    folder.mkdir()
    data = {"train": "miniature", "eval": None, "examples": EXAMPLES, "voice": "foreign"}
    (folder / "config.yaml").write_text(yaml.safe_dump({"method": "grpo", "seed": SEED, "data": data}))
    groups: list[dict[str, Any]] = []
    for step, example in enumerate(examples, start=1):
        texts = [
            (f"Seen. Answer: {example.answer}", True),
            (f"Guessed. Answer: {example.answer}", False),
            ("A judge liked this: 12345", True),
        ]
        attempts = [
            {"stage": 1, "text": text, "truncated": False, "verdict": verdict(right=right)} for text, right in texts
        ]
        groups.append({"step": step, "example_id": example.id, "attempts": attempts})
    groups.append({"step": 99, "example_id": "of another set", "attempts": groups[0]["attempts"][:1]})
    (folder / "groups.jsonl").write_text("".join(json.dumps(group) + "\n" for group in groups))
    return folder


def from_run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["from-run", *map(str, arguments)])


def test_rows_are_usable_and_say_where_they_come_from(run: Path, tmp_path: Path, examples: list[Example]) -> None:
    out = tmp_path / "rows.parquet"
    done = from_run(run, out, "--rows", 10, "--false-positives", 0.3, "--seed", 1)
    assert done.exit_code == 0, done.output
    assert "10 rows of" in done.output
    assert "3 of them false positives" in done.output
    assert "12 without a final answer that a rule finds right" in done.output
    assert "1 of a question that is not in the run's data" in done.output
    rows = load_examples(str(out))
    validate_examples(rows, vision=True, where="rows")
    by_id = {example.id: example for example in examples}
    for row, columns in zip(rows, pq.read_table(out).to_pylist(), strict=True):
        source = by_id[columns["example"]]
        assert (row.question, row.answer, row.answer_type) == (source.question, source.answer, source.answer_type)
        assert (row.task, row.source) == (source.task, source.source)
        assert row.solution.startswith("Seen." if columns["process_correct"] else "Guessed.")
        assert [open_image(image).tobytes() for image in row.images] == [
            open_image(image).tobytes() for image in source.images
        ]
        assert (columns["run"], columns["stage"], columns["judged_by"]) == ("some-run", 1, "judge")
        assert columns["step"] == examples.index(source) + 1


def test_rows_have_the_documents_of_their_questions(run: Path, tmp_path: Path, examples: list[Example]) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"]["facts"] = "all"
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    out = tmp_path / "rows.parquet"
    assert from_run(run, out, "--rows", 4).exit_code == 0
    told = {example.id: tuple(example.documents) for example in with_facts(examples, "all")}
    rows = load_examples(str(out))
    assert [tuple(row.documents) for row in rows] == [
        told[columns["example"]] for columns in pq.read_table(out).to_pylist()
    ]
    assert all(row.documents for row in rows)


def test_references_of_the_same_questions(run: Path, tmp_path: Path, examples: list[Example]) -> None:
    own, references = tmp_path / "own.parquet", tmp_path / "references.parquet"
    for out, more in ((own, ()), (references, ("--references",))):
        assert from_run(run, out, "--rows", 8, *more).exit_code == 0
    mine, theirs = (load_examples(str(out)) for out in (own, references))
    assert [row.id for row in mine] == [row.id for row in theirs]
    solutions = {example.solution for example in examples}
    assert all(row.solution in solutions for row in theirs)
    assert not any(row.solution in solutions for row in mine)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--rows", "100", "--false-positives", "0.3"), "at least 30 false positives"),
        (("--rows", "13"), "at least 13 right answers by right steps"),
    ],
    ids=["false", "right"],
)
def test_too_few_leave_no_file(run: Path, tmp_path: Path, more: tuple[str, ...], message: str) -> None:
    out = tmp_path / "rows.parquet"
    done = from_run(run, out, *more)
    assert done.exit_code != 0
    assert message in str(done.exception)
    assert list(tmp_path.iterdir()) == [run]


def test_what_is_there_is_not_replaced_and_other_forms_are_refused(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    assert from_run(run, out).exit_code == 0
    assert "a new file" in str(from_run(run, out).exception)
    assert "OUT" in str(from_run(run, out).exception)
    assert "a file ending in .parquet" in str(from_run(run, tmp_path / "rows.csv").exception)
    assert "a run directory" in str(from_run(tmp_path, tmp_path / "b.parquet").exception)
