"""What the values of two expressions at a few points say about them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

#: Where two expressions are compared: (the first variable's value, the step to the next one's).
POINTS = [
    (Fraction(37, 100), Fraction(61, 100)),
    (Fraction(-13, 10), Fraction(-7, 10)),
    (Fraction(29, 10), Fraction(13, 10)),
    (Fraction(3), Fraction(2)),
    (Fraction(2), Fraction(1)),
    (Fraction(-2), Fraction(-1)),
]
#: Digits of a comparison by value, and the relative gap below which two values are one.
DIGITS, GAP = 60, Fraction(1, 10**45)
#: Literals from which on two different values may agree to all digits.
LONG = re.compile(r"\d{15}|\^\s*\{?\s*-?\s*\d{2}")


@dataclass(frozen=True)
class Agreement:
    """How two expressions compare at one point.

    Attributes:
        equal: to all digits.
        near: within half a per cent.
        whole: all variables are integers there.
        positive: all variables are positive there.
    """

    equal: bool
    near: bool
    whole: bool = True
    positive: bool = True


def decide(points: Iterable[Agreement], *, decimals: bool, branches: bool) -> bool | None:
    """What the points say together; None where they do not agree on it.

    Args:
        points: those where both sides have a value.
        decimals: a side has some, which may be rounded.
        branches: there are roots or logarithms, whose rules hold for positive numbers.
    """
    seen = list(points)
    if len(seen) < 2:
        return None
    if all(point.equal for point in seen):
        return True
    if decimals and all(point.near for point in seen):
        return None
    whole = [point.equal for point in seen if point.whole]
    positive = [point.equal for point in seen if point.positive]
    if len(whole) > 2 and all(whole):
        return None  # (-1)^{2n}
    return None if branches and len(positive) > 1 and all(positive) else False


def has_branches(response: str, reference: str) -> bool:
    """Whether `x = \\sqrt{x^2}`, `\\ln x^2 = 2\\ln x` and their like may be meant for positive numbers only."""
    both = response + reference
    return "\\sqrt" in both or "\\frac12" in both or ("\\ln" in response and "\\ln" in reference)
