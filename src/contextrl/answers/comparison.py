"""Whether two answers are equal."""

from __future__ import annotations

import re

from contextrl.answers.extraction import extract_answer
from contextrl.answers.mathematics import coordinates, expressions_equal, ratio, to_latex
from contextrl.answers.numbers import numbers_equal, parse_number
from contextrl.answers.options import parse_choice, parse_yes_no
from contextrl.answers.wording import texts_equal
from contextrl.answers.wrapping import MAX_ANSWER_CHARS, unwrap, visible
from contextrl.records.example import AnswerType

_BLANKS = re.compile(r"(?<!\d)\s+|\s+(?!\d)")  # 2 3 is not 23
_NAME = re.compile(r"^\s*\$?\s*([A-Za-z]|[A-Z]{2,4})\s*=")
_FACTOR = re.compile(r"\d([A-Za-z])\$?\s*$")


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
    response, reference = visible(response), visible(reference)
    if not response.strip() or not reference.strip():
        return None
    if max(len(response), len(reference)) > MAX_ANSWER_CHARS:
        return True if response.strip() == reference.strip() else None
    try:
        return _compare(response, reference, answer_type, tolerance)
    except Exception:  # untrusted text, or no worker for expressions: that says nothing about the answer
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
    elif answer_type == "math":
        return _maths_equal(response, reference, tolerance)
    else:
        predicted, gold = parse_number(response), parse_number(reference)
        if predicted is not None and gold is not None:
            return numbers_equal(predicted, gold, tolerance)
    same = unwrap(response).casefold() == unwrap(reference).casefold()
    return True if same else None


def _is_equation(value: str) -> bool:
    """Whether the left side calculates with letters: `x^2 - x = 0` says more than its right side."""
    left, equals, _ = value.partition("=")
    return bool(equals and re.search("[A-Za-z]", left) and re.search(r"[-+*/^]|\d\s*[A-Za-z]", left))


def _names_differ(response: str, reference: str) -> bool:
    """Whether `x = 2` stands beside `y = 2`, or `2a` (which may be two amperes) beside `2` or `2A`."""
    names, factors = ([pattern.search(side) for side in (response, reference)] for pattern in (_NAME, _FACTOR))
    if names[0] and names[1] and names[0][1] != names[1][1]:
        return True
    return len({factor and factor[1] for factor in factors}) > 1


def _maths_equal(response: str, reference: str, tolerance: float) -> bool | None:
    numbers = parse_number(response), parse_number(reference)
    equations = _is_equation(response), _is_equation(reference)
    if numbers[0] and numbers[1] and not any(equations):
        outcome = numbers_equal(numbers[0], numbers[1], tolerance)
        return None if outcome and _names_differ(response, reference) else outcome
    predicted, gold = to_latex(response), to_latex(reference)
    if _BLANKS.sub("", predicted) == _BLANKS.sub("", gold):
        return True
    ratios = ratio(predicted), ratio(gold)
    if ratios[0] and ratios[1]:
        return ratios[0] == ratios[1]
    pairs = coordinates(predicted), coordinates(gold)
    if not pairs[0] or not pairs[1]:
        outcome = expressions_equal(predicted, gold, tolerance)
        one_sided = equations[0] != equations[1] and not ("=" in response and "=" in reference)
        return None if outcome and one_sided else outcome
    # math-verify reads (4, 3) as an interval, which is empty, and all empty sets are equal.
    if len(pairs[0]) != len(pairs[1]):
        return None if re.search(r"\d,\d{3}(?!\d)", predicted + gold) else False  # (1,000, 2) has two or three
    outcomes = [answers_equal(a, b, "math", tolerance=tolerance) for a, b in zip(*pairs, strict=True)]
    return False if False in outcomes else None if None in outcomes else True


def check_answer(response_text: str, example_answer: str, answer_type: AnswerType) -> bool | None:
    """Whether a response's final answer equals the example's; None if it states none or if in doubt."""
    extracted = extract_answer(response_text, answer_type)
    return None if extracted is None else answers_equal(extracted, example_answer, answer_type)
