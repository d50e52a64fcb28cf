"""Numbers with units, percentages, fractions and multipliers."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from contextrl.answers.number_words import PARTS, SCALES, parse_words
from contextrl.answers.rounding import Tolerance, Value, close
from contextrl.answers.units import unit_of
from contextrl.answers.workers import conversion
from contextrl.answers.wrapping import WRAPPED, unwrap

_MAX_NUMBER_CHARS = 120
SUPERSCRIPT = re.compile(r"[⁰¹²³⁴-⁹⁻]+")
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_MONEY = {
    **{"$": "$", "us$": "$", "usd": "$", "dollar": "$", "dollars": "$", "€": "€", "eur": "€", "euro": "€"},
    **{"euros": "€", "£": "£", "gbp": "£", "¥": "¥", "￥": "¥", "cny": "¥", "rmb": "¥", "yuan": "¥", "元": "¥"},
    **{"块": "¥", "人民币": "¥", "yen": "yen", "jpy": "yen", "₹": "₹", "inr": "₹", "rupees": "₹", "美元": "$"},
    **{"欧元": "€", "英镑": "£", "日元": "yen"},
}
_MONEY_UNITS = frozenset(_MONEY.values())
_NUMBER = re.compile(
    r"(?P<money>(?:US)?[$€£¥₹]|(?:USD|EUR|GBP|CNY|RMB|JPY|INR)\s)?\s*(?P<sign>[+-]?)\s*(?P<money2>[$€£¥₹]?)\s*"
    r"(?:(?P<whole>\d+)\s+(?=\d+\s*/))?"
    rf"(?P<num>{_DIGITS})"
    r"(?:[eE](?P<exp>[+-]?\d{1,3})(?![\w.])|\s*[x×*·]\s*10\s*\^\s*\{?\(?\s*(?P<pow>[+-]?\d{1,3})\s*\)?\}?(?!\d))?"
    rf"(?:\s*/\s*(?P<den>{_DIGITS}))?"
    r"(?P<suffix>.*)",
    re.DOTALL,
)
_FRAC = re.compile(r"(\d?)\\[dt]?frac\s*\{\s*(-?\d+(?:\.\d+)?)\s*\}\s*\{\s*(\d+(?:\.\d+)?)\s*\}")
_RECURRING = re.compile(r"(\d{0,9})\.(\d{0,9})\\(?:overline|bar|dot)\s*\{?(\d{1,9})\}?")
_APPROX = re.compile(
    r"^(?:about|approximately|approx\.?|around|roughly|nearly|≈|~|\\approx)\s*|^约|^大约", re.IGNORECASE
)
_MINUS = re.compile(r"^(?:minus|negative|负|負|零下)\s*(?=[\d.])", re.IGNORECASE)
_BELOW_ZERO = re.compile(r"\s*(degrees?|°\s?[CF]?)?(?:\s+celsius|\s+fahrenheit)?\s*below (?:zero|0)", re.IGNORECASE)
_BARE = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,15})?")
_RELATION = re.compile(r"[<>≤≥≠]|!=|\\(?:[lg]e(?:q|qslant)?|ne|neq|lt|gt)(?![a-z])")
_PERCENT = re.compile(r"(?:%|percent\b|per cent\b|pct\b)")
_NOTE = re.compile(r"(.*?)\s*\(([^()]*)\)\s*", re.DOTALL)
_IDLE_NOTE = re.compile(r"(?:approx(?:\.|imately)?|about|exact(?:ly)?|rounded|in total|total)", re.IGNORECASE)
_WORD = re.compile(r"[a-z]{2,20}")
_IRREGULAR = {"people", "children", "men", "women", "mice", "fish", "sheep", "teeth", "geese", "oxen", "dice", "deer"}
#: With one of these after it, a number is not the answer by itself.
_NO_NOUN = re.compile(
    "or|and|not|to|than|plus|minus|times|less|more|fewer|either|between|if|but|is|was|are|were|wrong|incorrect|above"
    "|below|under|over|short|ago|before|after|squared|cubed|doubles?|doubled|triples?|tripled|twice|thrice|dozens?"
    "|scores?|gross|grosses|pairs?|couples?|half|maybe|perhaps|possibly|probably|unsure|guess|except|without|off|past"
    "|until|till|base|bases|mod|factorials?|choose|chooses|up|down|through|versus|vs|out|excluding|least|most|nor|no"
    "|never|instead|too|does|has|equals?|divides?|divided|multiplied|raised|powers?|roots?|logs?|degrees|th|st|nd|rd"
    "|fold|tens|percents?|percentages?|points|bps|lots|sets|as|minuses|always|plus|thousands|bits|unless|yes"
)
_CLASSIFIER = re.compile(
    "[个個只隻条條张張本名位人件支枝把辆輛台片颗顆粒头匹朵棵座间家次岁歲枚根瓶杯盒袋箱组種种道步][一-鿿]{0,6}"
)


@dataclass(frozen=True)
class Number(Value):
    """A number with what stands behind it.

    Attributes:
        percent: whether it was written as a percentage; `value` is what stands before the sign.
        unit: a canonical unit of measurement, `$` and the like, or the words of what is counted; "" for none.
        measured: whether `unit` is one that can be converted.
    """

    percent: bool = False
    unit: str = ""
    measured: bool = False

    def scaled(self, power: int) -> Number:
        decimals = None if self.decimals is None else max(self.decimals - power, 0)
        return Number(self.value * Fraction(10) ** power, decimals, self.counted)


def plain(value: str) -> str:
    """Rewrite Unicode and LaTeX numbers to ASCII, keeping apart what NFKC would merge (5² is not 52)."""
    if not value.isascii():
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
        value = re.sub(r"(?<=\d)\s+(?=\^)", "", value)
    return value.strip()


def _fraction(match: re.Match[str]) -> str:
    """0.1\\overline{3} is 2/15: the digits with the period once, less those before it, over 90."""
    whole, fixed, period = match.groups()
    before = int(f"{whole}{fixed}" or "0")
    return f"{int(f'{whole}{fixed}{period}') - before}/{(10 ** len(period) - 1) * 10 ** len(fixed)}"


def is_equation(value: str) -> bool:
    """Whether the left side calculates with letters: `x^2 - x = 0` says more than its right side."""
    left, equals, _ = value.partition("=")
    return bool(equals and re.search("[A-Za-z]", left) and re.search(r"[-+*/^]|\d\s*[A-Za-z]", left))


@lru_cache(maxsize=8_192)
def parse_number(value: str, names: bool = False) -> Number | None:
    """Parse one number with an optional unit; None for anything else (two numbers, a formula, prose).

    Args:
        value: untrusted text.
        names: letters are names of quantities: a unit must be marked (`\\text{ m}`), longer than two letters, or one
            that nobody multiplies (`cm`).
    """
    if len(value) > _MAX_NUMBER_CHARS:
        return None
    text = _value_side(_APPROX.sub("", unwrap(plain(unwrap(value)))))
    if text is None:
        return None
    text = _MINUS.sub("-", _APPROX.sub("", text))
    match = _NUMBER.fullmatch(text)
    if match is None:
        return _spelled(text)
    if match["whole"] and not match["den"]:
        return None
    number = Fraction(match["num"].replace(",", ""))
    decimals: int | None = len(match["num"].partition(".")[2])
    if match["den"]:
        denominator = Fraction(match["den"].replace(",", ""))
        if not denominator:
            return None
        number, decimals = number / denominator + int(match["whole"] or 0), None
    if power := match["exp"] or match["pow"]:
        number = number * Fraction(10) ** int(power)
        decimals = None if decimals is None else decimals - int(power)
    money = _MONEY[(match["money"] or match["money2"]).strip().lower()] if match["money"] or match["money2"] else ""
    parsed = Number(-number if match["sign"] == "-" else number, decimals, bool(money), unit=money)
    marked = not names or re.search(r"\\(?:text|mathrm|rm)(?![a-z])", value) is not None
    return _with_suffix(parsed, match["suffix"], marked)


def _value_side(text: str) -> str | None:
    """The side of an assignment that is the value: `5` of `x = 5`, of `5 = x` and of `2 + 3 = 5`; None for others."""
    if _RELATION.search(text):
        return None
    if "=" not in text:
        return text
    head, _, tail = (part.strip() for part in text.rpartition("="))
    if re.fullmatch(r"[A-Za-z]", tail) and "=" not in head:
        return head
    if _BARE.fullmatch(tail) and any(
        _BARE.fullmatch(side.strip()) and float(side) != float(tail) for side in head.split("=")
    ):
        return None  # 5 = 6
    several = re.search(r"[,;]|\b(?:or|and)\b", head)
    return text if several or is_equation(text) or not head else tail


def _spelled(text: str) -> Number | None:
    """A number in words with what is counted: `three`, `twenty-five cm`, `三个`."""
    if len(text) > 80 or not text[:1].isalpha():
        return None
    if re.match("[一-鿿]", text):
        for end in range(min(len(text), 20), 0, -1):
            if (value := parse_words(text[:end])) is not None:
                return _with_suffix(_spelled_number(value), text[end:], True)
        return None
    words = text.split(" ")
    for end in range(min(len(words), 8), 0, -1):
        if (value := parse_words(" ".join(words[:end]))) is not None:
            return _with_suffix(_spelled_number(value), " " + " ".join(words[end:]), True)
    return None


def _spelled_number(value: Fraction) -> Number:
    return Number(value, 0 if value.denominator == 1 else None)


def _with_suffix(number: Number, suffix: str, marked: bool) -> Number | None:
    """Read what stands behind the digits; None where it changes the number in a way that is not known."""
    note = _NOTE.fullmatch(suffix)
    if note is None:
        return _suffixed(number, suffix, marked)
    whole = _suffixed(number, note[1], marked)
    remark = note[2].strip()
    if whole is None or _IDLE_NOTE.fullmatch(remark):
        return whole
    unit = unit_of(remark)
    if unit is not None and not whole.unit:
        return replace(whole, unit=unit, measured=True)
    again = parse_number(remark) if "(" not in remark else None
    return whole if again is not None and again.value == whole.value else None


def _suffixed(number: Number, suffix: str, marked: bool, scales: int = 0) -> Number | None:
    if suffix.strip() == "-":
        return None
    attached, suffix = bool(suffix) and not suffix[0].isspace(), suffix.strip(" \t\n-")
    if not suffix:
        return number
    if percent := _PERCENT.match(suffix):
        rest = suffix[percent.end() :].strip()
        return replace(number, percent=True, counted=True) if not rest or re.fullmatch("[a-z ]{3,30}", rest) else None
    if below := _BELOW_ZERO.fullmatch(suffix):
        return replace(number, value=-abs(number.value)) if below else None
    if suffix in ("°", "degree", "degrees"):
        return number
    if suffix.casefold() in _MONEY:
        return replace(number, unit=_MONEY[suffix.casefold()], counted=True)
    if attached and suffix == "K":
        return None  # kelvin, or thousand
    if (unit := unit_of(suffix)) is not None:
        known = marked or _is_unmistakable(suffix)
        return replace(number, unit=unit, measured=True) if known and not number.unit else None
    return _multiplied(number, suffix, scales, marked) or _counted(number, suffix, attached)


def _is_unmistakable(unit: str) -> bool:
    """Whether the text is a unit even where letters are names: `cm`, `hours`, `m/s`, but neither `m` nor `ab`."""
    return not unit.isascii() or bool(
        re.search("[A-Za-z]{3}|[A-Za-z]/|°", unit) or re.match(r"(?:mm|cm|dm|km|kg|mg|m[Ll])(?![A-Za-z])", unit)
    )


def _multiplied(number: Number, suffix: str, scales: int, marked: bool) -> Number | None:
    """`3k`, `1.2 million people`, `5 dozen`, `3 halves`, `5 squared`."""
    first, _, rest = suffix.partition(" ")
    if not suffix.isascii():
        han = re.match("[十百千万萬亿億]+", suffix)
        first, rest = (han[0], suffix[han.end() :]) if han else (suffix, "")
    word = first if first == "k" or not first.isascii() else first.casefold() if len(first) > 1 else ""
    if number.unit and first in ("K", "M", "B", "T", "m", "b"):
        word = {"K": "k", "M": "million", "m": "million", "B": "billion", "b": "billion", "T": "trillion"}[first]
    power = SCALES.get(word)
    if power is not None and scales < 2:
        decimals = None if number.decimals is None else number.decimals - power
        decimals = 0 if decimals is not None and decimals < 0 and number.decimals == 0 else decimals
        scaled = replace(number, value=number.value * 10**power, decimals=decimals)
        return _suffixed(scaled, f" {rest}", marked, scales + 1)
    if rest or number.unit:
        return _suffixed(replace(number, value=number.value * 12), f" {rest}", marked, 2) if word == "dozen" else None
    if word in ("dozen", "dozens", "squared", "cubed"):
        value = number.value * 12 if word.startswith("dozen") else number.value ** (2 if word == "squared" else 3)
        return replace(number, value=value, decimals=0 if number.decimals == 0 else None)
    if word in PARTS and number.value.denominator == 1:
        return replace(number, value=number.value / PARTS[word], decimals=None)
    return None


def _counted(number: Number, suffix: str, attached: bool) -> Number | None:
    """`12 red apples`, `3个苹果`: plural nouns; any other words may change what the number means."""
    if _CLASSIFIER.fullmatch(suffix):
        return replace(number, unit=suffix)
    words = suffix.lower().split()
    if attached or not 0 < len(words) < 5 or not all(map(_WORD.fullmatch, words)) or number.unit:
        return None
    if any(_NO_NOUN.fullmatch(word) or word in PARTS or parse_words(word) is not None for word in words):
        return None
    one = number.value == 1 and len(words) == 1
    if not one and not any((word.endswith("s") and len(word) > 3) or word in _IRREGULAR for word in words):
        return None
    return replace(number, unit=" ".join(re.sub(r"(?<=[a-z]{2})s$", "", word) for word in words))


def numbers_equal(response: Number, reference: Number, tolerance: Tolerance | None = None) -> bool | None:
    """Compare two numbers with their units; None where units differ or rounding leaves room."""
    outcome = close(response, reference, tolerance)
    if response.percent != reference.percent:
        if response.unit or reference.unit:
            return None  # 10 % is not 10 cm
        outcome = _percent_equal(response, reference, outcome, tolerance)
    if response.unit == reference.unit:
        return outcome
    if response.measured and reference.measured:
        return _converted_equal(response, reference, tolerance)
    words = [set(side.unit.split()) for side in (response, reference)]
    if _MONEY_UNITS & {response.unit, reference.unit} and "cent" in words[0] | words[1]:
        return None  # of which currency?
    if not words[0] or not words[1]:
        one_sided = response.measured or reference.measured  # 12 may be 12 cm, and 120 (mm) may too
        return outcome if outcome or not one_sided else None
    if not response.measured and not reference.measured and (words[0] <= words[1] or words[1] <= words[0]):
        return outcome
    return False if outcome is False and not response.measured and not reference.measured else None


def _converted_equal(response: Number, reference: Number, tolerance: Tolerance | None) -> bool | None:
    """1.5 h are 90 min; a value that is near after conversion may be rounded."""
    factor = conversion(response.unit, reference.unit)
    if factor is None:
        return None
    converted = replace(response, value=response.value * factor, decimals=None)
    if converted.value == reference.value or (tolerance and tolerance.allows(converted.value, reference.value)):
        return True
    return None if abs(converted.value - reference.value) * 50 <= abs(reference.value) else False


def _percent_equal(
    response: Number, reference: Number, as_written: bool | None, tolerance: Tolerance | None
) -> bool | None:
    """50 % is 0.5, and 50 where the question asks for a percentage; 0.5 % beside 0.5 may be either."""
    rescaled = close(
        response.scaled(-2) if response.percent else response,
        reference.scaled(-2) if reference.percent else reference,
        tolerance,
    )
    if rescaled or as_written is not True:
        return rescaled
    return True if abs(reference.value) > 1 else None
