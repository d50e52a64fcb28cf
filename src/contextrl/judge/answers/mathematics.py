"""Expressions: clean-up to LaTeX, a bound on their cost, comparison by math-verify and sympy."""

from __future__ import annotations

import importlib
import logging
import math
import re
import unicodedata
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

from contextrl.judge.answers.numbers import SUPERSCRIPT, Number, close, parse_number
from contextrl.judge.answers.wrapping import unwrap

#: Longer answers are not parsed as mathematics: it is superlinear, and off the main thread has no time limit.
_MAX_MATH_CHARS = 400
_FUNCTIONS = r"(?<![\\A-Za-z])(sin|cos|tan|cot|sec|csc|log|ln|exp|pi|theta|alpha|beta)(?![A-Za-z])"
_COSTLY = re.compile(
    r"!|\\(?:sum|prod|int|i+nt|oint|binom|[dt]binom|lim|det|gcd|operatorname|begin)(?![A-Za-z])|\*\*|%"
)


def to_latex(value: str) -> str:
    """Bring plain notation (√3, 2*pi, x^2) to the LaTeX that math-verify reads."""
    value = re.sub(r"\\left(?![a-z])|\\right(?![a-z])|\\[,;:! ]|\$", "", unwrap(value))
    value = SUPERSCRIPT.sub(lambda m: "^{" + unicodedata.normalize("NFKC", m[0]).replace("−", "-") + "}", value)
    value = value.replace("−", "-").replace("π", "\\pi ").replace("×", "\\times ").replace("·", "\\cdot ")
    value = value.replace("≤", "\\le ").replace("≥", "\\ge ").replace("∞", "\\infty ").replace("°", "^\\circ ")
    value = re.sub(r"(?:√|(?<![\\A-Za-z])sqrt)\s*(?:\(([^()]*)\)|(\w+))", r"\\sqrt{\1\2}", value)
    value = re.sub(r"\\[dt]frac(?![a-z])", r"\\frac", re.sub(r"(?<!\*)\*(?!\*)", r"\\cdot ", value))
    return re.sub(_FUNCTIONS, r"\\\1 ", value).strip()


def is_prose(value: str) -> bool:
    """Whether words remain once commands and \\text{} are gone: sympy would multiply their letters."""
    symbols = re.sub(r"\\(?:text|mathrm)\s*\{[^{}]*\}", " ", to_latex(value))
    words = re.search(r"[^\W\d_]{3}|[一-鿿]", re.sub(r"\\[A-Za-z]+", " ", symbols))
    return words is not None or re.search(r"\w|∅", symbols) is None


def _is_cheap(latex: str) -> bool:
    """Whether sympy handles the expression in bounded time: there is no time limit off the main thread."""
    depth = max(_depth(latex, "()"), _depth(latex, "{}"), _depth(latex, "[]"))
    if len(latex) > _MAX_MATH_CHARS or _COSTLY.search(latex) or depth > 6:
        return False
    exponents = [_group(latex, match.end()) for match in re.finditer(r"\^\s*", latex)]
    if any("^" in exponent for exponent in exponents):
        return False  # a tower of powers
    # Exponents multiply when powers nest, so their product bounds the digits of a number,
    factors = (int(number) for exponent in exponents for number in re.findall(r"\d{1,6}", exponent))
    power = math.prod(max(factor, 1) for factor in factors)
    # and with the bracketed factors the degree of a polynomial, whose terms sympy would write out.
    degree = max(1, len(re.findall(r"[(\[]|\}\s*\{", latex))) * (power if re.search(r"[)}\]]\s*\^", latex) else 1)
    variables = len(set(re.findall(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", "", latex))))
    return power <= 1_000 and (not variables or math.comb(min(degree, 1_000) + variables, variables) <= 500)


def _group(latex: str, start: int) -> str:
    """Return the braced group (braces balanced) or the single character at `start`."""
    depth = 0
    for end in range(start, len(latex)):
        depth += (latex[end] == "{") - (latex[end] == "}")
        if depth <= 0:
            return latex[start : end + 1]
    return latex[start:]


def _depth(text: str, pair: str) -> int:
    depth = deepest = 0
    for char in text:
        depth += (char == pair[0]) - (char == pair[1])
        deepest = max(deepest, depth)
    return deepest


@lru_cache(maxsize=1)
def _math_verify() -> tuple[Callable[..., Any], Callable[..., bool], list[Any]]:
    """Import math-verify (and sympy) on first use: a third of a second that most runs never need."""
    library = importlib.import_module("math_verify")
    # It warns once per process that time limits are off; `_is_cheap` stands in for them.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    # LaTeX only: its plain-expression reader goes through sympy's parse_expr, which evaluates code.
    return library.parse, library.verify, [library.LatexExtractionConfig()]


def _parse_math(latex: str) -> Any | None:
    """Return the sympy object, or None if the text is not mathematics or too costly to read."""
    if not latex or is_prose(latex) or not _is_cheap(latex):
        return None
    parse, _, config = _math_verify()
    parsed = parse(f"${latex}$", extraction_config=config, fallback_mode="no_fallback", parsing_timeout=None)
    return parsed[0] if parsed and not isinstance(parsed[0], str) else None


def coordinates(latex: str) -> list[str]:
    """Split `(a, b)` at its commas; empty for anything else."""
    inner = latex[1:-1]
    flat = latex.startswith("(") and latex.endswith(")") and not re.search(r"[()\[\]]", inner)
    return inner.split(",") if flat and "," in inner else []


def expressions_equal(found: str, wanted: str, tolerance: float) -> bool | None:
    """Compare two LaTeX expressions; None where one is not mathematics or would cost too much."""
    left, right = _parse_math(wanted), _parse_math(found)
    if left is None or right is None:
        return None
    _, verify, _ = _math_verify()
    if verify(left, right, timeout_seconds=None):
        return True
    return _approximately_equal(found, wanted, right, left, tolerance)


def _approximately_equal(found: str, wanted: str, left: Any, right: Any, tolerance: float) -> bool | None:
    """Compare 2π with 6.2832: a decimal on one side is an approximation of a constant on the other."""
    if "." not in found + wanted or not all(getattr(side, "is_number", False) for side in (left, right)):
        return False
    numbers = [
        parse_number(text) or Number(Fraction(float(side.evalf())), None)
        for side, text in ((left, found), (right, wanted))
    ]
    return close(numbers[0], numbers[1], tolerance)
