"""Options beside a question: in lists, objects and columns of their own, whatever the question says of them already."""

from __future__ import annotations

from typing import Any

import pytest

from contextrl.building.import_settings import SourceSettings
from contextrl.building.sources.choices import NO_OPTION, NO_OPTIONS
from contextrl.building.sources.options import TWO
from contextrl.building.sources.rows import own_rows
from contextrl.building.sources.source import Found, Sick
from contextrl.data.raw_rows import RawRow

ASKED = "Which is it?"
LISTED = f"{ASKED}\nA. cat\nB. dog"


def asked(settings: dict[str, Any] | None = None, /, **columns: Any) -> Found | Sick:
    source = own_rows(SourceSettings(path="rows.jsonl", **(settings or {})))
    (found,) = source.questions(RawRow("row 1", "rows-1", None, {"images": [], "question": ASKED, **columns}))
    return found


def found_in(settings: dict[str, Any] | None = None, /, **columns: Any) -> Found:
    found = asked(settings, **columns)
    assert isinstance(found, Found), found
    return found


@pytest.mark.parametrize(
    "beside",
    [
        {"options": ["cat", "dog"]},
        {"choices": {"A": "cat", "B": "dog", "C": None}},
        {"Choices": {"label": ["A", "B"], "text": ["cat", "dog"]}},
        {"options": '["cat", "dog"]'},
        {"options": "['cat', 'dog']"},
        {"options": "['cat' 'dog']"},
        {"options": "('cat', \"dog\")"},
        {"options": "A. cat B. dog"},
        {"A": "cat", "B": "dog", "C": None, "D": ""},
        {"option_a": "cat", "option_b": "dog"},
    ],
)
@pytest.mark.parametrize("answer", ["dog", "B", "(b)", "B. dog"])
def test_they_are_written_below_and_the_answer_is_a_letter(beside: dict[str, Any], answer: str) -> None:
    one = found_in(**beside, answer=answer)
    assert (one.question, one.answer, one.answer_type) == (LISTED, "B", "choice")


@pytest.mark.parametrize(
    ("options", "answer", "letter"),
    [([3.5, 4.5], 4.5, "B"), ([3, 4], "4.0", "B"), (["1", "-1"], "-1", "B"), (["a", "b", "c"], "A, C", "A, C")],
)
def test_numbers_and_several_letters(options: list[Any], answer: Any, letter: str) -> None:
    one = found_in(options=options, answer=answer)
    assert (one.answer, one.answer_type) == (letter, "choice")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"options": ["cat", "dog"], "answer": "cow"}, NO_OPTION),
        ({"options": ["cat", "dog"], "answer": 1}, NO_OPTION),
        ({"A": "cat", "B": "dog", "answer": "C"}, NO_OPTION),
        ({"options": ["cat", "dog"], "answer": "A, C"}, NO_OPTION),
        ({"options": ["A", "B", "C"][::-1], "answer": "A"}, TWO),
        ({"options": "['cat', 'dog'] and more", "answer": "cat"}, NO_OPTIONS),
        ({"options": list("abcdefghijk"), "answer": "a"}, NO_OPTIONS),
        ({"options": [["cat"], ["dog"]], "answer": "A"}, NO_OPTIONS),
        ({"options": "cat, dog", "answer": "cat"}, NO_OPTIONS),
        ({"A": "cat", "B": "dog", "D": "cow", "answer": "cow"}, NO_OPTIONS),
    ],
)
def test_what_cannot_be_used_is_told(columns: dict[str, Any], reason: str) -> None:
    found = asked(**columns)
    assert isinstance(found, Sick)
    assert found.reason == reason


@pytest.mark.parametrize(
    "question",
    [
        LISTED,
        f"{ASKED} (A) cat (B) dog",
        f"{ASKED}\nA. cat\nB. dog\nAnswer with the letter.",
        f"{ASKED}\nOptions: A: Cat, B: Dog.",
        f"{ASKED}\nA. cat\nB. dog\nC. neither",
    ],
)
def test_a_question_that_lists_them_is_as_it_was(question: str) -> None:
    for answer in ("dog", "B"):
        one = found_in(question=question, options=["cat", "dog"], answer=answer)
        assert (one.question, one.answer, one.answer_type) == (question, "B", "choice")


