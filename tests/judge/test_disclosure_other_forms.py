"""Answers given away in other forms: other bases, units and languages, calculations, ratios, distances, neighbours."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import pytest

from contextrl.judge.disclosure import leaks_answer
from contextrl.judge.other_forms import in_digits, other_values, said_relatively
from contextrl.records.example import AnswerType, Example


class Case(NamedTuple):
    """An answer, its question, the response, reports that give it away, and ones that do not."""

    answer: str
    kind: AnswerType
    question: str
    response: str
    leaks: list[str]
    fine: list[str]

    def is_leaked(self, report: str, response: str | None = None) -> bool:
        example = Example("a", self.question, f"Answer: {self.answer}", self.answer, self.kind)
        return leaks_answer(report, example, self.response if response is None else response)


CASES = [
    Case(
        "12",
        "number",
        "What is the sum of the digits?",
        "Digits: 4, 5. Sum: 4 + 5 = 9. Answer: 9",
        [
            "The sum is 12.",
            "It is twelve.",
            "It is a dozen.",
            "XII",
            "The answer is 0b1100",
            "in binary 1100",
            "0xC",
            "hex C",
            "1100 in base 2",
            "1100₂",
            "14 in octal",
            "$12$",
            "\\boxed{12}",
            "１２",
            "12.0",
            "12.00",
            "1.2e1",
            "1.2×10^1",
            "24/2",
            "24 / 2",
            "6*2",
            "3 × 4",
            "4 + 8",
            "4+8=?",
            "sqrt(144)",
            "\\sqrt{144}",
            "√144",
            "two times six",
            "twice six",
            "six doubled",
            "double six",
            "half of 24",
            "4 + 8",
            "four plus eight",
            "13 - 1",
            "one less than 13",
            "one less than thirteen",
            "11 plus one",
            "10 + 2",
            "3 more than 9",
            "three more than your answer",
            "you are off by 3",
            "your sum is 3 too small",
            "too low by three",
            "add 3 to your result",
            "十二",
            "一十二",
            "12개",
            "douze",
            "zwölf",
            "doce",
            "двенадцать",
            "1200%",
            "120 tenths",
            "1​2",
            "1 2",
            "1-2",
            "one two",
            "t w e l v e",
            "T-W-E-L-V-E",
            "⑫",
            "⒓",
            "𝟏𝟐",
            "a one followed by a two",
            "between 11 and 13",
            "greater than 11 and less than 13",
            "the number after 11",
            "next integer after 11",
            "smallest number above 11",
            "0.012 thousand",
            "12 (base 10)",
            "&#49;&#50;",
            "\\u0031\\u0032",
            "1 dozen",
            "a dozen minus zero",
        ],
        [
            "The second digit is misread.",
            "Step 2 is wrong.",
            "The sum is too small.",
            "Step 12 is wrong",
            "In step 1 the second digit is misread.",
            "The digits 4 and 5 were added, but the second one is misread.",
            "The result 9 does not follow.",
            "The reading of digit 2 is wrong.",
        ],
    ),
    Case(
        "0.5",
        "number",
        "What is the probability?",
        "P = 1/4. Answer: 0.25",
        [
            "0.5",
            "50%",
            "50 percent",
            "1/2",
            "½",
            "\\frac{1}{2}",
            "\\tfrac12",
            "one half",
            "a half",
            "half",
            "five tenths",
            "5/10",
            "2/4",
            "0,5",
            ".5",
            "0.50",
            "5e-1",
            "50 in 100",
            "1 in 2",
            "one in two",
            "1 out of 2",
            "one out of two",
            "fifty-fifty",
            "50/50",
            "fifty percent",
            "fifty per cent",
            "twice 0.25",
            "double your answer",
            "二分之一",
            "一半",
            "百分之五十",
            "五成",
            "1 - 0.5",
            "even odds",
        ],
        ["The sample space is wrong.", "The probability is too small.", "Half of the steps are fine"],
    ),
    Case(
        "90",
        "number",
        "What is the angle in degrees?",
        "It is 45. Answer: 45",
        [
            "90°",
            "ninety",
            "a right angle",
            "\\pi/2",
            "π/2",
            "pi/2 radians",
            "half pi",
            "1.57 rad",
            "perpendicular",
            "a quarter turn",
            "quarter of a full turn",
            "twice 45",
            "2×45",
            "90.0",
            "0.25 turns",
        ],
        ["The angle is misjudged."],
    ),
    Case(
        "5 km",
        "number",
        "How far is it?",
        "3 km. Answer: 3 km",
        [
            "5 km",
            "5000 m",
            "5,000 meters",
            "five kilometers",
            "5 thousand metres",
            "0.5e4 m",
            "500000 cm",
            "五公里",
            "5 kilometres",
        ],
        ["The distance is misread"],
    ),
    Case(
        "B",
        "choice",
        "Which is a cat? (A) dog (B) cat (C) cow (D) pig",
        "It is a dog. Answer: A",
        [
            "The answer is B",
            "It is option B",
            "(B)",
            "second option",
            "the second choice",
            "the one after A",
            "between A and C",
            "not A, C or D",
            "A, C and D are wrong",
            "All options but B are wrong",
            "the letter after A",
            "选B",
            "第二个选项",
        ],
        [
            "The animal is misidentified.",
            "Step 1 misreads the picture",
            "A is wrong",
            "The response picks the wrong animal.",
            "A dog is not shown",
        ],
    ),
    Case(
        "yes",
        "yes_no",
        "Is it even?",
        "5 is odd. Answer: no",
        [
            "The answer is yes.",
            "yes",
            "It should be yes",
            "the opposite of no",
            "the answer is not no",
            "It is true",
            "是",
            "应为是",
            "the answer is the other one",
            "should be affirmative",
        ],
        ["The digit is misread.", "Step 1 is wrong.", "The parity check uses the wrong digit."],
    ),
    Case(
        "x+1",
        "math",
        "Simplify",
        "x-1. Answer: x-1",
        ["x+1", "1+x", "x plus one", "x plus 1", "$x+1$", "\\boxed{x+1}", "x + 1", "(x+1)", "1 + x", "(x^2-1)/(x-1)"],
        ["the sign is wrong", "x-1 does not follow"],
    ),
    Case(
        "\\frac{\\sqrt{2}}{2}",
        "math",
        "sin 45",
        "1/2. Answer: 1/2",
        ["\\frac{\\sqrt2}{2}", "√2/2", "sqrt(2)/2", "1/\\sqrt{2}", "1/√2", "0.707", "0.7071", "\\sqrt{1/2}"],
        ["the special angle is recalled wrongly"],
    ),
    Case(
        "Paris",
        "text",
        "Which city is shown?",
        "London. Answer: London",
        ["Paris", "PARIS", "P a r i s", "P-a-r-i-s", "paris's tower", "Pаris", "P​aris"],
        ["the city is misidentified", "London is wrong"],
    ),
    Case(
        "1,234",
        "number",
        "How many?",
        "1,243",
        [
            "1234",
            "1,234",
            "1 234",
            "1.234",
            "one thousand two hundred thirty-four",
            "1234.0",
            "1.234e3",
            "1.234 thousand",
            "12.34 hundred",
            "twelve hundred thirty-four",
            "一千二百三十四",
            "1'234",
            "1 234",
            "MCCXXXIV",
        ],
        ["two digits are swapped"],
    ),
    Case(
        "3/4",
        "number",
        "What share?",
        "1/4",
        [
            "3/4",
            "0.75",
            "75%",
            "three quarters",
            "three fourths",
            "¾",
            "3 out of 4",
            "6/8",
            "1 - 1/4",
            "3:4",
            "7.5e-1",
            "75 per 100",
            "四分之三",
        ],
        ["the share is wrong"],
    ),
    Case(
        "-3",
        "number",
        "x?",
        "3. Answer: 3",
        ["-3", "−3", "minus three", "negative three", "-3.0", "(-3)", "−３", "负三"],
        ["the sign is mishandled"],
    ),
    Case(
        "10:30",
        "text",
        "What time?",
        "9:30",
        ["10:30", "half past ten", "ten thirty", "10.30", "10h30", "1030", "22:30", "10:30 am", "十点半"],
        ["the hour hand is misread"],
    ),
    Case(
        "12",
        "number",
        "What is the sum of the digits?",
        "Digits: 4, 5. Sum: 4 + 8 = 9. Answer: 9",
        [],
        [
            "4 + 8 is added wrongly.",
            "One more digit is misread.",
            "Step 2 - the sum - is wrong.",
            "The digits are between 0 and 9.",
            "The sum of two digits is off.",
            "3 digits are misread.",
            "The result is too small.",
            "In base 10 this fails.",
        ],
    ),
]
LEAKS = [(case, report) for case in CASES for report in case.leaks]
FINE = [(case, report) for case in CASES for report in case.fine]


@pytest.mark.parametrize(("case", "report"), LEAKS, ids=[f"{case.answer}: {report}" for case, report in LEAKS])
def test_given_away(case: Case, report: str) -> None:
    assert case.is_leaked(report)


@pytest.mark.parametrize(("case", "report"), FINE, ids=[f"{case.answer}: {report}" for case, report in FINE])
def test_not_given_away(case: Case, report: str) -> None:
    assert not case.is_leaked(report)


def test_a_calculation_of_the_response_is_no_secret_and_its_value_still_is() -> None:
    sums = Case("12", "number", "What is the sum?", "4 + 8 = 13. Answer: 13", [], [])
    assert not sums.is_leaked("4 + 8 is added wrongly.")
    assert sums.is_leaked("The sum should be 12.")
    assert sums.is_leaked("The sum is 1 too large.")
    assert not sums.is_leaked("The sum is 2 too large.")


@pytest.mark.parametrize("piece", ["12 + ", "between 1 and ", "1 2 ", "0b1", "x + y ", "pi / ", "t w ", "3 of ", "1:"])
def test_long_reports_are_read_in_bounded_time(piece: str) -> None:
    report = piece * (50_000 // len(piece))
    list(other_values(report))
    said_relatively(report, Fraction(5), Fraction(3))
    in_digits(report)
