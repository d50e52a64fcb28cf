"""Evaluations by class: what sources name, taken together, and whatever a file may hold."""

from __future__ import annotations

from typing import Any

import pytest

from contextrl.records.evaluation import Part, by_class, class_of, parts_of


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("digits/sum/known", "known"),
        ("digits/sum", None),
        ("geo170k", None),
        ("", None),
        ("a/b/c/d", None),
        ("a//c", None),
        ("a/b/", None),
    ],
)
def test_a_class_is_the_last_of_three(source: str, name: str | None) -> None:
    assert class_of(source) == name


def test_classes_are_taken_together_best_first() -> None:
    parts = {
        "digits/sum/hard": Part(10, 0.3, 0.1),
        "digits/read/hard": Part(30, 0.5, 0.5),
        "digits/sum/easy": Part(5, 1.0, 0.8),
        "geo170k": Part(99, 1.0, 1.0),
    }
    assert by_class(parts) == {
        "easy": Part(5, 1.0, 0.8),
        "hard": Part(40, pytest.approx(0.45), pytest.approx(0.4)),
    }
    assert list(by_class(parts)) == ["easy", "hard"]


def test_where_nobody_looked_at_the_process_there_is_none() -> None:
    assert Part.of([Part(1, 1.0, None), Part(3, 0.0, None)]) == Part(4, 0.25, None)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "x",
        {"a": None},
        {"a": {"n": 3}},
        {"a": {"n": 0, "answer_accuracy": 1.0}},
        {"a": {"n": True, "answer_accuracy": 1.0}},
        {"a": {"n": 2, "answer_accuracy": float("nan")}},
        {"a": {"n": "2", "answer_accuracy": 1.0}},
    ],
)
def test_what_has_another_form_is_left_out(value: Any) -> None:
    assert parts_of(value) == {}


def test_what_was_written_comes_back() -> None:
    row = {"n": 2, "answer_accuracy": 0.5, "process_accuracy": None}
    assert parts_of({"a/b/c": row, "bad": 1}) == {"a/b/c": Part(2, 0.5, None)}
