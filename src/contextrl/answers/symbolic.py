"""LaTeX expressions to sympy objects and their comparison; runs in the worker, where it can be stopped."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

from latex2sympy2_extended import NormalizationConfig, latex2sympy, normalize_latex
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, convert_to_pct
from math_verify import verify
from sympy import (  # type: ignore[import-untyped]
    Eq,
    Expr,
    I,
    Integral,
    Limit,
    MatrixBase,
    Product,
    Rational,
    Sum,
    Symbol,
    simplify,
)

from contextrl.answers.numbers import Number, close, parse_number

# Units stay: the library drops a last "m" of "x + 2m", and `mathematics` has split off what is a unit.
_CLEAN_UP = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
)
_DEGREES = "\\circ"
_BARE_LOG = re.compile(r"\\log(?![A-Za-z])(?!\s*_)")
_UNEVALUATED = (Sum, Product, Integral, Limit)
#: Where two expressions are compared by value: (the first variable's, the step to the next one's).
_POINTS = [(Rational(37, 100), Rational(61, 100)), (Rational(-13, 10), Rational(-7, 10)), (Rational(3), Rational(2))]
# It warns that its time limits are off; the process that asks has one of its own.
logging.getLogger("math_verify").setLevel(logging.ERROR)


def symbolic_equal(predicted: str, gold: str, tolerance: float) -> bool | None:
    """Compare two LaTeX expressions; None where one is not mathematics or neither is shown. May raise and not end."""
    left, right = _parse(predicted), _parse(gold)
    if left is None or right is None:
        return None
    outcome = _compare((predicted, left), (gold, right), tolerance)
    if outcome is not False:
        return outcome
    for pair, meaning in _other_readings(predicted, gold):
        if None not in pair and _compare((predicted, pair[0]), (gold, pair[1]), tolerance):
            return meaning
    # A decimal among variables is rounded.
    return False if _seen_apart(left, right, tolerance if "." in predicted + gold else 1e-9) else None


@lru_cache(maxsize=256)
def _parse(latex: str, degrees: bool = False, lowercase: bool = False) -> Any | None:
    """Return the sympy object, or None if the text is not mathematics.

    LaTeX only: the library's reader of plain expressions goes through sympy's parse_expr, which evaluates code.
    """
    body = re.sub(r"\\?%$", "", latex)
    try:
        parsed = latex2sympy(
            normalize_latex(body, _CLEAN_UP),
            is_real=True,
            convert_degrees=degrees,
            normalization_config=None,
            conversion_config=ConversionConfig(lowercase_symbols=lowercase),
        )
    except Exception:  # the grammar's own error class is Exception
        return None
    return parsed if body == latex else convert_to_pct(parsed)


def _other_readings(predicted: str, gold: str) -> Iterator[tuple[tuple[Any, Any], bool | None]]:
    """Yield pairs of objects under another reading of the notation, and what it means if they are equal."""
    both = predicted + gold
    if _DEGREES in both:
        yield (_parse(predicted, degrees=True), _parse(gold, degrees=True)), True
    plain: tuple[Any, Any] = _parse(predicted), _parse(gold)
    if any(isinstance(side, Expr) and Symbol("i", real=True) in side.free_symbols for side in plain):
        left, right = (side.subs(Symbol("i", real=True), I) for side in plain)
        yield (left, right), True
    if _BARE_LOG.search(both):  # base ten in one book, e in another
        yield (_parse(_BARE_LOG.sub(r"\\ln", predicted)), _parse(_BARE_LOG.sub(r"\\ln", gold))), None
    if re.search("[A-Z]", both):  # R and r are two radii, but X for x is sloppy
        yield (_parse(predicted, lowercase=True), _parse(gold, lowercase=True)), None


def _compare(predicted: tuple[str, Any], gold: tuple[str, Any], tolerance: float) -> bool | None:
    left, right = predicted[1], gold[1]
    if isinstance(left, MatrixBase) != isinstance(right, MatrixBase):
        return None  # a column may be written as a point
    if verify(right, left, allow_set_relation_comp=True, timeout_seconds=None, raise_on_error=True):
        return True
    if isinstance(left, Eq) and isinstance(right, Eq):  # the library takes x = 2 for its right side, even beside 2x = 4
        factor = simplify((left.lhs - left.rhs) / (right.lhs - right.rhs))
        return bool(factor.is_number and factor.is_finite and factor.is_nonzero)
    expressions = isinstance(left, Expr) and isinstance(right, Expr)
    unevaluated = expressions and (left.has(*_UNEVALUATED) or right.has(*_UNEVALUATED))
    if unevaluated and simplify((left - right).doit()).is_zero:
        return True
    return _approximately_equal(predicted, gold, tolerance)


def _approximately_equal(predicted: tuple[str, Any], gold: tuple[str, Any], tolerance: float) -> bool | None:
    """Compare 2π with 6.2832: a decimal on one side is an approximation of a constant on the other."""
    sides = predicted, gold
    if "." not in predicted[0] + gold[0] or not all(getattr(value, "is_number", False) for _, value in sides):
        return False
    numbers = [parse_number(text) or Number(Fraction(float(value.doit().evalf())), None) for text, value in sides]
    return close(numbers[0], numbers[1], tolerance)


def _seen_apart(left: Any, right: Any, tolerance: float) -> bool:
    """Whether two objects that were not shown equal have different values somewhere.

    Simplification gives up without saying so; only a value tells "different" from "not shown". Sets, relations and
    matrices were compared part by part.
    """
    if not isinstance(left, Expr) or not isinstance(right, Expr):
        return True
    left, right = left.doit(), right.doit()
    symbols = sorted(left.free_symbols | right.free_symbols, key=str)
    if not symbols and (left - right).is_rational:
        return bool(left != right)
    for first, step in _POINTS:
        values = {symbol: first + step * place for place, symbol in enumerate(symbols)}
        sides = [side.subs(values).evalf() for side in (left, right)]
        gap = (left - right).subs(values).evalf()
        if not all(value.is_number and value.is_finite for value in (*sides, gap)):
            if any(value.is_number and value.is_infinite for value in sides) and sides[0] != sides[1]:
                return True
            continue
        if bool(abs(gap) > tolerance * (abs(sides[0]) + abs(sides[1]))):
            return True
    return False