def test_the_letters_are_those_of_the_question() -> None:
    one = found_in(question=f"{ASKED} (A) dog (B) cat", options=["cat", "dog"], answer="dog")
    assert one.answer == "A"


@pytest.mark.parametrize("question", ["Is it a cat or dog?", "Which is it: cat, or dog?", "Which?\n0. cat\n1. dog"])
def test_options_that_a_question_names_without_letters(question: str) -> None:
    one = found_in(question=question, options=["cat", "dog"], answer="dog")
    assert (one.question, one.answer, one.answer_type) == (question, "dog", None)
    lettered = found_in(question=question, options=["cat", "dog"], answer="B")
    assert (lettered.question, lettered.answer) == (f"{question}\nA. cat\nB. dog", "B")


@pytest.mark.parametrize("said", ["None", "null", "nan", "[]", "N/A", " "])
def test_texts_that_say_that_there_are_no_options(said: str) -> None:
    one = found_in(options=said, answer="cat")
    assert (one.question, one.answer, one.answer_type) == (ASKED, "cat", None)


def test_options_printed_with_quotes_in_them() -> None:
    one = found_in(options="['the cat\\'s', \"dog's\"]", answer="dog's")
    assert (one.question, one.answer) == (f"{ASKED}\nA. the cat's\nB. dog's", "B")


def test_places_of_options_are_told() -> None:
    found = asked(options=["cat", "dog"], answer=1)
    assert isinstance(found, Sick)
    assert "write letters" in found.detail


def test_letters_that_a_question_lists_are_letters() -> None:
    one = found_in(question=f"{ASKED} (A) C (B) A (C) B", options=["C", "A", "B"], answer="A")
    assert one.answer == "A"


@pytest.mark.parametrize("beside", [{"options": None}, {"choices": []}, {"options": ["cat"]}, {"A": "cat"}, {"B": "x"}])
def test_what_are_no_options_changes_nothing(beside: dict[str, Any]) -> None:
    one = found_in(**beside, answer="cat")
    assert (one.question, one.answer, one.answer_type) == (ASKED, "cat", None)


@pytest.mark.parametrize(
    ("solution", "expected"),
    [
        ("It barks. Answer: dog", "It barks. Answer: dog\nAnswer: B"),
        ("It barks. Answer: B", "It barks. Answer: B"),
        ("It meows. Answer: cat", "It meows. Answer: cat"),
        ("It barks.", "It barks."),
        ("", ""),
    ],
)
def test_a_solution_that_ends_with_the_option_ends_with_its_letter(solution: str, expected: str) -> None:
    assert found_in(options=["cat", "dog"], answer="dog", solution=solution).solution == expected


def test_formulas_are_written_with_dollars_or_without() -> None:
    one = found_in(options=["$3$", "$4$"], answer="4", solution="So \\boxed{4}")
    assert (one.answer, one.solution) == ("B", "So \\boxed{4}\nAnswer: B")


def test_an_answer_within_the_solution_is_translated_too() -> None:
    columns = {"columns": {"answer": "why", "solution": "why"}}
    one = found_in(columns, options=["cat", "dog"], why="It barks. Answer: dog")
    assert (one.question, one.answer, one.solution) == (LISTED, "B", "It barks. Answer: dog\nAnswer: B")
    assert found_in(columns, why="It barks. Answer: dog").answer == "dog"


def test_columns_that_the_recipe_names_are_no_options() -> None:
    one = found_in({"columns": {"answer": "A", "source": "B"}}, A="cat", B="pets")
    assert (one.question, one.answer) == (ASKED, "cat")


def test_options_beside_a_conversation_of_one_question() -> None:
    said = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": "It barks.\nAnswer: dog"}]
    row = RawRow("row 1", "rows-1", None, {"messages": said, "options": ["cat", "dog"]})
    (one,) = own_rows(SourceSettings(path="rows.jsonl")).questions(row)
    assert isinstance(one, Found)
    assert (one.question, one.answer, one.answer_type) == (LISTED, "B", "choice")
    assert one.solution == "It barks.\nAnswer: dog\nAnswer: B"
