"""Whether a mistake report gives the final answer away, and what is left of it if it must not."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from contextrl.answers import check_answer, extract_answer
from contextrl.records.example import Example

_UNITS: list[str] = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen",
)
_TENS: list[str] = re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety")
_CHINESE = "零一二三四五六七八九"
_ORDINALS = re.findall(r"\w+", "first second third fourth fifth sixth seventh eighth ninth tenth")

_PLACE_WORDS = (
    r"step|digit|line|part|item|figure|number|option|row|column|place|position|equation|eq|image|picture|case|sentence|"
    r"paragraph|question|problem|term"
)
_SMALL = "|".join(_UNITS[1:13])
#: Places, not values: "step 2", "digit 2 is", "equation (2)", "2nd", "2." at the beginning of a line, "第2步".
_PLACES = re.compile(
    rf"\b(?:{_PLACE_WORDS})s?\.?\s{{0,3}}[#(]?\s{{0,2}}(?:\d{{1,4}}|(?:{_SMALL})\b)\)?(?:\s?(?:,|and|or|to|-|–)\s?\d{{1,4}}\b)*"
    r"|\b\d{1,4}(?:st|nd|rd|th)\b"
    r"|^[ \t]{0,8}\(?\d{1,3}[.)](?=\s)"
    r"|第\s?[\d一二三四五六七八九十]{1,4}\s?(?:步|行|个|位|题|项|处|句|图|张|段)"
    r"|步骤\s?[\d一二三四五六七八九十]{1,4}",
    re.IGNORECASE | re.MULTILINE,
)
_STEP = re.compile(
    rf"\b(step|line|equation|sentence|paragraph)\s{{0,3}}[#(]?\s{{0,2}}(\d{{1,3}}|{_SMALL})\b"
    rf"|\b({'|'.join(_ORDINALS)}|\d{{1,3}}(?:st|nd|rd|th))\s(step|line|equation|sentence|paragraph)\b"
    r"|第\s?([\d一二三四五六七八九十]{1,3})\s?(?:步|行)",
    re.IGNORECASE,
)
_STATES = (
    r"(?:is|are|be|was|equals?|gives?|to|choose|pick|select|mark|answer|option|choice|means|[:=→]|应?(?:该)?[是为选])"
)
#: What cannot belong to a value on its left and right: "12" is in neither "112", "1.12", "x12", "12.5" nor "2D".
_BEFORE = r"(?<![a-z0-9_.^-])(?<!\d,)"
_AFTER = r"(?:\s?(?:mm|cm|km|m|kg|mg|g|ml|l|s|h|°c?))?(?![a-z0-9_%]|[.,]\d)"


def leaks_answer(report: str, example: Example, response: str) -> bool:
    """Whether `report` states the final answer, in whatever notation.

    Places ("step 2", "digit 2 is misread") are no values. What the question already says is no secret, and neither is
    what the response says; for yes/no and choice questions that is only an answer that the response itself gives, since
    the question names all of them.

    Args:
        report: the judge's mistake report.
        example: its `answer` is the secret.
        response: the policy's attempt that the report is about.
    """
    answer = _plain(example.answer)
    if not answer:
        return False
    stripped = _PLACES.sub(" ", _plain(report))
    if example.answer_type in ("yes_no", "choice"):
        if check_answer(response, example.answer, example.answer_type) is True:
            return False
        pattern = _verdict_pattern(example)
    else:
        pattern = _value_pattern(answer)
        if any(pattern.search(_PLACES.sub(" ", _plain(text))) for text in (response, example.question)):
            return False
    return pattern.search(stripped) is not None


def cut_to_location(report: str, step: int | None = None) -> str:
    """What remains of a report that must not say more than where the mistake is.

    Args:
        report: as the judge wrote it.
        step: the first wrong step, where the judge names it apart.
    """
    place = f"step {step}" if step is not None else location_of(report)
    return f"Mistake: {place} is wrong." if place else "Mistake: one of the steps is wrong."


def location_of(report: str) -> str | None:
    """The first step that a report points to, and nothing else of it: `step 2`."""
    match = _STEP.search(_plain(report))
    if match is None:
        return None
    word, number, ordinal, ordinal_word, chinese = match.groups()
    if chinese:
        return f"step {_number_of(chinese)}"
    return f"{word} {_number_of(number)}" if word else f"{ordinal_word} {_number_of(ordinal)}"


def _number_of(text: str) -> int:
    """A small number in digits or words."""
    digits = re.match(r"\d+", text)
    if digits:
        return int(digits[0])
    for words, first in ((_UNITS, 0), (_ORDINALS, 1)):
        if text in words:
            return words.index(text) + first
    value = 0
    for char in text:
        value = (value or 1) * 10 if char == "十" else value + _CHINESE.index(char)
    return value


def _plain(text: str) -> str:
    """Lower case, ordinary characters, LaTeX wrapping gone; lines stay lines."""
    text = unicodedata.normalize("NFKC", text.replace("\u2212", "-")).casefold()
    text = re.sub(
        r"\\(?:boxed|text|mathrm|mathbf|left|right|displaystyle)(?![a-z])|[${}*`\\\"'“”‘’]",
        lambda m: _unwrap(m[0]),
        text,
    )
    return re.sub(r"[^\S\n]+", " ", text).strip()


def _unwrap(token: str) -> str:
    return "\\" if token == "\\" else " " if token.startswith("\\") else ""


def _value_pattern(answer: str) -> re.Pattern[str]:
    """The answer as a value of its own, in the notations that a report may use."""
    number = _as_number(answer)
    forms = {_spaced(answer)} if number is None else _number_forms(number)
    return re.compile(_BEFORE + "(?:" + "|".join(sorted(forms, key=len, reverse=True)) + ")" + _AFTER)


def _spaced(text: str) -> str:
    """The words of a text with any white space between them, and around commas and operators none or some."""
    tokens = re.findall(r"\w+|[^\w\s]", text)
    return r"\s{0,3}".join(re.escape(token) for token in tokens) if tokens else re.escape(text)


def _as_number(answer: str) -> Fraction | None:
    text = answer.replace(",", "") if re.fullmatch(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?", answer) else answer
    match = re.fullmatch(r"(-?\d{1,12}(?:\.\d{1,9})?)(?:\s?/\s?(\d{1,9}))?", text)
    if match is None or (match[2] and int(match[2]) == 0):
        return None
    return Fraction(match[1]) / (int(match[2]) if match[2] else 1)


def _number_forms(number: Fraction) -> set[str]:
    """Patterns: digits with grouping and trailing zeros, words, Chinese numerals, fractions."""
    sign = "-" if number < 0 else ""
    size = abs(number)
    forms = set()
    if size.denominator == 1:
        whole = str(size.numerator)
        grouped = f"{size.numerator:,}".replace(",", r"[, ]?")
        forms |= {rf"{sign}{grouped}(?:\.0+)?", rf"{sign}{whole}(?:\.0+)?"}
        spelled = [_in_words(size.numerator), _in_chinese(size.numerator)]
        forms |= {("(?:minus|negative|负) ?" if sign else "") + word for word in spelled if word}
    else:
        forms.add(rf"{sign}{size.numerator}\s?/\s?{size.denominator}")
        forms.add(rf"{sign}\\[dt]?frac ?{size.numerator} ?{size.denominator}")
        decimal = f"{float(size):.10f}".rstrip("0")
        if Fraction(decimal) == size:
            forms.add(
                sign + re.escape(decimal).replace(r"0\.", r"0?\.", 1) + "0*"
                if decimal.startswith("0.")
                else sign + re.escape(decimal) + "0*"
            )
    return forms


def _in_words(number: int) -> str:
    if number < len(_UNITS):
        return _UNITS[number]
    if number < 100:
        tens, unit = divmod(number, 10)
        return _TENS[tens - 2] + (rf"[ -]?{_UNITS[unit]}" if unit else "")
    return ""


def _in_chinese(number: int) -> str:
    if number < 10:
        # A single numeral is in too many words ("一个", "第一") to be a value.
        return ""
    if number < 100:
        tens, unit = divmod(number, 10)
        numeral = (_CHINESE[tens] if tens > 1 else "") + "十" + (_CHINESE[unit] if unit else "")
        return f"(?<![{_CHINESE}十]){numeral}(?![{_CHINESE}十])"
    return ""


def _verdict_pattern(example: Example) -> re.Pattern[str]:
    """A yes, a no or a letter that is stated as the answer; alone it may mean anything."""
    stated = extract_answer(f"Answer: {example.answer}", example.answer_type) or example.answer
    if example.answer_type == "choice":
        letters = [re.escape(letter.strip().casefold()) for letter in stated.split(",")]
        value = r"[\s,和and]{1,6}".join(letters)
        return re.compile(
            rf"{_STATES}\s{{0,3}}(?:option |choice |选项)?\(?{value}\)?(?=[\s.,;!。，；)]|$)(?!\s[a-z])|\({value}\)"
        )
    words = "yes|true|是的?" if check_answer("Answer: yes", stated, "yes_no") is True else "no|false|否|不是"
    return re.compile(
        rf"(?:{_STATES}|so|hence|therefore|thus|answer)[,:]?\s{{0,3}}(?:definitely )?(?:{words})"
        r"(?=\s?(?:[.,;!。，；]|$)|\s(?:because|since|as|and)\b)"
    )
