"""When two values are the same number: exactly, by a reference's stated precision, or within a row's tolerance."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

#: What a row may give: a number, or text, in the answer's own unit (`0.01`) or relative to the reference (`1%`).
ToleranceSpec = float | str | None
_TOLERANCE = re.compile(r"\s*(\d{1,9}(?:\.\d{1,12})?|\.\d{1,12})(?:[eE]([+-]?\d{1,2}))?\s*(%?)\s*")
#: A coarser decimal that is further off is another number and no rounding.
_ROUNDING_GAP = Fraction(1, 20)


@dataclass(frozen=True)
class Tolerance:
    """How far a response may be from the reference: `absolute` in its unit, `relative` as a share of it."""

    absolute: Fraction = Fraction(0)
    relative: Fraction = Fraction(0)

    def allows(self, response: Fraction, reference: Fraction) -> bool:
        return abs(response - reference) <= max(self.absolute, self.relative * abs(reference))


@dataclass(frozen=True)
class Value:
    """A number as it was written.

    Attributes:
        value: exact.
        decimals: digits after the point; negative where trailing digits are not stated (1.2 million has -5); None for
            a fraction, which is exact.
        counted: money and percentages, which nobody rounds unasked.
    """

    value: Fraction
    decimals: int | None
    counted: bool = False


def parse_tolerance(tolerance: ToleranceSpec) -> Tolerance | None:
    """Read a row's tolerance: `0.01` is absolute, `"1%"` is relative to the reference; None is none.

    Raises:
        ValueError: it is neither, negative, or not finite.
    """
    if tolerance is None:
        return None
    if isinstance(tolerance, int | float) and not isinstance(tolerance, bool):
        if not math.isfinite(tolerance) or tolerance < 0:
            raise ValueError(f"a tolerance of {tolerance}")
        return Tolerance(absolute=Fraction(str(tolerance)))
    match = _TOLERANCE.fullmatch(tolerance) if isinstance(tolerance, str) else None
    if match is None:
        raise ValueError(f"a tolerance of {tolerance!r}")
    value = Fraction(match[1]) * Fraction(10) ** int(match[2] or 0)
    return Tolerance(relative=value / 100) if match[3] else Tolerance(absolute=value)


def close(response: Value, reference: Value, tolerance: Tolerance | None) -> bool | None:
    """Compare two values; None where one may be a rounding of the other.

    A tolerance decides alone. Without one, integers, fractions, money and percentages are compared exactly; a decimal
    with more digits than the reference may round to it; one with fewer digits is in doubt.
    """
    if response.value == reference.value:
        return True
    if tolerance is not None and tolerance.allows(response.value, reference.value):
        return True
    outcome = _rounded_equal(response, reference)
    if tolerance is not None:
        return None if outcome else False
    return outcome


def _rounded_equal(response: Value, reference: Value) -> bool | None:
    if response.decimals is None or reference.decimals is None:
        return _fraction_equal(response, reference)
    if reference.decimals == 0 and response.decimals >= 0:
        return False  # counted, not measured: 1999 is not 2000
    finer, coarser = sorted((response, reference), key=lambda side: -(side.decimals or 0))
    if finer.decimals == coarser.decimals or rounded(finer.value, coarser.decimals or 0) != coarser.value:
        return False
    gap = abs(response.value - reference.value)
    if gap > _ROUNDING_GAP * abs(reference.value):
        return False
    if response.counted or reference.counted:
        return None if (coarser.decimals or 0) != 0 else False
    if finer is reference:
        return None
    whole = reference.value.denominator == 1  # 50.0 is more likely 50 than a rounded 49.97
    digits, more = significant_digits(reference), (response.decimals or 0) - (reference.decimals or 0)
    return True if not whole and (digits >= 4 or (digits == 3 and more >= 2)) else None


def _fraction_equal(response: Value, reference: Value) -> bool | None:
    """A recurring fraction and its decimal: in doubt where the decimal is rounded well."""
    decimal, fraction = (response, reference) if reference.decimals is None else (reference, response)
    if decimal.decimals is None or decimal.decimals < 1 or re.fullmatch("2*5*", _factors(fraction.value.denominator)):
        return False
    near = rounded(fraction.value, decimal.decimals) == decimal.value and significant_digits(decimal) >= 2
    return None if near else False


def _factors(denominator: int) -> str:
    """The denominator's factors 2 and 5 as digits, and an x if others remain."""
    shown = ""
    for prime in (2, 5):
        while denominator % prime == 0 and len(shown) < 500:
            denominator, shown = denominator // prime, f"{shown}{prime}"
    return shown if denominator == 1 else f"{shown}x"


def significant_digits(number: Value) -> int:
    """How many digits were stated from the first that is not zero."""
    stated = abs(number.value) * Fraction(10) ** (number.decimals or 0)
    return len(str(int(stated))) if stated >= 1 else 0


def rounded(value: Fraction, decimals: int) -> Fraction:
    """Round half away from zero, as people do (Python's round goes to even)."""
    scale = Fraction(10) ** decimals
    return Fraction(math.floor(abs(value) * scale + Fraction(1, 2)) * (1 if value > 0 else -1)) / scale


def approximates(
    written: Sequence[Value | None], values: Sequence[Fraction], tolerance: Tolerance | None
) -> bool | None:
    """Compare two constants of which one may be written as a decimal (6.2832 and 2π).

    Args:
        written: response and reference where they are numbers as such, else None.
        values: what they are, irrational ones to many digits.
        tolerance: decides alone.
    """
    gap = abs(values[0] - values[1])
    if gap <= Fraction(1, 10**40) * (abs(values[0]) + abs(values[1])):
        return True
    if tolerance is not None and tolerance.allows(values[0], values[1]):
        return True
    outcome = _decimal_of(written, values)
    return (None if outcome else False) if tolerance is not None else outcome


def _decimal_of(written: Sequence[Value | None], values: Sequence[Fraction]) -> bool | None:
    """Certain from four digits on, or three that the reference states."""
    decimal = written[0] or written[1]
    if decimal is None or not decimal.decimals or decimal.decimals < 1:
        return False
    constant = values[1] if written[0] is not None else values[0]
    if rounded(constant, decimal.decimals) != decimal.value:
        cut_off = abs(constant - decimal.value) < Fraction(1, 10**decimal.decimals)
        return None if cut_off and significant_digits(decimal) >= 4 else False
    if _factors(constant.denominator).strip("25") == "" and constant.denominator < 10**6:
        return close(written[0] or Value(constant, None), written[1] or Value(constant, None), None)
    needed = 4 if written[0] is not None else 3
    if significant_digits(decimal) >= needed and decimal.value.denominator != 1:
        return True if _is_irrational(constant) else None
    return None if significant_digits(decimal) >= 2 else False


def _is_irrational(value: Fraction) -> bool:
    """Whether a value to many digits is no plain fraction."""
    return value.denominator > 10**9
