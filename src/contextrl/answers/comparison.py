"""Whether two answers are equal."""

from __future__ import annotations

import re

from contextrl.answers.extraction import Stated, read_answer
from contextrl.answers.mathematics import maths_equal
from contextrl.answers.numbers import numbers_equal, parse_number
from contextrl.answers.options import parse_choice, parse_yes_no
from contextrl.answers.rounding import Tolerance, ToleranceSpec, parse_tolerance
from contextrl.answers.wording import texts_equal
from contextrl.answers.workers import one_budget
from contextrl.answers.wrapping import MAX_ANSWER_CHARS, unwrap, visible
from contextrl.records.example import AnswerType

#: What a reference says that names several values.
_SEVERAL = re.compile(r"[,，、;；]|\\pm|±|\b(?:and|or)\b|和|或|\\\{")
#: A number whose notation is an expression's.
_NOTATION = re.compile(r"[,;√π^!]|\\[a-z]|sqrt|[a-z]\(")


def answers_equal(
    response: str, reference: str, answer_type: AnswerType, *, tolerance: ToleranceSpec = None
) -> bool | None:
    """Compare two extracted answers.

    Args:
        response: the policy's answer, untrusted.
        reference: the reference answer.
        answer_type: how to compare.
        tolerance: how far a number may be from the reference: a number in its unit (0.01), or text relative to it
            ("1%"). Without one, values are compared exactly, and a decimal of fewer digits than the reference's is
            in doubt.

    Returns:
        True or False if both sides are of the type; None if doubtful (a side is not, or units, rounding or wording
        differ in a way that a rule cannot settle). Never raises for what a response or a reference says.

    Raises:
        ValueError: `tolerance` is none.
    """
    allowed = parse_tolerance(tolerance)
    response, reference = visible(response), visible(reference)
    if not response.strip() or not reference.strip():
        return None
    if max(len(response), len(reference)) > MAX_ANSWER_CHARS:
        return True if response.strip() == reference.strip() else None
    try:
        with one_budget():
            return _compare(response, reference, answer_type, allowed)
    except Exception:  # untrusted text: that says nothing about the answer
        return None


def _compare(response: str, reference: str, answer_type: AnswerType, tolerance: Tolerance | None) -> bool | None:
    if answer_type == "choice":
        letters = parse_choice(response), parse_choice(reference)
        if letters[0] and letters[1]:
            return letters[0] == letters[1]
    elif answer_type == "yes_no":
        verdicts = parse_yes_no(response), parse_yes_no(reference)
        if None not in verdicts:
            return verdicts[0] == verdicts[1]
    elif answer_type == "text":
        return texts_equal(unwrap(response), unwrap(reference), tolerance)
    elif answer_type == "math":
        return maths_equal(response, reference, tolerance)
    else:
        predicted, gold = parse_number(response), parse_number(reference)
        if predicted is not None and gold is not None:
            return numbers_equal(predicted, gold, tolerance)
        if _NOTATION.search(reference) or (gold is not None and re.search(r"\\[a-z]|√|π|sqrt|\^|[⁰¹²³⁴-⁹]", response)):
            return maths_equal(response, reference, tolerance)
    sides = unwrap(response), unwrap(reference)
    if answer_type != "number":  # mW is not MW
        sides = sides[0].casefold(), sides[1].casefold()
    return True if sides[0] == sides[1] else None


def check_answer(
    response_text: str, example_answer: str, answer_type: AnswerType, *, tolerance: ToleranceSpec = None
) -> bool | None:
    """Whether a response's final answer equals the example's; None if it states none or if in doubt.

    Several boxes of one statement (`x=\\boxed{2}` or `x=\\boxed{3}`) are one answer of several values.

    Raises:
        ValueError: `tolerance` is none; see `answers_equal`.
    """
    stated = read_answer(response_text, answer_type)
    if stated is None:
        return None
    with one_budget():
        if len(stated.boxes) > 1:
            return _boxes_equal(stated, example_answer, answer_type, tolerance)
        return answers_equal(stated.value, example_answer, answer_type, tolerance=tolerance)


def _boxes_equal(stated: Stated, reference: str, answer_type: AnswerType, tolerance: ToleranceSpec) -> bool | None:
    """All values where the reference has several; beside a single one, which of them is meant is in doubt."""
    together = answers_equal(stated.joint.join(stated.boxes), reference, answer_type, tolerance=tolerance)
    last = answers_equal(stated.boxes[-1], reference, answer_type, tolerance=tolerance)
    if together is True or _SEVERAL.search(reference):
        return True if True in (together, last) else None if None in (together, last) else False
    if answer_type == "choice":
        return together
    each = {answers_equal(box, reference, answer_type, tolerance=tolerance) for box in stated.boxes[:-1]} | {last}
    return each.pop() if len(each) == 1 else None
