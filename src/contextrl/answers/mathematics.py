"""Expressions: clean-up to LaTeX, bounds on what is read, comparison in a process that can be stopped."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache

from contextrl.answers.numbers import SUPERSCRIPT, parse_number
from contextrl.answers.process import WorkerProcess
from contextrl.answers.wrapping import unwrap

#: Wall-clock seconds for one comparison; all but hostile expressions take milliseconds.
COMPARISON_SECONDS = 2.0
#: Longer or deeper answers are not parsed as mathematics: the grammar's cost is superlinear in both.
_MAX_MATH_CHARS = 400
_MAX_DEPTH = 20
#: Exponents multiply when powers nest; a product beyond this is a number nobody means to write out.
_MAX_POWER = 10_000
_FUNCTIONS = r"(?<![\\A-Za-z])(sin|cos|tan|cot|sec|csc|log|ln|exp|pi|theta|alpha|beta)(?![A-Za-z])"
_CONNECTIVE = re.compile(r"\\(?:text|mathrm)\s*\{\s*(?:and|or|和|或)\s*\}|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])|[和或]")
_INEQUALITY = re.compile(r"[<>]|\\[lg]eq?(?![a-z])")
_ARRANGEMENTS = re.compile(r"(?<![A-Za-z\\])([CAP])_\{?(\d{1,3})\}?\^\{?(\d{1,3})\}?(?![\d!])")
_CASES = re.compile(r"\\begin\s*\{cases\}(.*)\\end\s*\{cases\}", re.DOTALL)
_POWER = re.compile(r"\*\*\s*(?:\(([^()]*)\)|(-?\w+))")
# A derivative, a double factorial, a segment, an angle, a modulus: the grammar reads something else, or letters.
_UNSUPPORTED = re.compile(
    r"'|!\s*!|\\(?:prime|overline|angle|triangle|widehat|operatorname\s*\{(?!lcm|gcd)|p?mod)(?![A-Z])"
)
_UNIT = re.compile(
    r"(?:\\(?:text|mathrm|rm)\s*\{\s*(?P<marked>[^{}\d][^{}]{0,29}(?:\{[23]\})?)\}"
    r"|(?<![A-Za-z\\])\s?(?P<bare>mm|cm|dm|km|kg|mg|mL|ml|min|units?|degrees?|平方厘米|厘米|米|cm|元))"
    r"\s*(?P<power>\^\s*\{?[23]\}?)?$"
)
_LIMITS = re.compile(r"\\(?:sum|prod|i*nt|oint)\s*_(?:\{[^{}]*\}|\w)\s*\^(?:\{[^{}]*\}|\w)")
_WORKER = WorkerProcess("contextrl.answers.worker")


def to_latex(value: str) -> str:
    """Bring plain notation (√3, 2*pi, x^2) to the LaTeX that math-verify reads."""
    value = re.sub(r"\\left(?![a-z])|\\right(?![a-z])|\$", "", unwrap(value))
    value = re.sub(r"\\[,;:! ]|~", " ", value)
    value = SUPERSCRIPT.sub(lambda m: "^{" + unicodedata.normalize("NFKC", m[0]).replace("−", "-") + "}", value)
    value = value.replace("−", "-").replace("π", "\\pi ").replace("×", "\\times ").replace("·", "\\cdot ")
    value = value.replace("≤", "\\le ").replace("≥", "\\ge ").replace("∞", "\\infty ").replace("°", "^\\circ ")
    value = value.replace("≠", "\\ne ").replace("∪", "\\cup ").replace("∅", "\\emptyset ").replace("±", "\\pm ")
    value = value.replace("∈", "\\in ")
    value = re.sub(r"\\varnothing(?![a-z])", r"\\emptyset ", value).replace("÷", "/").replace("％", "%")
    value = re.sub(r"(?:√|(?<![\\A-Za-z])sqrt)\s*(?:\(([^()]*)\)|(\w+))", r"\\sqrt{\1\2}", value)
    value = _POWER.sub(r"^{\1\2}", value).replace("*", "\\cdot ")
    value = re.sub(r"\^\s*(-?\d{1,9}|-[A-Za-z])(?!\d)", r"^{\1}", value)
    value = re.sub(r"\\[dt](frac|binom)(?![a-z])", r"\\\1", value)
    value = re.sub(r"\\lg(?![a-z])", r"\\log_{10}", value)
    value = _ARRANGEMENTS.sub(_arrangement, value)
    if cases := _CASES.fullmatch(value.strip()):
        value = cases[1].replace("\\\\", ",").replace("&", "")
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


def _is_readable(latex: str) -> bool:
    """Whether the expression is worth a try: bounded, and none that could only run into the time limit."""
    if not latex or len(latex) > _MAX_MATH_CHARS or _UNSUPPORTED.search(latex) or is_prose(latex):
        return False
    if max(_depth(latex, "()"), _depth(latex, "{}"), _depth(latex, "[]")) > _MAX_DEPTH:
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


def coordinates(latex: str) -> list[str]:
    """Split `(a, b)` at its commas; empty for anything else."""
    inner = latex[1:-1]
    flat = latex.startswith("(") and latex.endswith(")") and not re.search(r"[()\[\]]", inner)
    return inner.split(",") if flat and "," in inner else []


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
    unit = f"{match['marked'] or match['bare']}{match['power'] or ''}".casefold()
    return latex[: match.start()].strip(), re.sub(r"[\s{}^.]", "", unit)


def expressions_equal(predicted: str, gold: str, tolerance: float) -> bool | None:
    """Compare two LaTeX expressions; None where one is not mathematics or the comparison takes too long."""
    alternatives = [bool(_CONNECTIVE.search(side) and _INEQUALITY.search(side)) for side in (predicted, gold)]
    (predicted, unit), (gold, gold_unit) = (split_unit(_CONNECTIVE.sub(",", side)) for side in (predicted, gold))
    if not _is_readable(predicted) or not _is_readable(gold):
        return None
    outcome = _ask(predicted, gold, tolerance)
    if outcome is False and alternatives[0] != alternatives[1]:
        return None  # the comma that stands for "or" is read as "and"
    if unit == gold_unit:
        return outcome
    one_sided = not unit or not gold_unit
    return True if outcome and one_sided else None


@lru_cache(maxsize=4_096)
def _ask(predicted: str, gold: str, tolerance: float) -> bool | None:
    reply = _WORKER.ask({"predicted": predicted, "gold": gold, "tolerance": tolerance}, COMPARISON_SECONDS)
    outcome = None if reply is None else reply.get("equal")
    return outcome if isinstance(outcome, bool) else None
