"""Expressions compared by value; runs in the worker, where it can be stopped.

The grammar is latex2sympy's, as in math-verify. math-verify's own comparison is not used: it takes for equal what
differs by less than 1e-17, `3, 3, 5` for `3, 5, 5`, and an equation for its right side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from sympy import (  # type: ignore[import-untyped]
    EmptySet,
    Expr,
    Float,
    I,
    Integral,
    Limit,
    MatrixBase,
    Product,
    Rational,
    Set,
    Sum,
    Symbol,
    cancel,
    nan,
    real_roots,
    simplify,
    zoo,
)

from contextrl.answers.agreement import DIGITS, GAP, LONG, POINTS, Agreement, decide, has_branches
from contextrl.answers.grammar import parse_latex
from contextrl.answers.numbers import parse_number
from contextrl.answers.rounding import Tolerance, Value, approximates, close
from contextrl.answers.scalars import Scalars
from contextrl.answers.structures import conjunction, structures_equal

_DEGREES = "\\circ"
_BARE_LOG = re.compile(r"\\log(?![A-Za-z])(?!\s*_)")
_UNEVALUATED = (Sum, Product, Integral, Limit)


class Expressions(Scalars):
    """Scalars of any kind."""

    def beyond(self, predicted: str, gold: str) -> bool | None:
        return symbolic_equal(predicted, gold, self.tolerance)

    def multiple_beyond(self, response: tuple[str, str], reference: tuple[str, str], positive: bool) -> bool | None:
        sides: list[list[Any]] = [[parse_latex(side) for side in pair] for pair in (response, reference)]
        if not all(isinstance(side, Expr) for pair in sides for side in pair):
            return None
        first, second = (pair[0] - pair[1] for pair in sides)
        factor = cancel(first / second)
        if factor.is_number and factor.is_finite and factor.is_nonzero:
            return bool(factor.is_positive) if positive else True
        symbols = first.free_symbols | second.free_symbols
        polynomials = bool(symbols) and first.is_polynomial(*symbols) and second.is_polynomial(*symbols)
        if not polynomials or len(symbols) > 1:
            return False if polynomials else None
        return False if set(real_roots(first)) != set(real_roots(second)) else None


def handle(request: dict[str, Any]) -> bool | None:
    """Compare `predicted` with `gold` under `tolerance`, None or [absolute, relative]."""
    limits = request["tolerance"]
    tolerance = None if limits is None else Tolerance(Fraction(limits[0]), Fraction(limits[1]))
    return structures_equal(request["predicted"], request["gold"], Expressions(tolerance))


def warm_up() -> None:
    """Read one expression of each kind: the grammar learns as it parses, and sympy imports when needed."""
    scalars = Expressions(None)
    pairs = [
        ("(x-1)(x+2)", "x^{2}+x-2"),
        ("\\frac{1}{\\sqrt{2}}", "\\frac{\\sqrt{2}}{2}"),
        ("2\\pi r^{2}+\\sin x", "\\cos 2x"),
        ("\\frac{x^{2}-1}{x-1}", "\\ln x"),
        ("e^{x}", "\\log_{2} 8"),
        ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&5\\end{pmatrix}"),
        ("2x=4", "x=2"),
        ("x\\ge \\sqrt{2}", "[\\sqrt{2},\\infty)"),
        ("5!", "\\binom{5}{2}"),
        ("1+2i", "|x|"),
        ("e^{x^{2}}", "\\sin^{2} x+\\cos^{2} x"),
        ("\\int_0^{1} x^{2} dx", "\\sum_{k=1}^{n} k"),
        ("\\sqrt[3]{8}-x^{\\frac{1}{2}}", "e^{i\\pi}"),
        ("\\lim_{x\\to 0} \\frac{\\sin x}{x}", "\\cos 60^\\circ"),
    ]
    for response, reference in pairs:
        structures_equal(response, reference, scalars)


def symbolic_equal(predicted: str, gold: str, tolerance: Tolerance | None) -> bool | None:
    """Compare two LaTeX expressions; None where one is not mathematics or neither is shown. May raise and not end."""
    left, right = parse_latex(predicted), parse_latex(gold)
    if left is None or right is None:
        return None
    outcome = _compare((predicted, left), (gold, right), tolerance)
    if outcome is True:
        return True
    for pair, meaning in _other_readings(predicted, gold):
        texts = [text if _DEGREES not in text else "" for text in (predicted, gold)]
        if None not in pair and _compare((texts[0], pair[0]), (texts[1], pair[1]), tolerance):
            return meaning
    return outcome


def _other_readings(predicted: str, gold: str) -> Iterator[tuple[tuple[Any, Any], bool | None]]:
    """Yield pairs of objects under another reading of the notation, and what it means if they are equal."""
    both = predicted + gold
    if _DEGREES in both:
        yield (parse_latex(predicted, degrees=True), parse_latex(gold, degrees=True)), True
    plain: tuple[Any, Any] = parse_latex(predicted), parse_latex(gold)
    if any(isinstance(side, Expr) and Symbol("i", real=True) in side.free_symbols for side in plain):
        left, right = (side.subs(Symbol("i", real=True), I) for side in plain)
        yield (left, right), True
    if _BARE_LOG.search(both):  # base ten in one book, e in another
        yield (parse_latex(_BARE_LOG.sub(r"\\ln", predicted)), parse_latex(_BARE_LOG.sub(r"\\ln", gold))), None
        ten = r"\\log_{10}"
        yield (parse_latex(_BARE_LOG.sub(ten, predicted)), parse_latex(_BARE_LOG.sub(ten, gold))), None
    if re.search("[A-Z]", both):  # R and r are two radii, but X for x is sloppy
        yield (parse_latex(predicted, lowercase=True), parse_latex(gold, lowercase=True)), None


def _compare(predicted: tuple[str, Any], gold: tuple[str, Any], tolerance: Tolerance | None) -> bool | None:
    left, right = predicted[1], gold[1]
    if left == right:
        return None if isinstance(left, Expr) and left.has(zoo, nan) else True  # 1/0 and 12/0 have no value
    if isinstance(left, MatrixBase) or isinstance(right, MatrixBase):
        return _matrices_equal(left, right, tolerance)
    if isinstance(left, Set) and isinstance(right, Set):
        return _sets_equal(left, right)
    if not isinstance(left, Expr) or not isinstance(right, Expr):
        return None if isinstance(left, Expr) == isinstance(right, Expr) else False
    if left.has(*_UNEVALUATED) or right.has(*_UNEVALUATED):
        left, right = left.doit(), right.doit()
    if left == right:
        return True
    if not left.free_symbols and not right.free_symbols:
        return _constants_equal((predicted[0], left), (gold[0], right), tolerance)
    written = predicted[0] + gold[0]
    branches = has_branches(predicted[0], gold[0])
    return _functions_equal(left, right, decimals="." in written, written=written, branches=branches)


def _matrices_equal(left: Any, right: Any, tolerance: Tolerance | None) -> bool | None:
    if not isinstance(left, MatrixBase) or not isinstance(right, MatrixBase):
        return None  # a column may be written as a point
    if left.shape != right.shape:
        return False
    pairs = zip(left, right, strict=True)
    return conjunction(_compare((str(a), a), (str(b), b), tolerance) for a, b in pairs)


def _sets_equal(left: Any, right: Any) -> bool | None:
    if left.has(Float) or right.has(Float):
        return None
    difference = left.symmetric_difference(right)
    return True if difference is EmptySet or difference == EmptySet else difference.is_empty


def _constants_equal(predicted: tuple[str, Any], gold: tuple[str, Any], tolerance: Tolerance | None) -> bool | None:
    """Exactly where both are exact; a decimal beside a constant is a rounding of it (6.2832 and 2π)."""
    values = [_value(text, value) for text, value in (predicted, gold)]
    if values[0] is not None and values[1] is not None:
        return close(values[0], values[1], tolerance)
    sides = [_exact(value) for _, value in (predicted, gold)]
    left, right = (side.doit().evalf(DIGITS) for side in sides)
    if not (left.is_number and right.is_number and left.is_finite and right.is_finite):
        return None if left != right and not (left.is_infinite or right.is_infinite) else bool(left == right)
    if not (left.is_real and right.is_real):
        gap = abs((sides[0] - sides[1]).evalf(DIGITS))
        return (
            bool(gap <= Rational(1, 10**45) * (abs(left) + abs(right)))
            if not LONG.search(predicted[0] + gold[0])
            else None
        )
    numbers = [Fraction(int(side.p), int(side.q)) for side in (Rational(str(left)), Rational(str(right)))]
    outcome = approximates(values, numbers, tolerance)
    if outcome and numbers[0] != numbers[1] and LONG.search(predicted[0] + gold[0]):
        return True if simplify(sides[0] - sides[1]) == 0 else None  # 60 digits do not tell such numbers apart
    return outcome


def _value(text: str, value: Any) -> Value | None:
    """The number with its decimals if it is rational."""
    number = parse_number(text, True)
    if number is not None:
        return number
    value = _exact(value)
    value = value.doit() if value.is_rational and not value.is_Rational else value
    return Value(Fraction(int(value.p), int(value.q)), None) if value.is_Rational else None


def _exact(value: Any) -> Any:
    """The value with its decimals as fractions."""
    return (
        value.xreplace({number: Rational(str(number)) for number in value.atoms(Float)}) if value.has(Float) else value
    )


def _functions_equal(left: Any, right: Any, *, decimals: bool, written: str, branches: bool) -> bool | None:
    """Compare by value at points, to many digits."""
    left, right = _exact(left), _exact(right)
    symbols = sorted(left.free_symbols | right.free_symbols, key=str)
    found = [_agreement(left, right, symbols, *point) for point in POINTS]
    outcome = decide([point for point in found if point is not None], decimals=decimals, branches=branches)
    if outcome and LONG.search(written):
        return True if (left - right).expand() == 0 or simplify(left - right) == 0 else None
    return outcome


def _agreement(left: Any, right: Any, symbols: list[Any], first: Fraction, step: Fraction) -> Agreement | None:
    """How the sides compare at a point; None where one has no value."""
    point = [first + step * place for place in range(len(symbols))]
    values = {
        symbol: Rational(value.numerator, value.denominator) for symbol, value in zip(symbols, point, strict=True)
    }
    sides = [side.subs(values).doit().evalf(DIGITS) for side in (left, right)]
    whole, positive = all(value.denominator == 1 for value in point), all(value > 0 for value in point)
    if not all(side.is_number and side.is_finite for side in sides):
        infinite = [side.is_number and side.is_infinite for side in sides]
        return Agreement(False, False, whole, positive) if any(infinite) and sides[0] != sides[1] else None
    difference, size = abs(sides[0] - sides[1]), abs(sides[0]) + abs(sides[1])
    gap = Rational(GAP.numerator, GAP.denominator)
    return Agreement(bool(difference <= gap * size), bool(difference * 200 <= size), whole, positive)
