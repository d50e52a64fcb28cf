"""Elementary expressions by value: a small LaTeX parser that computes as it reads, exactly or to sixty digits.

It reads what has one meaning (sums, products, fractions, powers, roots, elementary functions) and raises `Unfit` for
anything else, which the grammar in the worker is for. Nothing here takes long: numbers are bounded as they grow.
"""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from contextrl.answers.agreement import DIGITS, LONG, POINTS, Agreement, decide, has_branches

_MAX_BITS, _MAX_EXPONENT, _MAX_ARGUMENT = 8_192, 2_000, 10**5
_NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_VARIABLE = re.compile(
    r"(?:[A-Za-z]|\\(?:alpha|beta|gamma|theta|lambda|mu|phi|omega|sigma)(?![A-Za-z]))(?:_(?:\{\w{1,3}\}|\w))?"
)
_FUNCTIONS = {"sin": "sin", "cos": "cos", "tan": "tan", "ln": "log", "exp": "exp"}
_FUNCTION = re.compile(r"\\(sin|cos|tan|ln|exp)(?![A-Za-z])")
_TIMES = re.compile(r"\\(?:cdot|times)(?![A-Za-z])")
_local = threading.local()


class Unfit(Exception):
    """The text is not of this small language, or its value is out of bounds."""


def expressions_agree(response: str, reference: str) -> bool | None:
    """Compare two expressions; None where the points leave room.

    Raises:
        Unfit: one is not of this language, or a comparison in the worker may know more.
    """
    names = variables(response) | variables(reference)
    if not names:
        values = evaluate(response, {}), evaluate(reference, {})
        if _same(*values):
            return _certain(response + reference, values)
        return False
    points = list(_agreements(response, reference, sorted(names)))
    outcome = decide(points, decimals="." in response + reference, branches=has_branches(response, reference))
    if outcome is False and re.search("[A-Z]", response + reference):
        raise Unfit  # capitals may be the same letters
    return _certain(response + reference, (None, None)) if outcome else outcome


def _certain(written: str, values: tuple[Any, Any]) -> bool:
    """Equal to all digits is equal, unless literals are as long as that."""
    if all(isinstance(value, Fraction) for value in values) or not LONG.search(written):
        return True
    raise Unfit


def _agreements(response: str, reference: str, names: list[str]) -> Iterable[Agreement]:
    for first, step in POINTS:
        point = {name: first + step * place for place, name in enumerate(names)}
        try:
            values = evaluate(response, point), evaluate(reference, point)
        except ZeroDivisionError:
            continue
        whole = all(value.denominator == 1 for value in point.values())
        positive = all(value > 0 for value in point.values())
        near = abs(_add(*values, -1)) * 200 <= _add(*map(abs, values))
        yield Agreement(_same(*values), bool(near), whole, positive)


def constant_ratio(response: tuple[str, str], reference: tuple[str, str]) -> Fraction:
    """The constant by which left minus right of one equation is that of the other.

    Raises:
        Unfit: none is seen.
    """
    names = sorted(set().union(*map(variables, (*response, *reference))))
    ratios: set[Any] = set()
    for first, step in POINTS:
        point = {name: first + step * place for place, name in enumerate(names)}
        try:
            above, below = (
                _add(evaluate(pair[0], point), evaluate(pair[1], point), -1) for pair in (response, reference)
            )
            ratios.add(_divide(above, below))
        except ZeroDivisionError:
            continue
    if len(ratios) != 1 or not names or not isinstance(ratio := ratios.pop(), Fraction) or not ratio:
        raise Unfit
    return ratio


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one == other
    return bool(abs(_add(one, other, -1)) * 10**45 <= _add(abs(one), abs(other)))


@lru_cache(maxsize=2_048)
def variables(latex: str) -> frozenset[str]:
    """The names in an expression. Raises: Unfit."""
    reader = _Reader(latex, None)
    reader.read()
    return frozenset(reader.names)


def evaluate(latex: str, point: Mapping[str, Fraction]) -> Any:
    """The value: a Fraction where it is rational and not too long, else a number of mpmath.

    Raises:
        Unfit: see above.
        ZeroDivisionError: there is none.
    """
    return _Reader(latex, point).read()


