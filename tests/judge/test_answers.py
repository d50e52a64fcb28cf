"""Final answers: adversarial tables of comparisons, and properties."""

from __future__ import annotations

import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contextrl.data.example import ANSWER_TYPES, AnswerType
from contextrl.judge.answers import answers_equal, check_answer, extract_answer

EQUAL: dict[AnswerType, list[tuple[str, str]]] = {
    "number": [
        ("2.094", "2.0944"),  # a harness calls this wrong (DynaMath)
        ("12", "12"),
        ("12.0", "12"),
        ("12.", "12"),
        ("+5", "5"),
        ("-0", "0"),
        ("−4", "-4"),
        ("– 4", "-4"),
        (".5", "0.5"),
        ("1,234,567", "1234567"),
        ("1{,}234", "1234"),
        ("1\u202f234", "1234"),
        ("50%", "0.5"),
        ("50%", "50"),
        ("0.3333", "33.3%"),
        ("50 percent", "50\\%"),
        ("1/2", "0.5"),
        ("\\frac{1}{2}", "0.5"),
        ("1 1/2", "1.5"),
        ("1½", "1.5"),
        ("0.333", "1/3"),
        ("3.14159", "3.14"),
        ("2.675", "2.68"),  # half away from zero, not to even
        ("1.5e3", "1500"),
        ("1.5 × 10^3", "1500"),
        ("1.5 \\times 10^{-3}", "0.0015"),
        ("1.2 million", "1200000"),
        ("3万", "30000"),
        ("12 cm", "12"),
        ("12", "12 cm"),
        ("12 apples", "12"),
        ("12 Centimeters", "12 centimeter"),
        ("5 m²", "5 m^2"),
        ("12 (twelve)", "12"),
        ("$5", "5"),
        ("\\$5.00", "$5"),
        ("$12$", "12"),
        ("30°", "30 degrees"),
        ("30^\\circ", "30"),
        ("x = 5", "5"),
        ("4 + 8 = 12", "12"),
        ("about 12", "12"),
        ("three", "3"),
        ("１２", "12"),
        ("**12**", "12"),
    ],
    "yes_no": [
        ("Yes", "yes"),
        ("yes.", "True"),
        ("FALSE", "no"),
        ("是", "yes"),
        ("不是", "否"),
        ("No, it is odd", "no"),
    ],
    "choice": [
        ("C", "C"),
        ("(C)", "C"),
        ("c", "(C)"),
        ("C. A cat", "C"),
        ("C", "C) cat"),
        ("D, B", "B, D"),
        ("BD", "B, D"),
        ("B and D", "(B), (D)"),
        ("Ｃ", "C"),
        ("option C", "C"),
    ],
    "text": [
        ("4, 8", "4,8"),
        ("4 8", "4,8"),
        ("4、8", "4, 8"),
        ("(4, 8)", "4, 8"),
        ("A cat", "the cat"),
        ("New  York.", "new york"),
        ("Café", "cafe\u0301"),
        ("ＡＢＣ", "abc"),
        ("10–20", "10 - 20"),
        ("don't", "dont"),
        ("red and blue", "red, blue"),
        ("state-of-the-art", "state of the art"),
        ("−4", "-4"),
        ("Point A", "point a"),
        ("北京。", "北京"),
    ],
    "math": [
        ("\\frac{\\sqrt{2}}{2}", "\\frac{1}{\\sqrt{2}}"),
        ("\\dfrac12", "\\frac{1}{2}"),
        ("0.5", "\\frac{1}{2}"),
        ("x+1", "1 + x"),
        ("2√3", "\\sqrt{12}"),
        ("2*sqrt(3)", "2\\sqrt{3}"),
        ("2π", "2\\pi"),
        ("pi", "\\pi"),
        ("6.2832", "2\\pi"),
        ("2\\pi", "6.28"),
        ("x²", "x^{2}"),
        ("(x+1)^2", "x^2+2x+1"),
        ("x=5", "5"),
        ("y=2x+1", "2x+1"),
        ("(3,4)", "\\left(3, 4\\right)"),
        ("(\\frac{1}{2}, 4)", "(0.5, 4)"),
        ("2, 3", "3, 2"),
        ("\\{1,2\\}", "\\{2,1\\}"),
        ("30^\\circ", "30"),
        ("$5$", "5"),
        ("\\log_{2}(8)", "3"),
        ("9^{9^{9^9}}", "9^{9^{9^9}} "),  # identical after clean-up: never computed
    ],
}
DIFFERENT: dict[AnswerType, list[tuple[str, str]]] = {
    "number": [
        ("-4", "4"),
        ("1999", "2000"),  # within one per mille, but counted
        ("1,235", "1,234"),
        ("2.2", "2.0944"),
        ("12.6", "12"),
        ("1/3", "1/2"),
        ("50%", "5"),
        ("0.05", "50%"),
        ("5 cm", "6 cm"),
        ("0", "1"),
        ("-0.04", "0.1"),
        ("three", "4"),
    ],
    "yes_no": [("No", "yes"), ("true", "false"), ("是", "no"), ("n", "yes")],
    "choice": [("D", "C"), ("B", "B, D"), ("B, D", "B"), ("A. cat", "(B)"), ("BCD", "BD")],
    "text": [
        ("48", "4, 8"),
        ("4, 5", "4, 8"),
        ("8, 4", "4, 8"),
        ("4", "4, 8"),
        ("10:30", "1030"),
        ("1/2", "12"),
        ("-4", "4"),
        ("cat", "dog"),
        ("red car", "blue car"),
    ],
    "math": [
        ("x+1", "x+2"),
        ("(4,3)", "(5,2)"),  # as intervals both are empty
        ("(1,2)", "(2,1)"),
        ("(1,2)", "(1,2,3)"),
        ("[3,4)", "(3,4)"),
        ("\\infty", "-\\infty"),
        ("2\\pi", "3\\pi"),
        ("7.1", "2\\pi"),
        ("5", "6"),
    ],
}
DOUBTFUL: dict[AnswerType, list[tuple[str, str]]] = {
    "number": [
        ("cat", "3"),
        ("12 or 13", "12"),
        ("12 and 13", "12"),
        ("12, 13", "12"),
        ("2π", "2"),
        ("2x", "2"),
        ("5²", "52"),
        ("5!", "5"),
        ("1/0", "1"),
        ("12 m", "12 cm"),
        ("1.5 hours", "90 minutes"),
        ("5", "12 cm"),
        ("2.1", "2.0944"),  # right if one decimal was asked for
        ("0.33", "1/3"),
        ("12.4", "12"),
        ("0.001", "0"),
        ("5 was wrong", "5"),
        ("1,23", "123"),
        ("1" * 200, "1"),
        ("", "3"),
    ],
    "yes_no": [
        ("maybe", "yes"),
        ("Yes and no", "yes"),
        ("yes/no", "yes"),
        ("Nobody", "no"),
        ("是否", "yes"),
        ("3", "no"),
    ],
    "choice": [
        ("cat", "C"),
        ("A cat", "A"),
        ("A or B", "A"),
        ("A/B", "A"),
        ("C", "cat"),
        ("I'd say", "I"),
        ("BAD", "B"),
    ],
    "text": [
        ("red car", "car"),
        ("Paris, France", "Paris"),
        ("U.S.", "US"),
        ("4,800", "4800"),
        ("the man in the red hat next to her", "somebody who stands on the left side"),
        ("...", "cat"),
        ("C++", "C"),
    ],
    "math": [
        ("cat", "dog"),
        ("I do not know", "x+1"),
        ("\\text{yes}", "3"),
        ("6.3", "2\\pi"),
        ("{", "3"),
        ("x" + "+1" * 250, "x+2"),
        ("9^{9^{9^9}}", "3"),
        ("((9^{99})^{99})^{99}", "3"),
        ("10^{1000000}", "3"),
        ("99999!", "3"),
        ("\\binom{1000000}{500000}", "3"),
        ("(a+b+c+d+f)^{12}", "x"),
        ("(" * 60 + "x" + ")" * 60, "y"),
        ("\\sum_{n=1}^{100000000} n", "3"),
    ],
}
PAIRS = [
    (kind, response, reference, expected)
    for expected, table in ((True, EQUAL), (False, DIFFERENT), (None, DOUBTFUL))
    for kind, pairs in table.items()
    for response, reference in pairs
]
IDS = [f"{kind}:{a[:24]!r} vs {b[:24]!r} {expected}" for kind, a, b, expected in PAIRS]


