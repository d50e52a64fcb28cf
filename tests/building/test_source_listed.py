"""Questions that list their options: the answer is a letter, however the set writes it, or it is as it was."""

from __future__ import annotations

from typing import Any

import pytest

from contextrl.building.sources.finevision import finevision
from contextrl.building.sources.listed import CONTRADICTS, TWICE, listed_options, with_letter
from contextrl.building.sources.source import Found, Sick
from contextrl.data.raw_rows import RawRow

LINES = "Which animal?\nA. cat\nB. dog\nAnswer with the option's letter."


def settled(question: str, answer: str, **found: Any) -> Found:
    one = with_letter(Found(question, answer, **found))
    assert isinstance(one, Found), one
    return one


@pytest.mark.parametrize(
    "answer",
    [
        *(
            "B",
            "(B)",
            "B.",
            "b",
            "dog",
            "Dog.",
            "$dog$",
            "B) dog",
            "B. dog",
            "B．dog",
            "(B) dog",
            "B: a dog, not a cat",
        ),
        *("option B", "Choice B.", "Option B: dog", "选B", "故选：B．", "\\text{B}", "**B**", "B. Because it barks"),
        *("Ans. B", "Answer - B", "Option B is correct."),
    ],
)
def test_ways_to_name_an_option(answer: str) -> None:
    one = settled(LINES, answer)
    assert (one.answer, one.answer_type) == ("B", "choice")


@pytest.mark.parametrize(
    ("question", "options"),
    [
        (LINES, ["cat", "dog"]),
        ("Which?\nChoices:\n(A) cat\n(B) dog", ["cat", "dog"]),
        ("Which? (A) cat (B) dog", ["cat", "dog"]),
        ("Which one? Choices: A: cat B: dog", ["cat", "dog"]),
        ("Which is it? A. cat B. dog", ["cat", "dog"]),
        ("哪个是狗？\nA．猫\nB．狗", ["猫", "狗"]),
        ("Find x. Choices:\nA:60°\nB:90°\n", ["60°", "90°"]),
        # What only looks like a list.
        ("Given A: 3 and B: 4, how long is AC?", []),
        ("Prices:\nA: 3\nB: 4\nHow much is B?", []),
        ("Who won, A. Smith or B. Jones", []),
        ("如图，点A、B、C在圆上，求角度。", []),
        ("The ratio A: B is 3", []),
        ("Table\nA: 10\nB: 20\nFind the value of B.", []),
        ("Which?\nOptions:\nA: 10\nB: 20\nThink of B first.", ["10", "20"]),
        ("Which?\nA. cat", []),
    ],
)
def test_lists_and_what_looks_like_one(question: str, options: list[str]) -> None:
    assert listed_options(question) == options


@pytest.mark.parametrize(
    ("options", "answer", "letter"),
    [
        (["30°", "60°"], "60", "B"),
        (["3 cm", "4 cm"], "4", "B"),
        (["$\\frac{1}{2}$", "$\\frac{1}{3}$"], "\\frac{1}{3}", "B"),
        (["3", "4", "5"], "4.0", "B"),
        (["AB", "CD", "AC"], "AB", "A"),
        (["C", "A", "B"], "B", "B"),
        (["c", "d", "a", "b"], "D", "D"),
        (["3", "4", "5", "6"], "ABD", "A, B, D"),
        (["3", "4", "5", "6"], "A and C", "A, C"),
        (["3", "4", "5", "6"], "(A)(C)", "A, C"),
    ],
)
def test_numbers_letters_and_several(options: list[str], answer: str, letter: str) -> None:
    listed = "\n".join(f"{name}. {text}" for name, text in zip("ABCDEF", options, strict=False))
    assert settled(f"Which?\n{listed}", answer).answer == letter


@pytest.mark.parametrize("answer", ["cow", "12", "E", "DA", "A dog and a cat", "Both A and C", "none"])
def test_an_answer_that_is_no_option_is_as_it_was(answer: str) -> None:
    one = settled(LINES, answer)
    assert (one.answer, one.answer_type) == (answer, None)


def test_options_that_say_the_same_are_no_answer() -> None:
    assert settled("Which?\nA. 3\nB. 3.0\nC. 4", "3").answer_type is None
    assert settled("Which?\nA. 3 cm\nB. 3 m", "3").answer_type is None


def test_a_letter_with_the_text_of_another_is_left_out() -> None:
    one = with_letter(Found(LINES, "A. dog", id="2"))
    assert isinstance(one, Sick)
    assert (one.reason, one.id) == (CONTRADICTS, "2")


def test_the_right_option_twice_is_left_out() -> None:
    question = "Which?\nA. 3\nB. 4\nC. 3"
    assert settled(question, "B").answer == "B"
    assert settled("Which?\nA. a\nB. A", "B").answer == "B"
    one = with_letter(Found(question, "C"))
    assert isinstance(one, Sick)
    assert (one.reason, one.detail) == (TWICE, "3")


def test_what_a_row_says_of_its_type_stays() -> None:
    assert settled(LINES, "dog", answer_type="text").answer == "dog"


def test_options_in_the_picture() -> None:
    assert settled("Which?", "option D", images=[b"x"]).answer == "D"
    for answer in ("Option D: four", "D) four", "vitamin D"):
        assert settled("Which?", answer, images=[b"x"]).answer == answer


@pytest.mark.parametrize(
    ("solution", "expected"),
    [
        ("It barks.\nAnswer: dog", "It barks.\nAnswer: dog\nAnswer: B"),
        ("It barks, so the answer is option B.", "It barks, so the answer is option B."),
        ("It is so. Answer: cat", "It is so. Answer: cat"),
        ("", ""),
    ],
)
def test_solutions_end_with_the_letter(solution: str, expected: str) -> None:
    assert settled(LINES, "dog", solution=solution).solution == expected


def test_a_number_at_the_end_of_a_solution_is_an_option() -> None:
    one = settled("Find x.\nA. 30°\nB. 60°", "60", solution="As they are equal, the answer is 60.")
    assert one.solution == "As they are equal, the answer is 60.\nAnswer: B"


@pytest.mark.parametrize(
    ("said", "solution"),
    [
        ("Answer: B", ""),
        ("The answer is B. dog", ""),
        ("It barks and it has no claws that it could draw in. 故选B．", "It barks and it has no claws"),
        ("Because it barks, the answer is option B.", "Because it barks, the answer is option B."),
        ("**B. dog**\n\nRationale: it barks.", "it barks.\nAnswer: B. dog"),
        ("Answer: B. Explanation: it barks.", "it barks.\nAnswer: B"),
    ],
)
def test_what_an_assistant_says(said: str, solution: str) -> None:
    row = RawRow("row 1", "rows-1", None, {"images": [], "texts": [{"user": LINES, "assistant": said}]})
    (found,) = finevision("scienceqa").questions(row)
    assert isinstance(found, Found), found
    one = with_letter(found)
    assert isinstance(one, Found)
    assert one.answer == "B"
    assert one.solution.startswith(solution) if solution else not one.solution
