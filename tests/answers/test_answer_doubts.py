"""Final answers that are denied, conditional, several or of two readings: in doubt, and the like ones that are not."""

from __future__ import annotations

import pytest

from contextrl.answers import check_answer
from contextrl.records.example import AnswerType

Row = tuple[AnswerType, str, str]

#: Neither right nor wrong for certain, whatever the reference.
IN_DOUBT: list[Row] = [
    # a box that the text around it does not mean
    ("number", "The answer is not \\boxed{5}.", "5"),
    ("number", "It cannot be, so it is not $\\boxed{5}$", "5"),
    ("choice", "The answer is not \\boxed{A}", "A"),
    ("text", "The answer is not \\boxed{Paris}", "Paris"),
    ("yes_no", "这不是\\boxed{是}", "yes"),
    ("number", "\\boxed{5} is wrong.", "5"),
    ("math", "\\boxed{5} is not right", "5"),
    ("choice", "\\boxed{A} is incorrect.", "A"),
    ("text", "\\boxed{Paris} is a common mistake", "Paris"),
    # boxes between which nothing decides
    ("choice", "\\boxed{A} or \\boxed{B}", "A"),
    ("choice", "It's \\boxed{A}, or maybe \\boxed{B}.", "A"),
    ("number", "If x>0 the answer is \\boxed{5}, otherwise \\boxed{6}.", "5"),
    ("number", "\\boxed{5} if x>0, or \\boxed{6}", "6"),
    # a letter that is part of something else, or not the only one
    *(("choice", f"Answer: {text}", text[0]) for text in ("A → B", "A–D", "A - B", "A > B", "A to D", "C++", "C#")),
    *(("choice", f"Answer: {text}", text[0]) for text in ("B-flat", "D-day", "E = mc^2")),
    ("choice", "\\boxed{A\\ or\\ B}", "A"),
    ("choice", "\\boxed{A \\lor B}", "A"),
    ("choice", "A is correct. B is also correct.", "A"),
    ("choice", "The correct answer is: (B) dog. However A is also valid.", "B"),
    ("choice", "A is hardly correct", "A"),
    ("choice", "Answer: A and B both work", "A"),
    ("choice", "Answer: (C) A, B", "C"),
    # under a condition
    *(
        ("yes_no", f"Answer: yes, {rest}", "yes")
        for rest in ("provided x>0", "mostly", "but only for 2", "assuming so")
    ),
    ("yes_no", "Answer: Yes, although not always", "yes"),
    ("yes_no", "Answer: no, I can't tell", "no"),
    ("yes_no", "It is not the case that the answer is yes", "yes"),
    ("yes_no", "不是的，是", "no"),
    # two readings
    ("number", "Answer: 5 = 6", "6"),
    ("number", "Answer: 500 cents", "$5"),
    ("number", "Answer: 5-", "5"),
    ("text", "Answer: 5/6/2020", "6/5/2020"),
    ("text", "Answer: 10", "10:00"),
    ("text", "Answer: C#", "C"),
    ("text", "Answer: 5!", "5"),
    ("math", "\\boxed{1/2x}", "\\frac{x}{2}"),
    ("math", "\\boxed{1/2x}", "\\frac{1}{2x}"),
    ("math", "\\boxed{\\sin x/2}", "\\sin\\frac{x}{2}"),
    ("math", "\\boxed{\\sin x/2}", "\\frac{\\sin x}{2}"),
    ("math", "\\boxed{3,5}", "3.5"),
    ("math", "\\boxed{(-\\infty,2)\\cup(2,\\infty)}", "x\\neq2"),
    ("math", "\\boxed{\\frac{d}{dx}x^2}", "2x"),
]


@pytest.mark.parametrize(("answer_type", "response", "reference"), IN_DOUBT)
def test_in_doubt(answer_type: AnswerType, response: str, reference: str) -> None:
    assert check_answer(response, reference, answer_type) is None


#: Certain, though they look like the ones above.
CERTAIN: list[tuple[AnswerType, str, str, bool]] = [
    ("number", "It is not \\boxed{5} but \\boxed{6}", "6", True),
    ("number", "It is not 5. \\boxed{12}", "12", True),
    ("number", "If we add 4 and 8 we get \\boxed{12}.", "12", True),
    ("number", "The result is $$\\boxed{12}$$ which is correct.", "12", True),
    ("number", "\\boxed{12}, not 13", "12", True),
    ("number", "\\boxed{5} is what most say, but the true value is 6.", "6", True),
    ("number", "Answer: 5\nEdit: 6", "6", True),
    ("number", "The answer is 5 rather than 6", "5", True),
    ("number", "x = 5.0 = 5", "5", True),
    ("math", "\\boxed{\\boxed{5}}", "5", True),
    ("math", "\\boxed{\\boxed{5}+1}", "5", False),
    ("choice", "The answer is A rather than B.", "A", True),
    ("choice", "Answer: B - 12 cm", "B", True),
    ("choice", "Answer: C - A cat", "C", True),
    ("choice", "Answer: B, D because both are red", "B, D", True),
    ("choice", "Answer: B, D because both are red", "B", False),
    ("choice", "A、B都对", "A", False),
    ("choice", "B is correct, because A also fails.", "B", True),
    ("yes_no", "Answer: yes, it is not even", "yes", True),
    ("text", "Answer: 05/06/2024", "5/6/2024", True),
    ("text", "Answer: H₂O", "H2O", True),
    ("math", "\\boxed{a_n=2n+1}", "a_{n}=2n+1", True),
    ("math", "\\boxed{x_1+x_2}", "x_{1}+x_{2}", True),
    ("math", "\\boxed{x/2}", "\\frac{x}{2}", True),
    ("math", "\\boxed{\\binom52}", "10", True),
    ("math", "\\boxed{\\mp5}", "\\pm5", True),
    ("math", "\\boxed{3{,}5, 4}", "3.5", False),
]


@pytest.mark.parametrize(("answer_type", "response", "reference", "right"), CERTAIN)
def test_certain(answer_type: AnswerType, response: str, reference: str, right: bool) -> None:
    assert check_answer(response, reference, answer_type) is right
