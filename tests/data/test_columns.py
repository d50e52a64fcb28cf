"""`data.columns`, `data.answer_type`, revisions: which column is which field, and what is said where none is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contextrl.data.answer_types import guessed_type
from contextrl.data.loading import load_examples
from contextrl.errors import InputError

FOREIGN: dict[str, Any] = {
    "query": "4 + 8?",
    "meta": {"rationale": "4 + 8 = 12. Answer: 12", "gold": [12]},
    "image_1": None,
    "image_2": "b.png",
    "image_10": "c.png",
}
COLUMNS: dict[str, Any] = {
    "question": "query",
    "solution": "meta.rationale",
    "answer": "meta.gold.0",
    "images": ["image_1", "image_2", "image_10"],
}


def write(folder: Path, *rows: object) -> str:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / "rows.jsonl")


def test_columns_of_any_depth_and_several_for_images(tmp_path: Path) -> None:
    (example,) = load_examples(write(tmp_path, FOREIGN), columns=COLUMNS)
    assert (example.question, example.answer) == ("4 + 8?", "12")
    assert example.solution == "4 + 8 = 12. Answer: 12"
    assert example.images == (tmp_path / "b.png", tmp_path / "c.png")


def test_a_column_whose_name_has_dots(tmp_path: Path) -> None:
    row = {"a.b": "4 + 8?", "a": {"b": "no"}, "images": [], "solution": "Answer: 12", "answer": "12"}
    (example,) = load_examples(write(tmp_path, row), columns={"question": "a.b"})
    assert example.question == "4 + 8?"


def test_rows_without_pictures_and_answers_within_solutions(tmp_path: Path) -> None:
    row = {"conversations": [{"from": "human", "value": "4 + 8?"}, {"from": "gpt", "value": "So. Answer: 12"}]}
    columns = {"question": "conversations.0.value", "solution": "conversations.1.value", "images": None}
    columns |= {"answer": "conversations.1.value"}
    (example,) = load_examples(write(tmp_path, row), columns=columns)
    assert (example.question, example.solution, example.answer, example.images) == (
        "4 + 8?",
        "So. Answer: 12",
        "12",
        (),
    )
    row["conversations"][1]["value"] = "First this was done, and then that other thing. " * 4
    with pytest.raises(InputError, match=r"line 1, field 'solution': expected a solution that ends with its answer"):
        load_examples(write(tmp_path, row), columns=columns)


def test_an_answer_may_be_all_there_is(tmp_path: Path) -> None:
    (example,) = load_examples(
        write(tmp_path, {"problem": "4 + 8?", "answer": "12"}),
        columns={"question": "problem", "solution": "answer", "images": None},
        answer_type="auto",
    )
    assert (example.solution, example.answer, example.answer_type) == ("12", "12", "number")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"question": "qery"}, r"a column 'qery' for 'question', found the columns query, meta, meta\.rationale"),
        ({"question": "qery"}, r"Did you mean 'query'\? Change data\.columns\.question"),
        ({"question": "meta.rational"}, r"Did you mean 'meta\.rationale'\?"),
        ({"question": "zzz"}, r"found the columns query, .*image_1.*\. Change data\.columns\.question"),
        ({"question": "query", "images": ["image_1", "image_3"]}, r"a column 'image_3' for 'images'"),
        ({"question": "query", "answer": "meta.gold.5"}, r"a column 'meta\.gold\.5'"),
        ({"question": "query", "images": "image_2"}, r"a field 'solution'"),
        ({"question": "query"}, r"a field 'images'.*Set data\.columns: \{images: \[image_1, image_2, image_10\]\}"),
    ],
)  # fmt: skip
def test_a_column_that_is_not_there_is_named_with_the_nearest(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=r"rows\.jsonl, line 1.*" + message):
        load_examples(write(tmp_path, FOREIGN), columns=columns)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"query": "?", "images": []}, r"Rename 'query' to 'question', or say data\.columns: \{question: query\}"),
        ({"Problem": "?", "images": []}, r"say data\.columns: \{question: Problem\}"),
        ({"conversations": [], "images": []}, r"data\.columns: \{question: conversations\.0\.value"),
        ({"question": "?", "picture": "a.png"}, r"data\.columns: \{images: picture\}"),
    ],
)
def test_a_missing_field_names_the_column_that_may_be_it(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_examples(write(tmp_path, row))


def test_lenient_columns_are_for_sets_of_both_kinds(tmp_path: Path) -> None:
    plain = {"question": "4 + 8?", "images": [], "solution": "Answer: 12", "answer": "12"}
    spec = write(tmp_path, FOREIGN, plain)
    assert len(load_examples(spec, columns=COLUMNS, lenient_columns=True)) == 2
    with pytest.raises(InputError, match=r"line 2: expected a column 'query'"):
        load_examples(spec, columns=COLUMNS)


@pytest.mark.parametrize(
    ("value", "answer", "kind"),
    [(True, "yes", "yes_no"), (False, "no", "yes_no"), (12, "12", "number"), (0.5, "0.5", "number")],
)
def test_values_of_a_column_that_is_named(tmp_path: Path, value: object, answer: str, kind: str) -> None:
    row = {"question": "?", "images": [], "solution": f"Answer: {answer}", "answer": value}
    (example,) = load_examples(write(tmp_path, row), columns={"answer": "answer"}, answer_type="auto")
    assert (example.answer, example.answer_type) == (answer, kind)
    with pytest.raises(InputError, match="'answer': expected text, found a"):
        load_examples(write(tmp_path, row))


def test_a_column_that_no_row_has_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"line 1: expected a column 'qery'.*\(all 20 rows\)\. Did you mean 'query'"
    ) as caught:
        load_examples(write(tmp_path, *[FOREIGN] * 20), columns={**COLUMNS, "question": "qery"})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "question", "expected"),
    [
        ("12", "4 + 8?", "number"),
        ("3,000", "?", "number"),
        ("3.5 cm", "?", "number"),
        ("1/2", "?", "number"),
        ("-7", "?", "number"),
        ("B", "Which? A. cat B. dog", "choice"),
        ("(C)", "Which?", "choice"),
        ("B. dog", "Which? A. cat B. dog", "choice"),
        ("No", "Is it?", "yes_no"),
        ("yes", "Is it?", "yes_no"),
        (r"\frac{x}{2}", "?", "math"),
        ("x^2", "?", "math"),
        ("a red car", "?", "text"),
        ("Paris", "?", "text"),
        ("x", "Which variable?", "text"),
    ],
)
def test_types_by_the_look_of_an_answer(answer: str, question: str, expected: str) -> None:
    assert guessed_type(answer, question, f"Some steps.\nAnswer: {answer}") == expected


def test_several_boxes_in_one_statement_are_one_answer(tmp_path: Path) -> None:
    solution = "So $x$ is \\boxed{1} or \\boxed{2}."
    (tmp_path / "rows.jsonl").write_text(json.dumps({"question": "x?", "images": [], "solution": solution}))
    (example,) = load_examples(str(tmp_path / "rows.jsonl"), columns={"answer": "solution"})
    assert example.answer == "1 or 2"


def test_a_type_that_the_solution_does_not_confirm_is_not_taken() -> None:
    assert guessed_type("12", "?", "Nothing that could be read.") == "text"


def test_rows_keep_their_own_type(tmp_path: Path) -> None:
    row = {"question": "?", "images": [], "solution": "Answer: 12", "answer": "12"}
    own, guessed = load_examples(write(tmp_path, {**row, "answer_type": "text"}, row), answer_type="auto")
    assert (own.answer_type, guessed.answer_type) == ("text", "number")


def test_files_have_no_revisions(tmp_path: Path) -> None:
    row = {"question": "?", "images": [], "solution": "Answer: 12", "answer": "12"}
    with pytest.raises(InputError, match=r"data\.revision: expected a hub dataset, which has revisions"):
        load_examples(write(tmp_path, row), revision="v1")