def test_table_is_large_enough() -> None:
    assert len(PAIRS) >= 120
    assert {kind for kind, *_ in PAIRS} == set(ANSWER_TYPES)


@pytest.mark.parametrize(("answer_type", "response", "reference", "expected"), PAIRS, ids=IDS)
def test_answers_equal(answer_type: AnswerType, response: str, reference: str, expected: bool | None) -> None:
    assert answers_equal(response, reference, answer_type) is expected


# Responses that an existing harness scores wrongly (benchmarks.md, "Known scoring errors").
@pytest.mark.parametrize(
    ("response", "reference", "answer_type", "expected"),
    [
        pytest.param("The answer is 2.094", "2.0944", "number", True, id="dynamath-rounding"),
        pytest.param("Yes", "yes", "yes_no", True, id="case"),
        pytest.param("The answer is B", "B", "choice", True, id="letter-without-a-box"),
        pytest.param("A cat is shown. The answer is (C)", "C", "choice", True, id="article-is-no-letter"),
        pytest.param("A cat is shown. The answer is (C)", "A", "choice", False, id="article-earns-nothing"),
        pytest.param("Based on the image, the answer is D", "D", "choice", True, id="based-is-not-b"),
        pytest.param("Based on the image, the answer is D", "B", "choice", False, id="based-earns-nothing"),
        pytest.param("The answer is A or B", "A", "choice", None, id="hedge"),
        pytest.param("It is hard to say", "B", "choice", None, id="no-answer"),
    ],
)
def test_check_answer(response: str, reference: str, answer_type: AnswerType, expected: bool | None) -> None:
    assert check_answer(response, reference, answer_type) is expected


