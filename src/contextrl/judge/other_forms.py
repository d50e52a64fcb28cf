"""Values that a text gives without writing them: in another base, as a sum or a ratio, by what lies beside them.

The forms are those that a mistake report may use to say a number that it must not say. Each is read to a value, or to
how far it is from the answer that the response gave.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from contextrl.answers.number_words import ONES, TENS
from contextrl.judge.quantities import Token, prepare, tokens

_SUBSCRIPTS = re.compile("[₀-₉]+")
_TO_DIGIT = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_BASES = {"binary": 2, "octal": 8, "hexadecimal": 16, "hex": 16, "two": 2, "three": 3, "eight": 8, "sixteen": 16}
_BASE = "|".join([*_BASES, r"\d{1,2}"])
_PREFIXED = re.compile(r"\b0(?:b([01]{1,60})|o([0-7]{1,40})|x([0-9a-f]{1,30}))\b")
_BASED = re.compile(
    r"\b(?P<digits>[0-9a-f]{1,60})"
    rf"(?:_\{{?(?P<index>\d{{1,2}})\}}?|\s?(?:\(|in |to )\s?(?:base[ -]?)?(?P<base>{_BASE})\b)"
    rf"|\b(?:(?P<before>binary|octal|hex(?:adecimal)?)|base[ -]?(?P<number>{_BASE}),?)(?: is| it is|:)?"
    r" (?P<after>[0-9a-f]{1,60})\b"
)
#: Larger powers and values are nobody's report.
_MAX_POWER, _MAX_VALUE = 20, 10**30
_OPERATORS = {
    **{"+": "+", "plus": "+", "-": "-", "minus": "-", "*": "*", "times": "*", "x": "*", "multiplied": "*"},
    **{"/": "/", "over": "/", "divided": "/", "^": "^"},
}
_AFTER_OPERATOR = {"by", "the", "("}
#: In a text in which numbers are written `#value`.
_N = r"#(-?\d+(?:/\d+)?)"
_SIZE = r"(?:small|large|big|high|low|many|few|much|little|short|long|great)"
_RATIOS = re.compile(rf"{_N} (?:out of|in|in every|for every|per|to|:) (?:every |each )?{_N}(?! \w+ #)")
_SAID = [
    (re.compile(rf"\b(?:twice|double|two times) (?:the )?{_N}|{_N} doubled"), Fraction(2)),
    (re.compile(rf"\b(?:half of|half|halve) (?:the |of )?{_N}|{_N} halved"), Fraction(1, 2)),
    (re.compile(rf"\b(?:triple|thrice|three times) {_N}|{_N} tripled"), Fraction(3)),
]
_MORE = re.compile(rf"{_N} (?:more|greater|higher|larger|bigger) than {_N}")
_LESS = re.compile(rf"{_N} (?:less|fewer|lower|smaller|short) (?:than|of) {_N}")
_ROOT = re.compile(rf"(?:sqrt|(?:square )?root of) ?(?:\( ?)?{_N}")
_FAR = [
    re.compile(
        r"\b(?:off|short|over|under|low|high|small|large|big|many|few|less|more|greater|smaller|larger|higher|lower"
        rf"|away|out|up|down|increased?|decreased?|reduced?|differs?)"
        rf" (?:only |just |exactly )?by (?:exactly |only |just )?{_N}"
    ),
    re.compile(
        rf"{_N} (?:units? |items? )?"
        rf"(?:too {_SIZE}|(?:less|more|higher|lower|smaller|larger|greater|fewer) than)\b"
    ),
    re.compile(rf"\b(?:add|adding|subtract|subtracting|deduct|missed|missing) (?:another )?{_N}\b"),
    re.compile(rf"{_N} (?:short|off)\b(?! (?:step|sentence|line))"),
]
_OF_RESULT = r"(?:of )?(?:your|the|its|this|that) (?:\w+ )?(?:answer|result|value|sum|total|response|number|count)\b"
_TIMES = [
    (re.compile(rf"\b(?:twice|double|two times) {_OF_RESULT}"), Fraction(2)),
    (re.compile(rf"\b(?:half|halve) {_OF_RESULT}"), Fraction(1, 2)),
    (re.compile(rf"\b(?:thrice|triple|three times) {_OF_RESULT}"), Fraction(3)),
]
_BETWEEN = re.compile(
    rf"\bbetween {_N} and {_N}"
    rf"|\b(?:more|greater|larger|higher) than {_N} (?:and|but) (?:less|smaller|lower|fewer) than {_N}"
)
_NEIGHBOUR = re.compile(
    rf"\b(?:number|integer|value|one|count|digit) (?:right |just |directly |immediately )?"
    rf"(?P<way>after|above|following|before|below|preceding) {_N}"
    rf"|\b(?:comes|is) (?:right |just )?(?P<also>after|before) {_N}"
)
_SPELLED = re.compile(
    r"(?<!# )(?<![\d/])#\d(?:(?: followed by(?: an?)?| ?, then| then| -| and then)? #\d){1,11}(?! ?#)(?!\d)"
)


def other_values(text: str) -> Iterator[Fraction]:
    """Values that a text gives in another base, as a calculation, as a ratio, or between two others.

    Args:
        text: as it was written; bases are read before NFKC makes digits of their subscripts.
    """
    yield from _in_bases(text)
    found = tokens(prepare(text))
    yield from _calculated(found)
    marked = _marked(found)
    for match in _RATIOS.finditer(marked):
        above, below = Fraction(match[1]), Fraction(match[2])
        if below > above > 0:
            yield above / below
    for pattern, factor in _SAID:
        yield from (factor * Fraction(match[1] or match[match.lastindex or 1]) for match in pattern.finditer(marked))
    yield from (Fraction(match[2]) + Fraction(match[1]) for match in _MORE.finditer(marked))
    yield from (Fraction(match[2]) - Fraction(match[1]) for match in _LESS.finditer(marked))
    for match in _ROOT.finditer(marked):
        yield from _root(Fraction(match[1]))
    if re.search(r"\bfifty ?- ?fifty\b|\beven odds\b|50 ?/ ?50|\bevens\b", prepare(text)):
        yield Fraction(1, 2)
    for match in re.finditer(rf"#(1/[2-9]) of {_N}", marked):
        yield Fraction(match[1]) * Fraction(match[2])
    for match in re.finditer(r"#(\d) ?成", marked):
        yield Fraction(int(match[1]), 10)
    yield from _next_to_others(marked)


def said_relatively(text: str, value: Fraction, answered: Fraction) -> bool:
    """Whether a text says how far a value is from what was answered: "3 too small", "double your result"."""
    marked = _marked(tokens(prepare(text)))
    distance = abs(value - answered)
    if distance and any(Fraction(match[1]) == distance for pattern in _FAR for match in pattern.finditer(marked)):
        return True
    return any(answered * factor == value and pattern.search(marked) for pattern, factor in _TIMES)


#: Numbers from 2 on in German, French, Spanish, Italian, Portuguese and Russian; not what is an English word too.
_ABROAD = {
    word: value
    for language in (
        "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn"
        " achtzehn neunzehn zwanzig",
        "deux trois quatre cinq - sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf"
        " vingt",
        "dos tres cuatro cinco seis siete ocho nueve diez - doce trece catorce quince dieciséis diecisiete dieciocho"
        " diecinueve veinte",
        "due tre quattro cinque - sette otto nove dieci undici dodici tredici quattordici quindici sedici diciassette"
        " diciotto diciannove venti",
        "dois três quatro cinco seis sete oito nove dez onze doze treze quatorze quinze dezesseis dezessete dezoito"
        " dezenove vinte",
        "два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать пятнадцать"
        " шестнадцать семнадцать восемнадцать девятнадцать двадцать",
    )
    for value, word in enumerate(language.split(), start=2)
    if word not in ("-", "elf", "due")
}
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)?")


def in_digits(text: str) -> str:
    """The text with number words of other languages as digits."""
    return _WORD.sub(lambda match: str(_ABROAD.get(match[0].casefold(), match[0])), text)


def angles(text: str) -> Iterator[float]:
    """Angles in degrees that a text gives in radians, as parts of a turn, or by name."""
    marked = _marked(tokens(prepare(text)))
    for match in re.finditer(rf"(?:{_N} (?:\* )?)?pi(?: (?:/|over) {_N})?", marked):
        yield 180.0 * float(Fraction(match[1] or 1) / Fraction(match[2] or 1))
    for match in re.finditer(
        rf"{_N} (?:of (?:a|the) )?(?P<unit>rad(?:ians?)?|(?:full )?turns?|revolutions?|full circle)\b", marked
    ):
        yield float(Fraction(match[1])) * (180 / math.pi if match["unit"].startswith("rad") else 360)
    named = {"right angle": 90.0, "straight angle": 180.0, "perpendicular": 90.0, "orthogonal": 90.0}
    yield from (degrees for name, degrees in named.items() if name in marked)


def time_pattern(answer: str) -> re.Pattern[str] | None:
    """Other notations of a time such as 10:30, in a prepared text; None for any other answer."""
    time = re.fullmatch(r"\s*(\d{1,2}):(\d{2})\s*(?:[ap]\.?m\.?)?\s*", answer.casefold())
    if time is None or int(time[1]) > 23 or int(time[2]) > 59:
        return None
    hours, minutes = {int(time[1]) % 12, int(time[1]) % 12 + 12, int(time[1]) % 12 or 12}, int(time[2])
    forms = [rf"{hour:02}{minutes:02}|{hour}{minutes:02}|{hour} ?[:.h点时] ?{minutes:02}" for hour in sorted(hours)]
    for hour in hours & set(range(13)):
        name, following = _hour(hour), _hour(hour % 12 + 1)
        forms += [rf"{name} {_words(minutes)}"] if minutes else [rf"{name} o'?clock"]
        forms += {
            15: [f"quarter (?:past|after) {name}"],
            30: [f"half past {name}", f"(?:{hour}|{'零一二三四五六七八九十'[hour % 11]})点半"],
            45: [f"quarter (?:to|before) {following}"],
        }.get(minutes, [])
    return re.compile(rf"(?<!\d)(?:{'|'.join(forms)})(?!\d)")


def _hour(hour: int) -> str:
    return f"(?:{hour}|{_words(hour)})"


def _words(number: int) -> str:
    if number < 20:
        return ONES[number]
    tens, ones = divmod(number, 10)
    return f"{TENS[tens - 2]}[ -]{ONES[ones]}" if ones else TENS[tens - 2]


def _in_bases(text: str) -> Iterator[Fraction]:
    plain = _SUBSCRIPTS.sub(lambda match: "_" + match[0].translate(_TO_DIGIT), text).casefold().replace("$", "")
    for match in _PREFIXED.finditer(plain):
        base = 2 if match[1] else 8 if match[2] else 16
        yield Fraction(int(match[1] or match[2] or match[3], base))
    for match in _BASED.finditer(plain):
        named = match["index"] or match["base"] or match["before"] or match["number"]
        base = _BASES.get(named) or (int(named) if named.isdecimal() else 0)
        digits = match["digits"] or match["after"]
        if 2 <= base <= 36 and base != 10 and all(int(digit, 36) < base for digit in digits):
            yield Fraction(int(digits, base))


def _calculated(found: Sequence[Token]) -> Iterator[Fraction]:
    """The values of the calculations in a row of tokens, and of each with a part left out at its beginning."""
    index = 0
    while index < len(found):
        terms, signs, index = _run(found, index)
        if signs and (value := _evaluated(terms, signs)) is not None:
            yield value


def _run(found: Sequence[Token], index: int) -> tuple[list[Fraction], list[str], int]:
    """Numbers with operators between them from a token on, and the token after them."""
    terms: list[Fraction] = []
    signs: list[str] = []
    while index < len(found):
        value = found[index].value
        if value is None:
            return terms, signs[: max(len(terms) - 1, 0)], index + 1
        terms.append(value)
        place = index + 1
        sign = _OPERATORS.get(found[place].text) if place < len(found) else None
        if sign is None:
            signed = place < len(found) and found[place].value is not None and found[place].text[:1] in "-−"
            if not signed:
                return terms, signs[: len(terms) - 1], place
            signs.append("+")  # "13 -1"
            index = place
            continue
        place += 1
        while place < len(found) and found[place].text in _AFTER_OPERATOR:
            place += 1
        signs.append(sign)
        index = place
    return terms, signs[: max(len(terms) - 1, 0)], index


def _evaluated(terms: Sequence[Fraction], signs: Sequence[str]) -> Fraction | None:
    """Powers before products before sums; None for what is not to be calculated."""
    values, left = list(terms), list(signs)
    for level in ("^", "*/", "+-"):
        place = 0
        while place < len(left):
            if left[place] not in level:
                place += 1
                continue
            value = _applied(values[place], left[place], values[place + 1])
            if value is None:
                return None
            values[place : place + 2] = [value]
            del left[place]
    return values[0]


def _applied(one: Fraction, sign: str, other: Fraction) -> Fraction | None:
    if sign == "^":
        if other == Fraction(1, 2):
            return next(_root(one), None)
        if other.denominator != 1 or abs(other) > _MAX_POWER or not one:
            return None
        value = one ** int(other)
    elif sign == "/":
        if not other:
            return None
        value = one / other
    else:
        value = one * other if sign == "*" else one + other if sign == "+" else one - other
    return value if max(abs(value.numerator), value.denominator) < _MAX_VALUE else None


def _root(value: Fraction) -> Iterator[Fraction]:
    """The root of a square."""
    if value <= 0:
        return
    above, below = (round(part**0.5) for part in (value.numerator, value.denominator))
    if above * above == value.numerator and below * below == value.denominator:
        yield Fraction(above, below)


def _next_to_others(marked: str) -> Iterator[Fraction]:
    """Integers that their neighbours give away, or that are spelled digit by digit."""
    for match in _BETWEEN.finditer(marked):
        low, high = (Fraction(group) for group in match.groups() if group is not None)
        if high - low == 2:
            yield low + 1
    for match in _NEIGHBOUR.finditer(marked):
        way = match["way"] or match["also"]
        number = Fraction(next(group for group in match.groups()[::-1] if group is not None and group != way))
        yield number + (1 if way in ("after", "above", "following") else -1)
    for match in _SPELLED.finditer(marked):
        yield Fraction(int("".join(re.findall(r"#(\d)", match[0]))))


def _marked(found: Sequence[Token]) -> str:
    """The tokens with a space between them, numbers as `#value`."""
    return " ".join(token.text if token.value is None else f"#{token.value}" for token in found)
