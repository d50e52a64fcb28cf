"""Mathematical answers: numbers and lists of them at once, expressions in workers that can be stopped."""

from __future__ import annotations

import re

from contextrl.answers.latex import based, ratio, to_latex, two_readings
from contextrl.answers.numbers import Number, numbers_equal, parse_number
from contextrl.answers.rounding import Tolerance
from contextrl.answers.scalars import NeedsWorker, Scalars
from contextrl.answers.structures import structures_equal
from contextrl.answers.workers import expressions_equal

_BLANKS = re.compile(r"(?<!\d)\s+|\s+(?!\d)")  # 2 3 is not 23
_DECIMAL_COMMA = re.compile(r"(?<=\d)(?:\{,\}|,)(?=\d)")
_NAME = re.compile(r"^\s*\$?\s*([A-Za-z]|[A-Z]{2,4})\s*=")


def maths_equal(response: str, reference: str, tolerance: Tolerance | None) -> bool | None:
    """Compare two answers of type math: numbers, expressions, lists, points, sets, intervals, relations."""
    numbers = parse_number(response, True), parse_number(reference, True)
    if numbers[0] and numbers[1]:
        outcome = numbers_equal(numbers[0], numbers[1], tolerance)
        return None if outcome and _names_differ(response, reference) else outcome
    predicted, gold = to_latex(response), to_latex(reference)
    if _BLANKS.sub("", predicted) == _BLANKS.sub("", gold):
        return True
    ratios = ratio(predicted), ratio(gold)
    if ratios[0] and ratios[1]:
        return ratios[0] == ratios[1]
    bases = based(predicted), based(gold)
    if bases[0] or bases[1]:
        return _based_equal(bases, numbers)
    readings = [two_readings(side) or (side,) for side in (predicted, gold)]
    outcomes = {_latex_equal(one, other, tolerance) for one in readings[0] for other in readings[1]}
    outcome = outcomes.pop() if len(outcomes) == 1 else None
    doubtful = _letter_is_a_unit(response, reference) or _grouped(response) == _grouped(reference)
    doubtful |= _DECIMAL_COMMA.sub(".", response) == _DECIMAL_COMMA.sub(".", reference)
    return None if outcome is False and doubtful else outcome


def _latex_equal(predicted: str, gold: str, tolerance: Tolerance | None) -> bool | None:
    try:
        return structures_equal(predicted, gold, Scalars(tolerance))
    except NeedsWorker:
        return expressions_equal(predicted, gold, tolerance)


def _based_equal(bases: tuple[tuple[str, int] | None, ...], numbers: tuple[Number | None, ...]) -> bool | None:
    """Digits in the same base; in another base, or without one, equal values are in doubt."""
    if bases[0] and bases[1] and bases[0][1] == bases[1][1]:
        return bases[0][0] == bases[1][0]
    values, written = [], []
    for base, number in zip(bases, numbers, strict=True):
        values.append(int(base[0], base[1]) if base else number.value if number else None)
        written.append(base[0] if base else str(number.value) if number else None)
    if None in values:
        return None
    if all(base is None or base[1] == 10 for base in bases):
        return values[0] == values[1]
    if bases[0] and bases[1]:
        return None if values[0] == values[1] else False
    return None if values[0] == values[1] or written[0] == written[1] else False


def _names_differ(response: str, reference: str) -> bool:
    """Whether `x = 2` stands beside `y = 2`."""
    names = [_NAME.search(side) for side in (response, reference)]
    return bool(names[0] and names[1] and names[0][1] != names[1][1])


def _grouped(value: str) -> str:
    """The value with its thousands written together: `(1,000)` and `1 000` may be one number."""
    return re.sub(r"(?<=\d)[ ,](?=\d{3}(?!\d))|^\(|\)$", "", value.strip())


def _letter_is_a_unit(response: str, reference: str) -> bool:
    """Whether one side is the other's number with a letter that may be its unit: `2a`, `5 m`, but not `6x`."""
    sides = [
        re.fullmatch(r"\$?\s*(-?\d+(?:\.\d+)?)\s*([A-HJ-WZa-df-hj-w])?\s*\$?", side.strip())
        for side in (response, reference)
    ]
    return bool(sides[0] and sides[1] and sides[0][1] == sides[1][1] and bool(sides[0][2]) != bool(sides[1][2]))
