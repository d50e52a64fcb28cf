"""Numbers that a response states in a sentence, and short answers beside the true ones."""

from __future__ import annotations

from fractions import Fraction

import pytest

from contextrl.evaluation.benchmarks.items import Item, Mark, Response
from contextrl.evaluation.benchmarks.logicvista import LogicVista
from contextrl.evaluation.benchmarks.numeric_answers import near, stated
from contextrl.evaluation.benchmarks.registry import BENCHMARKS

#: (response, the true number, whether it is what the response states)
STATED = [
    ("The answer is 14, not 15.", "14", True),
    ("The answer is 14, not 15.", "15", False),
    ("The answer is 14 rather than 15.", "14", True),
    ("The answer is not 14.", "14", False),
    ("答案是14，而不是15。", "14", True),
    ("I count 13, no wait, 14.", "14", True),
    ("I count 13, no wait, 14.", "13", False),
    ("The age gap is 14 (in 2020).", "14", True),
    ("The age gap is 14 (in 2020).", "2020", False),
    ("There are 14 (seven pairs) of them.", "14", True),
    ("There are 3 of 14.", "14", False),
    ("The area is 4π.", "12.566", True),
    ("The area is 4\\pi.", "12.566", True),
    ("The area is 4π.", "4", False),
    ("The area is 4 pi cm²", "12.566", True),
    ("There are 4 pies.", "4", True),
]

#: The same of short answers.
NEAR = [
    ("4*pi", "12.566", True),
    ("4 * π", "12.566", True),
    ("4\\times\\pi", "12.566", True),
    ("4pi", "12.566", True),
    ("4 pies", "12.566", False),
    ("pi", "3.1416", True),
    (" " * 20_000 + "pi", "4", False),
]

#: (the short answer, the truth, whether it is right)
YES_NO = [
    ("No, it is not.", "no", True),
    ("False", "no", True),
    ("No, it is not.", "yes", False),
    ("Yes, they are equal.", "yes", True),
    ("north", "no", False),
    ("not given", "no", False),
    ("", "no", False),
]

#: (response, the letters that it lists)
LISTED = [
    ("['B', 'D']", "B, D"),
    ("- B\n- D", "B, D"),
    ("Both (B) & (D)", "B, D"),
    ("B. two and D. four", "B, D"),
    ("B) two\nD) four", "B, D"),
    ("The answers are B and D.", "B, D"),
    ("A, B and D are correct", "A, B, D"),
    ("B or D", None),
    ("B/D", None),
    ("Figure B", "B"),
    ("Statement B", "B"),
    ("The answer is figure B because the pattern rotates.", "B"),
    ("B is next, as A repeats the first.", "B"),
]


@pytest.mark.parametrize(("response", "truth", "right"), STATED)
def test_the_number_that_a_response_states(response: str, truth: str, right: bool) -> None:
    said = stated(Response(response), "number")
    assert (said is not None and near(said, truth, Fraction(1, 1000))) is right


@pytest.mark.parametrize(("said", "truth", "right"), NEAR)
def test_multiples_of_pi(said: str, truth: str, right: bool) -> None:
    assert near(said, truth, Fraction(1, 1000)) is right


@pytest.mark.parametrize(("said", "truth", "right"), YES_NO)
def test_a_short_yes_or_no_is_read_by_its_meaning(said: str, truth: str, right: bool) -> None:
    columns = {"question": "Is it?", "answer": truth, "answer_type": "text"}
    response = Response(f'{{"solution": "see", "short answer": "{said}"}}')
    mark = BENCHMARKS["dynamath"].score(Item("1_1", columns), response, "robust")
    assert isinstance(mark, Mark)
    assert mark.score == float(right)


@pytest.mark.parametrize(("response", "letters"), LISTED)
def test_lists_of_letters(response: str, letters: str | None) -> None:
    columns = {"question": "Which?", "inline": "", "answer": ["B", "D"], "skills": ["inductive"]}
    columns |= {"options": {"A": "one", "B": "two", "C": "three", "D": "four"}}
    mark = LogicVista().score(Item("1", columns), Response(response), "robust")
    assert isinstance(mark, Mark)
    assert (mark.extracted, mark.score) == (letters, float(letters == "B, D"))
