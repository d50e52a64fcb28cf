"""The parts of mathematical answers: numbers, expressions by value, units behind either."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from contextrl.answers.evaluation import Unfit, constant_ratio, evaluate, expressions_agree, variables
from contextrl.answers.latex import is_readable, split_unit
from contextrl.answers.numbers import numbers_equal, parse_number
from contextrl.answers.rounding import Tolerance, Value, approximates


class NeedsWorker(Exception):
    """A part is beyond what is compared at once."""


class Scalars:
    """Compares what is elementary; a subclass may know more."""

    def __init__(self, tolerance: Tolerance | None) -> None:
        self.tolerance = tolerance

    def equal(self, response: str, reference: str) -> bool | None:
        """Compare two numbers or expressions, which may have units."""
        numbers = parse_number(response, True), parse_number(reference, True)
        if numbers[0] and numbers[1]:
            return numbers_equal(numbers[0], numbers[1], self.tolerance)
        (predicted, unit), (gold, gold_unit) = split_unit(response), split_unit(reference)
        if not is_readable(predicted) or not is_readable(gold):
            return True if predicted == gold and unit == gold_unit else None
        try:
            outcome = self._elementary(predicted, gold)
        except (Unfit, ZeroDivisionError, OverflowError, RecursionError):
            outcome = self.beyond(predicted, gold)
        if unit == gold_unit:
            return outcome
        one_sided = not unit or not gold_unit
        return True if outcome and one_sided else None

    def multiple(self, response: tuple[str, str], reference: tuple[str, str], positive: bool) -> bool | None:
        """Whether left minus right of one relation is a (positive) constant times that of the other."""
        if not all(map(is_readable, (*response, *reference))):
            return None
        try:
            ratio = constant_ratio(response, reference)
        except (Unfit, ZeroDivisionError, OverflowError, RecursionError):
            return self.multiple_beyond(response, reference, positive)
        return ratio > 0 or not positive

    def beyond(self, predicted: str, gold: str) -> bool | None:
        """Compare what this class cannot."""
        raise NeedsWorker(predicted, gold)

    def multiple_beyond(self, response: tuple[str, str], reference: tuple[str, str], positive: bool) -> bool | None:
        """As `beyond`, for relations."""
        raise NeedsWorker(response, reference, positive)

    def _elementary(self, predicted: str, gold: str) -> bool | None:
        if variables(predicted) or variables(gold):
            return expressions_agree(predicted, gold)
        numbers = [parse_number(side, True) for side in (predicted, gold)]
        decimal = any(number is not None and number.decimals for number in numbers)
        if not decimal and self.tolerance is None:
            return expressions_agree(predicted, gold)
        return self._constants(predicted, gold, numbers)

    def _constants(self, predicted: str, gold: str, numbers: Sequence[Value | None]) -> bool | None:
        """A decimal beside a constant, or two constants under a tolerance."""
        sides = zip(numbers, (predicted, gold), strict=True)
        values = [number.value if number else as_fraction(side) for number, side in sides]
        return approximates(numbers, values, self.tolerance)


def as_fraction(latex: str) -> Fraction:
    """The value of a constant, to sixty digits where it is irrational. Raises: Unfit if it is not real."""
    value = evaluate(latex, {})
    if isinstance(value, Fraction):
        return value
    if not hasattr(value, "man_exp"):
        raise Unfit
    mantissa, exponent = value.man_exp
    if abs(exponent) > 10_000:
        raise Unfit
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
