"""Numbers with units, percentages, fractions and rounding."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from contextrl.answers.wrapping import WRAPPED, unwrap

_MAX_NUMBER_CHARS = 120
SUPERSCRIPT = re.compile(r"[⁰¹²³⁴-⁹⁻]+")
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(
    r"(?P<money>[$€£¥]?)\s*(?P<sign>[+-]?)\s*(?P<money2>[$€£¥]?)\s*"
    r"(?:(?P<whole>\d+)\s+(?=\d+\s*/))?"
    rf"(?P<num>{_DIGITS})"
    r"(?:[eE](?P<exp>[+-]?\d{1,3})(?![\w.])|\s*[x×*·]\s*10\^\{?\(?(?P<pow>[+-]?\d{1,3})\)?\}?(?!\d))?"
    rf"(?:\s*/\s*(?P<den>{_DIGITS}))?"
    r"\s*(?P<unit>.*)",
    re.DOTALL,
)
_UNIT = re.compile(r"(?:[^\W\d_](?:\^?-?\d)?|[°/·*().\s-])*")
_NOT_A_UNIT = re.compile(
    r"(?:or|and|not|to|than|plus|minus|times|less|more|either|between|x|y|z|n|i|e|π|pi|if|but|is|was|are|were"
    r"|wrong|incorrect)"
)
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "万": 4, "亿": 8}
_WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
_FRAC = re.compile(r"(\d?)\\[dt]?frac\s*\{\s*(-?\d+(?:\.\d+)?)\s*\}\s*\{\s*(\d+(?:\.\d+)?)\s*\}")
_RECURRING = re.compile(r"(\d{0,9})\.(\d{0,9})\\(?:overline|bar|dot)\s*\{?(\d{1,9})\}?")
_APPROX = re.compile(r"^(?:about|approximately|approx\.?|around|roughly|nearly|≈|~|\\approx)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Number:
    """A parsed number. `decimals` is None for a fraction or a scaled number, which claim no precision."""

    value: Fraction
    decimals: int | None
    percent: bool = False
    unit: str = ""

    def scaled(self, power: int) -> Number:
        decimals = None if self.decimals is None else max(self.decimals - power, 0)
        return Number(self.value * Fraction(10) ** power, decimals, False, "")


def plain(value: str) -> str:
    """Rewrite Unicode and LaTeX numbers to ASCII, keeping apart what NFKC would merge (5² is not 52)."""
    value = SUPERSCRIPT.sub(r"^\g<0>", value)
    value = re.sub(r"(?<=\d)(?=[¼½¾⅐-⅞])", " ", value)
    value = re.sub(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))", "", value)
    value = re.sub("[−–—]", "-", unicodedata.normalize("NFKC", value)).replace("⁄", "/")
    if "\\" in value or "{" in value:
        value = re.sub(r"(?<=\d)(?:\\[,!]|\{,\})(?=\d{3})", "", value)
        value = _RECURRING.sub(_fraction, value)
        value = re.sub(r"\^\s*\{?\s*\\circ\s*\}?", "°", value)
        value = re.sub(r"\\[dt]?frac\s*(\d)\s*(\d)(?!\d)", r"\\frac{\1}{\2}", value)
        value = _FRAC.sub(lambda m: f"{m[1]} {m[2]}/{m[3]}" if m[1] else f"{m[2]}/{m[3]}", value)
        value = re.sub(r"\\(?:left|right|displaystyle)(?![A-Za-z])|\\[,;:! ]", " ", value)
        value = value.replace("\\times", "×").replace("\\cdot", "·").replace("\\%", "%").replace("\\$", "$")
        value = WRAPPED.sub(r" \1", value)
    return value.strip()


def _fraction(match: re.Match[str]) -> str:
    """0.1\\overline{3} is 2/15: the digits with the period once, less those before it, over 90."""
    whole, fixed, period = match.groups()
    before = int(f"{whole}{fixed}" or "0")
    return f"{int(f'{whole}{fixed}{period}') - before}/{(10 ** len(period) - 1) * 10 ** len(fixed)}"


def parse_number(value: str) -> Number | None:
    """Parse one number with an optional unit; None for anything else (two numbers, a formula, prose)."""
    if len(value) > _MAX_NUMBER_CHARS:
        return None
    value = unwrap(plain(unwrap(value)))
    head, equals, tail = value.rpartition("=")
    if equals and not re.search(r"[,;]|\b(?:or|and)\b", head):
        value = tail.strip()
    value = _APPROX.sub("", value)
    first, _, others = value.partition(" ")
    if first.lower() in _WORDS:
        first = str(_WORDS.index(first.lower()))
    match = _NUMBER.fullmatch(f"{first} {others}".strip())
    if match is None or (match["whole"] and not match["den"]):
        return None
    number = Fraction(match["num"].replace(",", ""))
    decimals: int | None = len(match["num"].partition(".")[2])
    if match["den"]:
        denominator = Fraction(match["den"].replace(",", ""))
        if not denominator:
            return None
        number, decimals = number / denominator + int(match["whole"] or 0), None
    if power := match["exp"] or match["pow"]:
        number, decimals = number * Fraction(10) ** int(power), None
    return _with_unit(-number if match["sign"] == "-" else number, decimals, match)


def _with_unit(number: Fraction, decimals: int | None, match: re.Match[str]) -> Number | None:
    unit = re.sub(r"^\([^()]*\)$|\s\([^()]*\)$", "", match["unit"].strip()).casefold()
    percent = re.match(r"(?:%|percent\b|per cent\b)", unit)
    unit = unit[percent.end() :].strip() if percent else re.sub(r"^(?:°|degrees?\b)", "", unit).strip()
    first, _, others = unit.partition(" ")
    if first in _SCALES:
        number, decimals, unit = number * 10 ** _SCALES[first], None, others
    words = re.split(r"[\s().]+", unit)
    if len(unit) > 40 or len(words) > 5 or not _UNIT.fullmatch(unit) or any(map(_NOT_A_UNIT.fullmatch, words)):
        return None
    unit = re.sub(r"[\s.^]|(?<=[a-z]{2})s$", "", unit) + match["money"] + match["money2"]
    return Number(number, decimals, percent is not None, unit)


def close(response: Number, reference: Number, tolerance: float) -> bool | None:
    """Compare two values; None where one only looks like a coarser rounding of the other."""
    predicted, gold = response.value, reference.value
    if predicted == gold:
        return True
    if response.decimals == 0 and reference.decimals == 0:
        return False  # integers are counted, not measured: 1999 is not 2000
    if abs(predicted - gold) <= Fraction(tolerance) * abs(gold) or (
        reference.decimals and _rounded(predicted, reference.decimals) == gold
    ):
        return True
    if response.decimals and _rounded(gold, response.decimals) == predicted:
        return None
    return None if reference.decimals == 0 and _rounded(predicted, 0) == gold else False


def _rounded(value: Fraction, decimals: int) -> Fraction:
    """Round half away from zero, as people do (Python's round goes to even)."""
    scale = 10**decimals
    return Fraction(math.floor(abs(value) * scale + Fraction(1, 2)) * (1 if value > 0 else -1), scale)


def numbers_equal(response: Number, reference: Number, tolerance: float) -> bool | None:
    """Compare two numbers with their units; None where units differ or rounding leaves room."""
    outcome = close(response, reference, tolerance)
    if response.percent != reference.percent and outcome is not True:
        # 50 % is 0.5; whether it is also 50 is settled above.
        rescaled = response.scaled(-2) if response.percent else response.scaled(2)
        outcome = close(rescaled, reference, tolerance)
    if response.unit == reference.unit:
        return outcome
    one_sided = not response.unit or not reference.unit
    return True if outcome and one_sided else None  # 1.5 h may be 90 min: not ours to say
