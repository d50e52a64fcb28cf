"""Whether two answers are equal."""

from __future__ import annotations

import re

from contextrl.data.example import AnswerType
from contextrl.judge.answers.extraction import extract_answer
from contextrl.judge.answers.mathematics import coordinates, expressions_equal, to_latex
from contextrl.judge.answers.numbers import numbers_equal, parse_number
from contextrl.judge.answers.options import parse_choice, parse_yes_no
from contextrl.judge.answers.wording import texts_equal
from contextrl.judge.answers.wrapping import MAX_ANSWER_CHARS, unwrap


def answers_equal(response: str, reference: str, answer_type: AnswerType, *, tolerance: float = 1e-3) -> bool | None:
    """Compare two extracted answers.

    Args:
        response: the policy's answer, untrusted.
        reference: the reference answer; rounding is judged by its decimals.
        answer_type: how to compare.
        tolerance: relative to the reference, for numbers with decimals. Two integers are compared exactly.

    Returns:
        True or False if both sides are of the type; None if doubtful (a side is not, or units or wording
        differ in a way that a rule cannot settle). Never raises.
    """
    if not response.strip() or not reference.strip():
        return None
    if max(len(response), len(reference)) > MAX_ANSWER_CHARS:
        return True if response.strip() == reference.strip() else None
    try:
        return _compare(response, reference, answer_type, tolerance)
    except Exception:  # sympy raises anything on expressions it cannot handle: that says nothing about the answer
        return None


def _compare(response: str, reference: str, answer_type: AnswerType, tolerance: float) -> bool | None:
    if answer_type == "choice":
        letters = parse_choice(response), parse_choice(reference)
        if letters[0] and letters[1]:
            return letters[0] == letters[1]
    elif answer_type == "yes_no":
        verdicts = parse_yes_no(response), parse_yes_no(reference)
        if None not in verdicts:
            return verdicts[0] == verdicts[1]
    elif answer_type == "text":
        return texts_equal(unwrap(response), unwrap(reference))
    else:
        found, wanted = parse_number(response), parse_number(reference)
        if found is not None and wanted is not None:
            return numbers_equal(found, wanted, tolerance)
        if answer_type == "math":
            return _maths_equal(response, reference, tolerance)
    same = unwrap(response).casefold() == unwrap(reference).casefold()
    return True if same else None


def _maths_equal(response: str, reference: str, tolerance: float) -> bool | None:
    found, wanted = to_latex(response), to_latex(reference)
    if re.sub(r"\s", "", found) == re.sub(r"\s", "", wanted):
        return True
    pairs = coordinates(found), coordinates(wanted)
    if not pairs[0] or not pairs[1]:
        return expressions_equal(found, wanted, tolerance)
    # math-verify reads (4, 3) as an interval, which is empty, and all empty sets are equal.
    if len(pairs[0]) != len(pairs[1]):
        return False
    outcomes = [answers_equal(a, b, "math", tolerance=tolerance) for a, b in zip(*pairs, strict=True)]
    return False if False in outcomes else None if None in outcomes else True


def check_answer(response_text: str, example_answer: str, answer_type: AnswerType) -> bool | None:
    """Whether a response's final answer equals the example's; None if it states none or if in doubt."""
    extracted = extract_answer(response_text, answer_type)
    return None if extracted is None else answers_equal(extracted, example_answer, answer_type)