@pytest.mark.parametrize(("tolerance", "expected"), [(1e-3, False), (0.05, True)])
def test_tolerance_is_relative_to_the_reference(tolerance: float, expected: bool) -> None:
    # |104.5 - 100.5| / 100.5 = 0.0398
    assert answers_equal("104.5", "100.5", "number", tolerance=tolerance) is expected


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.text(max_size=300), st.text(max_size=60), st.sampled_from(ANSWER_TYPES))
def test_never_raises_on_arbitrary_text(text: str, reference: str, answer_type: AnswerType) -> None:
    assert extract_answer(text, answer_type) is None or extract_answer(text, answer_type)
    assert answers_equal(text, reference, answer_type) in (True, False, None)


NOTATION = st.lists(
    st.sampled_from(
        [*"0129.,/%-+=^(){}[]$!|xyABC ", "\\frac", "\\sqrt", "\\boxed{", "\\pi", "Answer: ", "答案是", "\n"]
    ),
    max_size=24,
).map("".join)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(NOTATION, NOTATION, st.sampled_from(ANSWER_TYPES))
def test_never_raises_on_broken_notation(text: str, reference: str, answer_type: AnswerType) -> None:
    assert check_answer(text, reference, answer_type) in (True, False, None)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.integers(-(10**9), 10**9),
    st.sampled_from(["Answer: {}", "The answer is {}.", "so \\boxed{{{}}}", "答案是{}。"]),
)
def test_a_stated_integer_is_itself_and_no_other(value: int, template: str) -> None:
    text = template.format(f"{value:,}")
    assert check_answer(text, str(value), "number") is True
    assert check_answer(text, str(value + 1), "number") is False


@pytest.mark.parametrize(
    "text",
    [
        "Answer: " * 2_500,
        "answer to a" + " " * 20_000 + "b",
        "\\boxed{" * 3_000,
        "Answer: " + "." * 20_000 + "x",
        "**" * 10_000,
        "answer (" * 2_500,
        "Answer: " + "-" * 20_000,
    ],
    ids=["statements", "spaces", "boxes", "dots", "bold", "brackets", "dashes"],
)
def test_hostile_responses_cost_little(text: str) -> None:
    start = time.perf_counter()
    for answer_type in ("choice", "number", "text", "yes_no", "math"):
        check_answer(text, "3", answer_type)
    # Quadratic matching on these lengths takes minutes; the bound leaves room for a busy machine.
    assert time.perf_counter() - start < 5


def test_mathematics_works_off_the_main_thread() -> None:
    outcomes: list[bool | None] = []
    thread = threading.Thread(target=lambda: outcomes.append(answers_equal("2\\sqrt{3}", "\\sqrt{12}", "math")))
    thread.start()
    thread.join(timeout=60)
    assert outcomes == [True]


def test_responses_are_not_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setitem(sys.modules, "trap", type("Trap", (), {"spring": staticmethod(lambda: ran.append("x"))}))
    for answer_type in ("number", "math", "text"):
        check_answer("Answer: __import__('trap').spring()", "1", answer_type)
    assert ran == []
