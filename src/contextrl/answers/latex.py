"""Notation: plain mathematics to LaTeX, and bounds on what is worth parsing."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from contextrl.answers.numbers import SUPERSCRIPT, parse_number
from contextrl.answers.units import unit_of
from contextrl.answers.wrapping import unwrap

#: Longer or deeper answers are not parsed as mathematics: the grammar's cost is superlinear in both.
_MAX_MATH_CHARS = 400
_MAX_DEPTH = 20
#: Exponents multiply when powers nest; a product beyond this is a number nobody means to write out.
_MAX_POWER = 10_000
_MAX_FACTORIAL = 2_000
_FUNCTIONS = r"(?<![\\A-Za-z])(sin|cos|tan|cot|sec|csc|log|ln|exp|pi|theta|alpha|beta)(?![A-Za-z])"
_ATTACHED = re.compile(r"(?<![\\A-Za-z])(sin|cos|tan|log|ln|sqrt)(?=[0-9(a-z]\b)")
_ARRANGEMENTS = re.compile(r"(?<![A-Za-z\\])([CAP])_\{?(\d{1,3})\}?\^\{?(\d{1,3})\}?(?![\d!])")
_CASES = re.compile(r"\\begin\s*\{cases\}(.*)\\end\s*\{cases\}", re.DOTALL)
_POWER = re.compile(r"\*\*\s*(?:\(([^()]*)\)|(-?\w+))")
# A derivative, a double factorial, a segment, an angle, a modulus: the grammar reads something else, or letters.
_UNSUPPORTED = re.compile(
    r"'|!\s*!|\\(?:prime|overline|angle|triangle|widehat|operatorname\s*\{(?!lcm|gcd)|p?mod)(?![A-Z])|\d_"
    r"|\\frac\s*\{\s*(?:d|\\partial)(?![A-Za-z])[^{}]{0,10}\}\s*\{\s*(?:d|\\partial)|\\frac\s*\d\d\d"
)
_UNIT = re.compile(
    r"(?:\\(?:text|mathrm|rm)\s*\{\s*(?P<marked>[^{}\d][^{}]{0,29}(?:\{[23]\})?)\}"
    r"|(?<![A-Za-z\\])\s?(?P<bare>mm|cm|dm|km|kg|mg|mL|ml|min|units?|degrees?|inches|feet|met(?:er|re)s?|hours?|平方厘米|厘米|米|cm|元))"
    r"\s*(?P<power>\^\s*\{?[23]\}?)?$"
)
_LIMITS = re.compile(r"\\(?:sum|prod|i*nt|oint)\s*_(?:\{[^{}]*\}|\w)\s*\^(?:\{[^{}]*\}|\w)")
_BASED = re.compile(r"\(?\s*([0-9A-Fa-f]{1,40})\s*\)?\s*_\s*(?:\{\s*(?:\\text\s*\{)?(\d{1,2})\}?\s*\}|(\d{1,2}))")
#: A set of numbers, however its letter is drawn, and a vector's name.
_NUMBER_SET = re.compile(r"\\in\s*(?:\\math(?:bb|bf|rm)\s*\{?\s*([NZQRC])\s*\}?|([NZQRC])(?![A-Za-z]))")
_BOLD = re.compile(r"\\(?:vec|mathbf|boldsymbol|bm|overrightarrow)\s*\{?\s*([A-Za-z]{1,2})\s*\}?(?=\s*=)")
_SIGNS = {
    **{"ℤ": "\\mathbb{Z}", "ℝ": "\\mathbb{R}", "ℕ": "\\mathbb{N}", "ℚ": "\\mathbb{Q}", "ℂ": "\\mathbb{C}"},
    **{"−": "-", "π": "\\pi ", "×": "\\times ", "·": "\\cdot ", "≤": "\\le ", "≥": "\\ge ", "∞": "\\infty "},
    **{"°": "^\\circ ", "≠": "\\ne ", "∪": "\\cup ", "∅": "\\emptyset ", "±": "\\pm ", "∈": "\\in ", "÷": "/"},
    **{"％": "%", "⩽": "\\le ", "⩾": "\\ge ", "θ": "\\theta ", "α": "\\alpha ", "β": "\\beta ", "，": ","},
    **{"（": "(", "）": ")", "＝": "=", "＋": "+", "＜": "<", "＞": ">"},
}
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))


def to_latex(value: str) -> str:
    """Bring plain notation (√3, 2*pi, x^2, x >= 2) to the LaTeX that the grammar reads."""
    value = re.sub(r"\\left(?![a-z])|\\right(?![a-z])|\$", "", unwrap(value))
    value = re.sub(r"\\[,;:! ]|~", " ", value)
    if not value.isascii():
        value = SUPERSCRIPT.sub(lambda m: "^{" + unicodedata.normalize("NFKC", m[0]).replace("−", "-") + "}", value)
        value = _SIGN.sub(lambda m: _SIGNS[m[0]], value)
    value = re.sub(r"(?:>=|=>)", r"\\ge ", re.sub(r"(?:<=|=<)", r"\\le ", value))
    value = re.sub(r"!=|<>|/=", r"\\ne ", value)
    value = re.sub(r"\\varnothing(?![a-z])|\\\{\s*\\\}", r"\\emptyset ", value)
    value = _NUMBER_SET.sub(r"\\in \\mathbb{\1\2}", value)
    value = _BOLD.sub(r"\1", value)
    value = re.sub(r"\s*\(\s*([a-z]\s*\\in\s*[^()]{1,40})\)$", r", \1", value)
    value = re.sub(r"(?<![\\A-Za-z])(?:infinity|inf|oo)(?![A-Za-z])", r"\\infty ", value)
    value = re.sub(r"(?:√|(?<![\\A-Za-z])sqrt)\s*(?:\(([^()]*)\)|(\w+))", r"\\sqrt{\1\2}", value)
    value = _POWER.sub(r"^{\1\2}", value).replace("*", "\\cdot ")
    value = re.sub(r"\^\s*(-?\d{1,9}|-[A-Za-z])(?!\d)", r"^{\1}", value)
    value = re.sub(r"\^\s*\(([^()]{1,40})\)", r"^{\1}", value)
    value = re.sub(r"\\[dt](frac|binom)(?![a-z])", r"\\\1", value)
    value = re.sub(r"\\binom\s*(\d)\s*(\d)(?!\d)", r"\\binom{\1}{\2}", value)
    value = re.sub(r"(?<=[A-Za-z}])_\s*(?:(\d)(?!\d)|([A-Za-z])(?![A-Za-z]))", r"_{\1\2}", value)
    value = value if "\\pm" in value else value.replace("\\mp", "\\pm")
    value = re.sub(r"\\lg(?![a-z])", r"\\log_{10}", value)
    value = _ARRANGEMENTS.sub(_arrangement, value)
    if cases := _CASES.fullmatch(value.strip()):
        value = cases[1].replace("\\\\", ",").replace("&", "")
    value = _ATTACHED.sub(r"\\\1 ", value)
    return re.sub(_FUNCTIONS, r"\\\1 ", value).strip()


def _arrangement(match: re.Match[str]) -> str:
    """C and A (or P) with the total below and the number chosen above count combinations and permutations."""
    kind, total, chosen = match.groups()
    if int(chosen) > int(total):
        return match[0]
    return f"\\binom{{{total}}}{{{chosen}}}" if kind == "C" else f"\\frac{{{total}!}}{{{int(total) - int(chosen)}!}}"


def is_prose(value: str) -> bool:
    """Whether words remain once commands and \\text{} are gone: sympy would multiply their letters."""
    symbols = re.sub(r"\\(?:text|mathrm|begin|end|operatorname)\s*\{[^{}]*\}", " ", to_latex(value))
    words = re.search(r"[^\W\d_]{3}|[一-鿿]", re.sub(r"\\[A-Za-z]+", " ", symbols))
    return words is not None or re.search(r"\w|\\(?:emptyset|infty|pi)", symbols) is None


def is_readable(latex: str) -> bool:
    """Whether the expression is worth a try: bounded, and none that could only run into the time limit."""
    if not latex or len(latex) > _MAX_MATH_CHARS or _UNSUPPORTED.search(latex) or is_prose(latex):
        return False
    if max(_depth(latex, "()"), _depth(latex, "{}"), _depth(latex, "[]")) > _MAX_DEPTH:
        return False
    if any(int(digits) > _MAX_FACTORIAL for digits in re.findall(r"(\d{1,30})\s*!", latex)):
        return False
    power, latex = 1, _LIMITS.sub("", latex)
    for match in re.finditer(r"\^\s*", latex):
        exponent = _group(latex, match.end())
        if latex[match.end() + len(exponent) :].lstrip().startswith("^"):
            return False  # a^b^c has no meaning in LaTeX
        for number in re.findall(r"\d{1,9}", exponent):
            power *= max(int(number), 1)
    return power <= _MAX_POWER


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


def ratio(latex: str) -> list[Fraction]:
    """Return the terms of `3:4:5` divided by the first; empty for anything else (`1:2` is a fraction)."""
    terms = (
        [parse_number(term) for term in re.split("[:：]", latex)] if latex.count(":") + latex.count("：") > 1 else []
    )
    values = [term.value for term in terms if term is not None and not term.unit]
    return [value / values[0] for value in values] if values and len(values) == len(terms) and values[0] else []


def split_unit(latex: str) -> tuple[str, str]:
    """Split `3\\sqrt{2}\\text{ cm}` into the expression and its unit; no unit is an empty one."""
    match = _UNIT.search(latex)
    if match is None or not latex[: match.start()].strip():
        return latex, ""
    unit = re.sub(r"[{}\s]", "", f"{match['marked'] or match['bare']}{match['power'] or ''}")
    return latex[: match.start()].strip(), unit_of(unit) or unit_of(match["marked"] or "") or unit.casefold()


_DIVIDES_PRODUCT = re.compile(
    r"/\s*(\d{1,9}|(?<=/)[a-z])\s*((?:[a-z](?![A-Za-z])|\\pi(?![a-z])|\\sqrt\s*\{[^{}]*\})(?:\^(?:\{[^{}]*\}|\w))?)"
)


_ARGUMENT_BY = re.compile(
    r"\\(sin|cos|tan|cot|ln|log|exp)\s*(\d{0,9}(?:[a-z]|\\(?:pi|theta|alpha|beta))?)\s*/\s*(\d{1,9}|[a-z])(?![A-Za-z\d])"
)


def two_readings(latex: str) -> tuple[str, str] | None:
    """`1/2x` as a half of x and as one by 2x, `\\sin x/2` as a half of the sine and as that of a half; else None."""
    if not _DIVIDES_PRODUCT.search(latex) and not _ARGUMENT_BY.search(latex):
        return None
    products = _DIVIDES_PRODUCT.sub(r"/(\1) \\cdot \2", latex), _DIVIDES_PRODUCT.sub(r"/(\1 \2)", latex)
    return (
        _ARGUMENT_BY.sub(r"\\frac{\\\1(\2)}{\3}", products[0]),
        _ARGUMENT_BY.sub(r"\\\1(\\frac{\2}{\3})", products[1]),
    )


def based(latex: str) -> tuple[str, int] | None:
    """Digits and base of `2021_3` and `(1A)_{16}`; None for anything else."""
    match = _BASED.fullmatch(latex.strip())
    if match is None:
        return None
    digits, base = match[1].upper().lstrip("0") or "0", int(match[2] or match[3])
    fits = 2 <= base <= 36 and all(int(digit, 36) < base for digit in digits)
    return (digits, base) if fits else None