def _context() -> Any:
    if not hasattr(_local, "context"):
        _local.context = importlib.import_module("mpmath").MPContext()
        _local.context.dps = DIGITS
    return _local.context


def _bounded(value: Any) -> Any:
    if isinstance(value, Fraction):
        long = value.numerator.bit_length() + value.denominator.bit_length() > _MAX_BITS
        return _float(value) if long else value
    return value


def _float(value: Any) -> Any:
    context = _context()
    return context.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def _paired(left: Any, right: Any) -> tuple[Any, Any]:
    exact = isinstance(left, Fraction) and isinstance(right, Fraction)
    return (left, right) if exact else (_float(left), _float(right))


def _add(left: Any, right: Any, sign: int = 1) -> Any:
    left, right = _paired(left, right)
    return left + sign * right


def _multiply(left: Any, right: Any) -> Any:
    left, right = _paired(left, right)
    return left * right


def _divide(left: Any, right: Any) -> Any:
    left, right = _paired(left, right)
    return left / right


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > _MAX_EXPONENT:
        raise Unfit
    if isinstance(exponent, Fraction) and exponent.denominator == 1:
        if isinstance(base, Fraction):
            bits = base.numerator.bit_length() + base.denominator.bit_length()
            if bits * abs(exponent) <= _MAX_BITS:
                return base ** int(exponent)
        return _float(base) ** int(exponent)
    if base == 0:
        raise Unfit
    root = _exact_root(base, exponent) if isinstance(base, Fraction) and isinstance(exponent, Fraction) else None
    return root if root is not None else _context().power(_float(base), _float(exponent))


def _exact_root(base: Fraction, exponent: Fraction) -> Fraction | None:
    """The square root of a square, and its powers."""
    if exponent.denominator != 2 or base < 0:
        return None
    context = importlib.import_module("math")
    roots = Fraction(context.isqrt(base.numerator), context.isqrt(base.denominator))
    return roots**exponent.numerator if roots * roots == base and abs(exponent.numerator) < 20 else None


def _root(inner: Any, degree: Fraction) -> Any:
    if degree == 2:
        return _power(inner, Fraction(1, 2)) if inner else Fraction(0)
    cube = round(abs(inner) ** Fraction(1, 3)) if abs(inner) < 10**12 else 0
    if inner >= 0 and Fraction(cube) ** 3 == inner:
        return Fraction(cube)
    if inner < 0:
        raise Unfit  # real or principal
    return _power(inner, Fraction(1, 3))


def _constant(name: str) -> Any:
    return +getattr(_context(), name)


def _apply(function: str, inner: Any, power: Fraction) -> Any:
    if abs(inner) > _MAX_ARGUMENT:
        raise Unfit
    if function == "ln" and inner == 0:
        raise ZeroDivisionError
    result = getattr(_context(), _FUNCTIONS[function])(_float(inner))
    return result if power == 1 else _power(result, power)


