"""Numbers in words: English and Chinese numerals, fractions and multipliers."""

from __future__ import annotations

import re
from fractions import Fraction

ONES: list[str] = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen",
)
TENS: list[str] = re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety")
_SMALL = {word: value for value, word in enumerate(ONES)} | {word: 20 + 10 * i for i, word in enumerate(TENS)}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_ORDINALS = ["third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"]
#: What a denominator is called, singular and plural.
PARTS: dict[str, int] = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4}
PARTS |= {f"{word}{plural}": value for value, word in enumerate(_ORDINALS, start=3) for plural in ("", "s")}
PARTS |= {
    f"{word}{plural}": value for word, value in (("hundredth", 100), ("thousandth", 1000)) for plural in ("", "s")
}
#: Words that multiply the number before them: 10 to the power of these.
SCALES: dict[str, int] = {
    **{"k": 3, "hundred": 2, "hundreds": 2, "thousand": 3, "thousands": 3, "lakh": 5, "lakhs": 5, "crore": 7},
    **{"crores": 7, "million": 6, "millions": 6, "mn": 6, "mln": 6, "mio": 6, "billion": 9, "billions": 9, "bn": 9},
    **{"bln": 9, "trillion": 12, "trillions": 12, "tn": 12, "trn": 12},
    **{"十": 1, "百": 2, "千": 3, "万": 4, "萬": 4, "百万": 6, "千万": 7, "亿": 8, "億": 8, "十万": 5, "十亿": 9},
    **{"百亿": 10, "千亿": 11, "万亿": 12},
}
CHINESE_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
CHINESE_SCALES = {"十": 10, "百": 100, "千": 1_000, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_CHINESE = re.compile(r"[零〇一二两兩三四五六七八九十百千万萬亿億]{1,20}")
_CHINESE_RATIO = re.compile(rf"({_CHINESE.pattern})分之({_CHINESE.pattern})")
_MAX_CHARS = 120


def parse_words(text: str) -> Fraction | None:
    """Return the number that the whole of `text` spells, or None."""
    text = text.strip().casefold()
    if not text or len(text) > _MAX_CHARS:
        return None
    for sign in ("minus ", "negative ", "负", "負"):
        if text.startswith(sign):
            value = parse_words(text.removeprefix(sign))
            return None if value is None else -value
    if re.match("[零〇一二两兩三四五六七八九十百千万萬亿億负]", text):
        return _chinese(text)
    words = re.findall(r"[a-z]+|[^a-z\s-]+", text)
    return _english(words) if words and all(word.isalpha() for word in words) else None


def _english(words: list[str]) -> Fraction | None:
    if words[-1] in PARTS:
        return _parts(words[:-1], PARTS[words[-1]], words[-1])
    if words[-1] in ("dozen", "dozens"):
        count = Fraction(1) if words[:-1] in ([], ["a"]) else _english(words[:-1]) if words[:-1] else None
        return None if count is None else 12 * count
    if "point" in words:
        place = words.index("point")
        whole, digits = _integer(words[:place]), [_SMALL.get(word, 10) for word in words[place + 1 :]]
        if whole is None or not digits or max(digits) > 9:
            return None
        return whole + Fraction(int("".join(map(str, digits))), 10 ** len(digits))
    whole = _integer(words)
    return None if whole is None else Fraction(whole)


def _parts(words: list[str], denominator: int, name: str) -> Fraction | None:
    """`two thirds`, `a half`, `half`, `one and a half`."""
    words = words[:-1] if words[-1:] == ["a"] and len(words) > 1 else words
    if words[-1:] == ["and"]:
        whole = _integer(words[:-1])
        return None if whole is None else whole + Fraction(1, denominator)
    if not words:
        return Fraction(1, 2) if name == "half" else None
    above = 1 if words in (["a"], ["one"]) else _integer(words)
    if above is None or (above != 1 and name != "half" and not name.endswith("s")):
        return None
    return Fraction(above, denominator)


def _integer(words: list[str]) -> int | None:
    """`two hundred and five`; None for words that do not follow on one another, as in `two three`."""
    total, group, last = 0, 0, 10**15
    words = ["one", *words[1:]] if words[:1] == ["a"] and len(words) > 1 else words
    if not words or words[-1] == "and":
        return None
    for place, word in enumerate(words):
        if word == "and" and place and words[place - 1] in ("hundred", *_LARGE):
            continue
        if word in _SMALL:
            value = _SMALL[word]
            fits = last > 99 or (last >= 20 and last % 10 == 0 and 0 < value < 10)
            if not fits:
                return None
            group, last = group + value, value
        elif word == "hundred" and 0 < group < 100:
            group, last = group * 100, 100
        elif word in _LARGE and 0 < group < 1_000 and (total == 0 or total % (1000 * _LARGE[word]) == 0):
            total, group, last = total + group * _LARGE[word], 0, _LARGE[word]
        else:
            return None
    return total + group


def _chinese(text: str) -> Fraction | None:
    if text.startswith("百分之"):
        value = parse_words(text.removeprefix("百分之"))
        return None if value is None else value / 100
    if ratio := _CHINESE_RATIO.fullmatch(text):
        below, above = _chinese_integer(ratio[1]), _chinese_integer(ratio[2])
        return Fraction(above, below) if below and above is not None else None
    whole, point, digits = text.partition("点")
    units = _chinese_integer(whole)
    if units is None or (point and not (digits and all(char in CHINESE_DIGITS for char in digits))):
        return None
    shown = "".join(str(CHINESE_DIGITS[char]) for char in digits)
    return Fraction(f"{units}.{shown}") if shown else Fraction(units)


def _chinese_integer(text: str) -> int | None:
    if not _CHINESE.fullmatch(text):
        return None
    if all(char in CHINESE_DIGITS for char in text):
        return int("".join(str(CHINESE_DIGITS[char]) for char in text)) if len(text) == 1 or len(text) > 3 else None
    total, section, digit = 0, 0, 0
    for char in text:
        if char in CHINESE_DIGITS:
            digit = CHINESE_DIGITS[char]
        elif (scale := CHINESE_SCALES[char]) < 10**4:
            section, digit = section + (digit or 1) * scale, 0
        else:
            total, section, digit = (total + section + digit) * scale, 0, 0
    return total + section + digit
