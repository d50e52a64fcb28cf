"""The column `tolerance` from a file to the rule, and rows whose solutions end with several boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contextrl.data.loading import load_examples
from contextrl.data.validation import validate_examples
from contextrl.errors import InputError
from contextrl.evaluation.judging.response_rows import read_response_rows
from contextrl.judge.rules import confident_rule

ROW = {"question": "How long?", "images": [], "solution": "So 2.0944 m. Answer: 2.0944", "answer": "2.0944"}


def write(path: Path, **columns: Any) -> Path:
    path.write_text(json.dumps({**ROW, "answer_type": "number", **columns}) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("tolerance", "outcome"), [(None, None), (0.01, True), ("0.01", True), ("1%", True), (0.001, False), (0, False)]
)
def test_a_rows_tolerance_reaches_the_rule(tmp_path: Path, tolerance: float | str | None, outcome: bool | None) -> None:
    path = write(tmp_path / "rows.jsonl", tolerance=tolerance)
    [example] = load_examples(str(path))
    assert example.tolerance == tolerance
    assert confident_rule(example, "Answer: 2.09") is outcome
    assert confident_rule(example, "Answer: 2.0944") is True
    path = write(tmp_path / "responses.jsonl", tolerance=tolerance, response="Answer: 2.09")
    [row] = read_response_rows(path, "solution")
    assert confident_rule(row.example, row.response) is outcome


def test_a_row_without_the_column_has_no_tolerance(tmp_path: Path) -> None:
    [example] = load_examples(str(write(tmp_path / "rows.jsonl")))
    assert example.tolerance is None


@pytest.mark.parametrize("tolerance", [-0.1, "much", "-1%", True, [0.1], "1 %%"])
def test_a_wrong_tolerance_is_named(tmp_path: Path, tolerance: Any) -> None:
    with pytest.raises(InputError) as caught:
        load_examples(str(write(tmp_path / "rows.jsonl", tolerance=tolerance)))
    assert "line 1, field 'tolerance'" in caught.value.where


@pytest.mark.parametrize(
    ("solution", "answer", "answer_type"),
    [
        ("So $x=\\boxed{2}$ or $x=\\boxed{3}$.", "2, 3", "math"),
        ("So $x=\\boxed{3}$ and $x=\\boxed{2}$.", "x=2 or x=3", "math"),
        ("Hence \\boxed{2}, \\boxed{3}", "\\{2, 3\\}", "math"),
        ("Both \\boxed{A} and \\boxed{C}.", "A, C", "choice"),
        ("First \\boxed{5}, which is too small.\n\nThen \\boxed{6}", "6", "math"),
    ],
)
def test_a_solution_with_several_boxes_passes(tmp_path: Path, solution: str, answer: str, answer_type: str) -> None:
    path = write(tmp_path / "rows.jsonl", solution=solution, answer=answer, answer_type=answer_type)
    validate_examples(load_examples(str(path)), vision=False, where="rows.jsonl")


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("So $x=\\boxed{2}$ or $x=\\boxed{3}$.", True),
        ("So $x=\\boxed{3}$ or $x=\\boxed{2}$.", True),
        ("So $x=\\boxed{2,3}$.", True),
        ("So $x=\\boxed{2}$ or $x=\\boxed{4}$.", False),
        ("So $x=\\boxed{2}$.", False),
        ("So $x=\\boxed{2}$, $x=\\boxed{3}$ or $x=\\boxed{4}$.", False),
    ],
)
def test_several_boxes_are_one_answer(tmp_path: Path, response: str, outcome: bool) -> None:
    [example] = load_examples(
        str(write(tmp_path / "rows.jsonl", solution="\\boxed{2,3}", answer="2, 3", answer_type="math"))
    )
    assert confident_rule(example, response) is outcome


def test_two_boxes_beside_one_value_are_in_doubt(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", solution="\\boxed{3}", answer="3", answer_type="math")
    [example] = load_examples(str(path))
    assert confident_rule(example, "So $x=\\boxed{2}$ or $x=\\boxed{3}$.") is None
    assert confident_rule(example, "So $x=\\boxed{2}$ or $x=\\boxed{4}$.") is False