class _Reader:
    """Recursive descent over the text; with no point it collects names and computes nothing."""

    def __init__(self, text: str, point: Mapping[str, Fraction] | None) -> None:
        self.text, self.at, self.point = text, 0, point
        self.names: set[str] = set()

    def read(self) -> Any:
        value = self._sum()
        if self._peek():
            raise Unfit
        return value

    def _peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def _take(self, token: str) -> bool:
        self._peek()
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self._peek()
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def _compute(self, work: Callable[..., Any], *arguments: Any) -> Any:
        if self.point is None:
            return Fraction(1)
        value = _bounded(work(*arguments))
        if not isinstance(value, Fraction) and not _context().isfinite(value):
            raise ZeroDivisionError
        return value

    def _sum(self) -> Any:
        value = self._product()
        while self._peek() in ("+", "-"):
            sign = -1 if self.text[self.at] == "-" else 1
            self.at += 1
            left, right = value, self._product()
            value = self._compute(_add, left, right, sign)
        return value

    def _product(self) -> Any:
        sign = 1
        while self._peek() in ("+", "-"):
            sign = -sign if self.text[self.at] == "-" else sign
            self.at += 1
        value, divided = self._factor(), False
        while char := self._peek():
            if self._match(_TIMES):
                right = self._signed_factor()
            elif char == "/":
                self.at += 1
                left, right, divided = value, self._signed_factor(), True
                value = self._compute(_divide, left, right)
                continue
            elif char in "+-)}]|,=" or char == "&":
                break
            else:
                if divided or char.isdigit() or char == ".":
                    raise Unfit  # 1/2x, 2 3
                right = self._factor()
            left = value
            value = self._compute(_multiply, left, right)
        return self._compute(_multiply, Fraction(sign), value)

    def _signed_factor(self) -> Any:
        if self._take("-"):
            value = self._factor()
            return self._compute(_multiply, Fraction(-1), value)
        return self._factor()

    def _factor(self) -> Any:
        value = self._atom()
        if self._take("!"):
            value = self._factorial(value)
        if self._take("^"):
            exponent = self._argument()
            if self._peek() in ("^", "!", "'"):
                raise Unfit
            base = value
            value = self._compute(_power, base, exponent)
        return value

    def _factorial(self, value: Any) -> Any:
        if self._peek() == "!" or not isinstance(value, Fraction) or value.denominator != 1 or not 0 <= value <= 500:
            raise Unfit
        if self.point is not None and self.names:
            raise Unfit
        return Fraction(importlib.import_module("math").factorial(int(value)))

    def _argument(self) -> Any:
        """A braced group, or a single digit or letter as LaTeX takes it."""
        if self._peek() == "{":
            return self._group("{", "}")
        digit = self._match(re.compile(r"\d"))
        if digit:
            return Fraction(int(digit[0]))
        if self._match(re.compile(r"\\pi(?![A-Za-z])")):
            return self._compute(_constant, "pi")
        name = self._match(re.compile("[A-Za-z]"))
        if name is None:
            raise Unfit
        return self._named(name[0])

    def _group(self, opening: str, closing: str) -> Any:
        if not self._take(opening):
            raise Unfit
        value = self._sum()
        if not self._take(closing):
            raise Unfit
        return value

    def _atom(self) -> Any:
        char = self._peek()
        if char in ("(", "["):
            return self._group(char, ")" if char == "(" else "]")
        if char == "{":
            return self._group("{", "}")
        if number := self._match(_NUMBER):
            if self.text.startswith("\\frac", self.at) and re.match(r"\\frac\s*\{?\d", self.text[self.at :]):
                raise Unfit  # a mixed number
            return Fraction(number[0])
        if char == "\\":
            return self._command()
        name = self._match(_VARIABLE)
        if name is None:
            raise Unfit
        return self._named(name[0])

    def _named(self, name: str) -> Any:
        if name in ("i", "I") or (name in "fghFGH" and self._peek() == "("):
            raise Unfit
        if name == "e":
            return self._compute(_constant, "e")
        self.names.add(name)
        if len(self.names) > 6:
            raise Unfit
        return self.point[name] if self.point is not None else Fraction(1)

    def _command(self) -> Any:
        if self._take("\\frac"):
            above, below = self._argument(), self._argument()
            return self._compute(_divide, above, below)
        if self._take("\\sqrt"):
            degree = self._group("[", "]") if self._peek() == "[" else Fraction(2)
            inner = self._argument()
            if self.point is not None and degree not in (2, 3):
                raise Unfit
            if degree == 3 and not isinstance(inner, Fraction):
                raise Unfit
            return self._compute(_root, inner, degree)
        if self._match(re.compile(r"\\pi(?![A-Za-z])")):
            return self._compute(_constant, "pi")
        if function := self._match(_FUNCTION):
            return self._applied(function[1])
        name = self._match(_VARIABLE)
        if name is None:
            raise Unfit
        return self._named(name[0])

    def _applied(self, function: str) -> Any:
        power = Fraction(1)
        if self._take("^"):
            power = self._argument()
            if not isinstance(power, Fraction) or power <= 0:
                raise Unfit
        inner = self._group("(", ")") if self._peek() == "(" else self._plain_argument()
        if self._peek() in ("^", "(", "!"):
            raise Unfit
        return self._compute(_apply, function, inner, power)

    def _plain_argument(self) -> Any:
        """`2x`, `\\frac{x}{2}`, `\\pi x` after a function without brackets."""
        value = self._factor()
        while (char := self._peek()) and (
            char.isalpha() or self.text.startswith(("\\pi", "\\frac", "\\theta"), self.at)
        ):
            left, right = value, self._factor()
            value = self._compute(_multiply, left, right)
        return value
