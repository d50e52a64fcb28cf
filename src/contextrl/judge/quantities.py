"""Numbers in running text by their values, in whatever notation: digits, words, fractions, percent, Chinese, LaTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from contextrl.answers.number_words import CHINESE_DIGITS, CHINESE_SCALES, ONES, TENS

_SMALL = {word: value for value, word in enumerate(ONES)} | {"nought": 0}
_TENS = {word: 10 * value for value, word in enumerate(TENS, start=2)}
_MAGNITUDES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_ORDINALS = re.findall("[a-z]+", "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth")
_PARTS = {"half": 2, "halve": 2, "quarter": 4, "hundredth": 100, "thousandth": 1000} | {
    word: value for value, word in enumerate(_ORDINALS, start=1) if value > 2
}
_CHINESE_PLACES = {char: scale for char, scale in CHINESE_SCALES.items() if scale < 10**4}
_CHINESE_GROUPS = {char: scale for char, scale in CHINESE_SCALES.items() if scale >= 10**4}
_NUMERALS = "零〇一二三四五六七八九两兩十百千万萬亿億"

#: What a number may begin with that is none itself.
_BEGINS = {"-", "minus", "negative", "负", "負", "a", "an", "half", "quarter", "半", *_SMALL, *_TENS}

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_TOKEN = re.compile(
    r"(?P<ordinal>\d{1,4}(?:st|nd|rd|th)\b)|(?P<number>\d{1,3}(?:,\d{3})+(?![\d])(?:\.\d+)?|\d+\.\d+|(?<!\d)\.\d+|\d+)(?P<exponent>e[+-]?\d{1,3}(?![a-z0-9]|\.\d))?"
    rf"|(?P<chinese>[{_NUMERALS}]+(?:点[{_NUMERALS}]+)?)"
    r"|(?P<word>(?:(?![\u3400-\u9fff\d])\w)(?:(?![\u3400-\u9fff])\w)*(?:'[a-z]{1,2}\b)?)|(?P<other>\S)"
)
_UNITS = re.compile(
    r"(?:[cdkm]?m|[kmµμn]?g|[mc]?l|[mn]?s|min|hr?s?|k?hz|k?w|kwh|k?v|k?j|k?pa|mph|km/h|ft|in|lbs?|oz|°?[cfk]|deg|rad|px|[ap]m)"
)


@dataclass(frozen=True)
class Token:
    """A word, a sign, or a number with its value.

    Attributes:
        text: as written, in lower case.
        value: of a number.
        decimals: digits after the point, where it is written with one.
        percent: whether the value is written in percent.
        start: position in the prepared text.
        end: where it ends there.
    """

    text: str
    start: int
    end: int
    value: Fraction | None = None
    decimals: int | None = None
    percent: bool = False


def prepare(text: str) -> str:
    """Lower case, ordinary characters, LaTeX as plain text; lines stay lines."""
    text = re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)
    text = re.sub("[⁰¹²³⁴-⁹⁻]+", lambda match: "^" + match[0].translate(_SUPERSCRIPTS), text)
    text = (
        unicodedata.normalize("NFKC", text)
        .casefold()
        .translate({0x2044: "/", 0x2212: "-", 0x2013: "-", 0xD7: "*", 0xF7: "/"})
    )
    text = text.replace("{,}", ",").replace("·", "*").replace("√", " sqrt ").replace("π", " pi ").replace("²", "^2")
    text = re.sub(r"\\geq?(?![a-z])|≥", ">=", re.sub(r"\\leq?(?![a-z])|≤", "<=", text))
    text = re.sub(r"\\sqrt\s?\{([^{}]{1,60})\}", r" sqrt(\1) ", text)
    text = re.sub(r"\\[dtc]?frac\s?(\d)\s?(\d)", r" \1/\2 ", text)
    text = re.sub(r"\\[dtc]?frac\s?\{([^{}]{1,60})\}\s?\{([^{}]{1,60})\}", r" \1/\2 ", text)
    text = re.sub(r"\\(?:times|cdot|ast)(?![a-z])", "*", text)
    text = re.sub(r"\^?\{?\\circ\}?", "°", text)
    text = re.sub(r"\\(sqrt|pi|infty|theta|alpha|beta|pm)(?![a-z])", r" \1 ", text)
    text = re.sub(
        r"\\(?:boxed|text\w{0,6}|math[a-z]{2}|left|right|displaystyle|quad|dollar)(?![a-z])|\\[,;:! ]", " ", text
    )
    text = re.sub(r"\*\*\s?(?=\d)", "^", text) if re.search(r"[a-z)]\*\*\d", text) else text
    text = re.sub(r"[${}`\\\"“”„‘’*_]+", lambda match: " * " if match[0] == "*" else " ", text)
    text = re.sub(r"(?<![a-z0-9])'|'(?![a-z0-9])", " ", text)
    return re.sub(r"[^\S\n]+", " ", text).strip()


def readings(text: str) -> Iterator[str]:
    """A text as it stands, and with what may also be a number: Roman numerals, spaced thousands, decimal commas."""
    yield prepare(text)
    roman = re.sub(r"\b[IVXLCDM]{2,9}\b", lambda match: str(_roman(match[0]) or match[0]), text)
    if roman != text:
        yield prepare(roman)
    plain = prepare(text)
    grouped = re.sub(r"(?<=\d)[ '.\u00a0\u202f](?=\d{3}(?!\d))", "", plain)
    if grouped != plain:
        yield grouped
    comma = re.sub(r"(?<=\d),(?=\d)", ".", plain)
    if comma != plain:
        yield comma


def _roman(text: str) -> int | None:
    if not re.fullmatch(r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})", text):
        return None
    values = [dict(zip("IVXLCDM", (1, 5, 10, 50, 100, 500, 1000), strict=True))[char] for char in text]
    return sum(-v if any(v < w for w in values[i + 1 : i + 2]) else v for i, v in enumerate(values))


def tokens(text: str, *, fold: bool = True) -> list[Token]:
    """The tokens of a prepared text.

    Args:
        text: by `prepare`.
        fold: whether fractions, mixed numbers, percent and so on become one number, and an index or exponent none; else
            an expression is read, sign by sign.
    """
    raw = [_raw(match) for match in _TOKEN.finditer(text)]
    if not fold:
        return raw
    found: list[Token] = []
    index = 0
    while index < len(raw):
        number = _number_at(raw, index, text)
        if number is None:
            # An index, an exponent, the 2 of "2D": no number.
            found.append(Token(raw[index].text, raw[index].start, raw[index].end))
            index += 1
        else:
            token, index = number
            found.append(token)
    return found


def _raw(match: re.Match[str]) -> Token:
    start, end = match.span()
    if (digits := match["number"]) is not None:
        digits = digits.replace(",", "")[:60]
        power = int((match["exponent"] or "e0")[1:])
        value = Fraction(digits) * (Fraction(10) ** max(-60, min(power, 60)))
        return Token(match[0], start, end, value, len(digits.partition(".")[2]) or None)
    if (numeral := match["chinese"]) is not None:
        return Token(numeral, start, end, _chinese(numeral[:30]))
    return Token(match[0], start, end)


def _chinese(text: str) -> Fraction:
    whole, _, decimals = text.partition("点")
    total = group = digit = 0
    if len(whole) > 1 and all(char in CHINESE_DIGITS for char in whole):
        total = int("".join(str(CHINESE_DIGITS[char]) for char in whole))
    else:
        for char in whole:
            if char in CHINESE_DIGITS:
                digit = CHINESE_DIGITS[char]
            elif char in _CHINESE_PLACES:
                group += (digit or 1) * _CHINESE_PLACES[char]
                digit = 0
            else:
                total = (total + group + digit) * _CHINESE_GROUPS[char]
                group = digit = 0
        total += group + digit
    digits = "".join(str(CHINESE_DIGITS.get(char, 0)) for char in decimals)
    return Fraction(f"{total}.{digits or 0}")


def _at(raw: Sequence[Token], index: int) -> str:
    return raw[index].text if 0 <= index < len(raw) else ""


def _number_at(raw: Sequence[Token], index: int, text: str) -> tuple[Token, int] | None:
    """The number that begins at a token, and the token after it."""
    if raw[index].value is None and raw[index].text not in _BEGINS:
        return None
    first, sign = index, 1
    if _at(raw, index) in ("-", "minus", "negative", "负", "負") and _is_unary(raw, index, text):
        index, sign = index + 1, -1
    if _at(raw, index - 1) in ("^", "_") or (_at(raw, index - 1) == "-" and _at(raw, index - 2) == "^"):
        return None
    simple = _chinese_share(raw, index) or _simple_at(raw, index, text)
    if simple is None:
        return None
    value, decimals, index = simple
    value, index = _with_parts(raw, index, value)
    percent = _at(raw, index) in ("%", "percent", "pct") or (_at(raw, index) == "per" and _at(raw, index + 1) == "cent")
    if percent:
        value, decimals = value / 100, (decimals or 0) + 2
        index += 2 if _at(raw, index) == "per" else 1
    start, end = raw[first].start, raw[index - 1].end
    return Token(text[start:end], start, end, sign * value, decimals, percent), index


def _is_unary(raw: Sequence[Token], index: int, text: str) -> bool:
    """Whether a sign belongs to the number after it: "is -5", not "1 - 5", "x-5" or "3-5"."""
    if raw[index].text != "-":
        return True
    before = _at(raw, index - 1)
    glued = index + 1 < len(raw) and raw[index + 1].start == raw[index].end
    if index and (raw[index - 1].value is not None or before in (")", "]") or before in _SMALL):
        return False
    return glued and (index == 0 or not text[raw[index].start - 1].isalnum())


def _simple_at(raw: Sequence[Token], index: int, text: str) -> tuple[Fraction, int | None, int] | None:
    """A number in digits or words, with what multiplies it."""
    if index >= len(raw):
        return None
    token = raw[index]
    if token.value is None:
        return _words_at(raw, index)
    after = raw[index + 1] if index + 1 < len(raw) else None
    value, index = token.value, index + 1
    if after is not None and after.start == token.end and after.text[:1].isalpha() and token.text[-1].isdigit():
        if after.text in ("k", "bn"):
            return value * (1000 if after.text == "k" else 10**9), token.decimals, index + 1
        if (
            not after.text.startswith(tuple(_CHINESE_PLACES))
            and not _UNITS.fullmatch(after.text)
            and after.text.isascii()
        ):
            return None
    if after is not None and after.text == "^":
        exponent = _at(raw, index + 1)
        is_power = token.text == "10" and exponent.isascii() and exponent.isdecimal() and len(exponent) < 3
        return (Fraction(10) ** int(exponent), None, index + 2) if is_power else None
    if (magnitude := _MAGNITUDES.get(_at(raw, index).removesuffix("s"))) is not None:
        return value * magnitude, token.decimals, index + 1
    if _at(raw, index) in _CHINESE_GROUPS and text[token.start].isdigit():
        return value * _CHINESE_GROUPS[_at(raw, index)], token.decimals, index + 1
    power = [_at(raw, place) for place in range(index, index + 5)]
    if power[0] == "*" and power[1] == "10" and power[2] == "^":
        negative = power[3] == "-"
        exponent = power[4] if negative else power[3]
        if exponent.isascii() and exponent.isdecimal() and len(exponent) < 3:
            shift = Fraction(10) ** (-int(exponent) if negative else int(exponent))
            return value * shift, token.decimals, index + 5 - (not negative)
    return value, token.decimals, index


def _words_at(raw: Sequence[Token], index: int) -> tuple[Fraction, int | None, int] | None:
    """A number in English words: "one hundred and five", "forty-two", "a dozen", "one point five", "half"."""
    start, total, current, seen = index, 0, 0, False
    if _at(raw, index) in ("a", "an") and (_at(raw, index + 1) in _MAGNITUDES or _at(raw, index + 1) in _PARTS):
        if _at(raw, index + 1) in _PARTS and not _is_share(raw, index + 1):
            return None
        index, current, seen = index + 1, 1, True
        if _at(raw, index) in _PARTS:
            return Fraction(1), None, index
    elif _at(raw, index) in ("half", "quarter"):
        return Fraction(1, _PARTS[_at(raw, index)]), None, index + 1
    while index < len(raw):
        word = _at(raw, index)
        if word in _SMALL and (current % 10 == 0 and (current % 100 == 0 or _SMALL[word] < 10)):
            current += _SMALL[word]
        elif word in _TENS and current % 100 == 0:
            current += _TENS[word]
        elif word in ("hundred", "dozen") and seen:
            current = (current or 1) * _MAGNITUDES[word]
        elif word in _MAGNITUDES and seen:
            total, current = total + (current or 1) * _MAGNITUDES[word], 0
        elif word in ("-", "and") and seen and index > start and _continues(raw, index):
            pass
        else:
            break
        seen = True
        index += 1
    if not seen:
        return None
    if _at(raw, index) == "point" and _at(raw, index + 1) in _SMALL:
        digits = ""
        while index + 1 < len(raw) and _SMALL.get(_at(raw, index + 1), 10) < 10 and len(digits) < 20:
            digits += str(_SMALL[_at(raw, index + 1)])
            index += 1
        return Fraction(f"{total + current}.{digits or 0}"), len(digits) or None, index + 1
    return Fraction(total + current), None, index


def _continues(raw: Sequence[Token], index: int) -> bool:
    """Whether "-" or "and" stands within one number: "forty-two", "one hundred and five", not "two and three"."""
    before, after = _at(raw, index - 1), _at(raw, index + 1)
    if _at(raw, index) == "-":
        return before in _TENS and 0 < _SMALL.get(after, 10) < 10
    return before in _MAGNITUDES and before != "dozen" and (after in _SMALL or after in _TENS)


def _is_share(raw: Sequence[Token], index: int) -> bool:
    """Whether "third" after "a" is a part: "a third of", "a third.", not "a third step"."""
    word, following = _at(raw, index), _at(raw, index + 1)
    return word in ("half", "quarter") or following in ("of", "") or not following[:1].isalnum()


def _with_parts(raw: Sequence[Token], index: int, value: Fraction) -> tuple[Fraction, int]:
    """The number with a fraction that goes on: "3/4", "2 1/2", "two thirds", "two and a half"."""
    if _at(raw, index) == "-" and _part(raw, index + 1):
        index += 1
    if part := _part(raw, index):
        plural = _at(raw, index) not in _PARTS
        if plural or value == 1 or part == 2:
            return value / part, index + 1
    one, two, three, four = (raw[place] if place < len(raw) else None for place in range(index, index + 4))
    if one and two and two.value and one.text in ("/", "over") and not (three and three.text == "/"):
        return value / two.value, index + 2
    if one and one.value and two and two.text == "/" and three and three.value and value.denominator == 1:
        proper = 0 < one.value < three.value and not (four and four.text == "/")
        return (value + one.value / three.value, index + 3) if proper else (value, index)
    if _at(raw, index) == "and" and _at(raw, index + 1) in ("a", "one") and _at(raw, index + 2) in ("half", "quarter"):
        return value + Fraction(1, _PARTS[_at(raw, index + 2)]), index + 3
    return value, index


def _part(raw: Sequence[Token], index: int) -> int:
    """What the parts are that a word names: 3 for "third" and "thirds"."""
    word = _at(raw, index)
    return _PARTS.get(word) or _PARTS.get(word.removesuffix("s")) or 0


def _chinese_share(raw: Sequence[Token], index: int) -> tuple[Fraction, int | None, int] | None:
    """`百分之五十`, `二分之一`, `一半`, which the numerals before and after `分之` make up."""
    word = [_at(raw, place) for place in range(index, index + 4)]
    if word[1:3] == ["分", "之"] and index + 3 < len(raw):
        below, above = raw[index].value, raw[index + 3].value
        if below and above is not None:
            return above / below, None, index + 4
    if word[0] in ("一", "半") and "半" in word[:2]:
        return Fraction(1, 2), None, index + (1 if word[0] == "半" else 2)
    return None


def ordinals() -> Mapping[str, int]:
    """Ordinals in words: `first` is 1."""
    return {word: value for value, word in enumerate(_ORDINALS, start=1)}
