"""Final answers: what a response states last, and whether that equals the reference.

Every comparison has three outcomes. `True` and `False` are confident; `None` is doubtful (a side is not of
the answer's type, or wording, units or rounding leave room) and is for a judge that can read.
Responses are untrusted: nothing is evaluated, inputs are bounded, and nothing here raises.
"""

from __future__ import annotations

import importlib
import logging
import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from contextrl.data.example import AnswerType

#: Characters searched for a statement, from the end: the last statement counts, and the cost stays bounded.
_TAIL_CHARS = 20_000
#: Longer answers are not parsed as mathematics: it is superlinear, and off the main thread has no time limit.
_MAX_MATH_CHARS = 400
#: Longer values are not final answers: only an identical one is equal.
_MAX_ANSWER_CHARS = 2_000
#: Statements that are tried, from the last, until one is of the answer's type.
_MAX_STATEMENTS = 20
_MAX_NUMBER_CHARS = 120

_VERB = r"(?:is|are|should be|must be|would be|equals)\b(?!\s+not\b)\s*[:：]?"
_STATEMENT = re.compile(
    r"(?<![A-Za-z])(?:ans(?:wers?)?|(?:correct|right|best|final) (?:option|choice|result|value))"
    r"(?:\s+to\s+(?:\w+\s+){1,4}?)?(?:\s*\([^()\n]{0,40}\))?[\"'”]?\s*(?:" + _VERB + r"|[:：=])",
    re.IGNORECASE,
)
_STATEMENT_ZH = re.compile(r"答案(?:应该|应|就)?(?:是|为|[:：])[:：]?")
_HEADING = re.compile(r"^#+[ \t]*(?:final[ \t]+)?answer[ \t]*$|^####(?=[ \t]*[^#\s])", re.IGNORECASE | re.MULTILINE)
_ANSWER_TAG = re.compile(r"<answer>([^<]*)</answer>", re.IGNORECASE)
_CHOICE_IS_RIGHT = re.compile(
    r"(?<![A-Za-z])[(\[]?([A-J])[)\].]?\s+is\s+(?:therefore\s+)?(?:the\s+)?"
    r"(?:(?:correct|right|best|final)(?:\s+(?:answer|option|choice))?|answer)\b"
)
_CHOICE_ZH = re.compile(r"(?:故选|应选|答案选|选择|选)(?!项)\s*[:：]?\s*[(（]?\s*([A-J])(?![A-Za-z])")
_BOLD = re.compile(r"(?<![\w)*])\*\*(?=\S)([^*\n]+)\*\*(?!\w)")
_VALUE = re.compile(r"\s*(?:(?:\$\$|\\\[|```)[ \t]*\n\s*)?([^\n]{1,2000})")
_CLAUSE = re.compile(r"[,;，；]?\s+(?:because|since|which|as shown|based on|given that)\b|因为", re.IGNORECASE)
# A period ends a sentence unless it follows an initial or a title; a decimal point has no space after it.
_SENTENCE_END = re.compile(
    r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bMrs)(?<!\bSt)(?<!\bNo)(?<!\bvs)(?<!\b[A-Z])[.!?](?=\s)|[。！？]"
)
_WRAPPED = re.compile(r"\\(?:boxed|fbox|text|textbf|mathrm|mathbf|textit)\s*\{([^{}]*)\}", re.DOTALL)
_PAIRS = {
    '"': '"',
    "'": "'",
    "“": "”",
    "‘": "’",
    "`": "`",
    "「": "」",
    "《": "》",
    "$": "$",
    "*": "*",
    "_": "_",
}

_LETTER = r"[(\[{<]?[A-J](?![A-Za-z])[)\]}>]?"
_LETTERS = re.compile(
    r"(?:the\s+)?(?:(?:options?|choices?|letters?)\s+|选项\s*)?"
    rf"(?P<list>[A-J]{{2,5}}(?![^\W_])|{_LETTER}(?:\s*(?:,|、|;|&|/|\band\b|\bor\b|或|和)\s*{_LETTER})*)"
    r"(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_YES_NO = re.compile(
    r"(?P<yes>yes|true|是的|是|对|正确|y(?![\w/]))|"
    r"(?P<no>no(?!\w| idea)|false|否|不是的|不是|不对|错误|不|n(?![\w/]))",
    re.IGNORECASE,
)
_HEDGE = re.compile(r"\b(?:and|or|not sure|maybe|unsure)\b|或|和", re.IGNORECASE)

_SUPERSCRIPT = re.compile(r"[⁰¹²³⁴-⁹⁻]+")
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
_APPROX = re.compile(r"^(?:about|approximately|approx\.?|around|roughly|nearly|≈|~|\\approx)\s*", re.IGNORECASE)


# --- extraction -----------------------------------------------------------------------------------


def extract_answer(text: str, answer_type: AnswerType) -> str | None:
    """Return the final answer that `text` states last, without its wrapping, or None if it states none.

    A statement is `Answer: X`, `the answer is X`, `答案是X`, `\\boxed{X}`, `<answer>X</answer>`,
    or a bare answer on its own. One whose value cannot be of the type ("the answer is clear" for a
    number) is passed over. Choices come back as letters (`C`, or `B, D`). Never raises.
    """
    # Runs of white space are where the patterns below would backtrack.
    text = re.sub(r"\n\s*\n", "\n\n", re.sub(r"[^\S\n]+", " ", text[-_TAIL_CHARS:]))
    text = _BOLD.sub(r"\1", text)
    for _, value in sorted(_statements(text, answer_type), reverse=True)[:_MAX_STATEMENTS]:
        answer = _typed(value, answer_type)
        if answer is not None:
            return answer
    return _bare_answer(text, answer_type)


def _statements(text: str, answer_type: AnswerType) -> Iterator[tuple[int, str]]:
    """Yield (position, raw value) of everything that states an answer."""
    for pattern in (_STATEMENT, _STATEMENT_ZH, _HEADING):
        for match in pattern.finditer(text):
            value = _VALUE.match(text, match.end())
            if value:
                yield match.start(), value[1]
    yield from _boxed(text)
    yield from ((match.start(), match[1][:_MAX_ANSWER_CHARS]) for match in _ANSWER_TAG.finditer(text))
    if answer_type == "choice":
        for pattern in (_CHOICE_IS_RIGHT, _CHOICE_ZH):
            yield from ((match.start(), match[1]) for match in pattern.finditer(text))


def _boxed(text: str) -> Iterator[tuple[int, str]]:
    """Yield (position, content) of each closed `\\boxed{...}`, in one pass whatever the nesting."""
    if "boxed" not in text:
        return
    open_braces: list[tuple[int, bool]] = []
    for match in re.finditer(r"\\boxed\s*\{|\\.|[{}]", text):
        if match[0] == "}":
            if open_braces:
                start, is_box = open_braces.pop()
                if is_box:
                    yield start, text[start : min(match.start(), start + _MAX_ANSWER_CHARS)]
        elif match[0].endswith("{") and match[0] != r"\{":
            open_braces.append((match.end(), match[0] != "{"))


def _typed(value: str, answer_type: AnswerType) -> str | None:
    """Return the part of a statement's value that is the answer, or None if it cannot be of the type."""
    value = unicodedata.normalize("NFKC", value) if answer_type in ("choice", "yes_no") else value
    if answer_type == "choice":
        return _choice_in(_unwrap(value))
    value = _CLAUSE.split(value, maxsplit=1)[0]
    value = _unwrap(_SENTENCE_END.split(value, maxsplit=1)[0])
    if answer_type == "yes_no":
        word = _YES_NO.match(value)
        return word[0] if word and _yes_no(value) is not None else None
    if answer_type in ("number", "math") and value.startswith("$") and value.count("$") == 2:
        inner, _, after = value[1:].partition("$")
        value = _unwrap(inner if answer_type == "math" else f"{inner} {after}")
    if answer_type == "number" and not re.search(r"\d|[½¼¾⅓⅔]", value) and _parse_number(value) is None:
        return None
    return value or None


def _bare_answer(text: str, answer_type: AnswerType) -> str | None:
    """Return the answer of a text that is nothing but an answer, or whose last line is."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    last, whole = _unwrap(lines[-1]), len(lines) == 1
    if answer_type == "choice":
        letters = _parse_choice(last)
        alone = letters is not None and (whole or re.fullmatch(r"[^A-Za-z]*(?:[A-J][^A-Za-z]*)+", last))
        return ", ".join(sorted(letters)) if letters and alone else None
    if answer_type == "yes_no":
        if _yes_no(last) is not None and len(last) <= 5:
            return last
        return _typed(lines[0], "yes_no")
    if answer_type == "number":
        return last if _parse_number(last) is not None else None
    if answer_type == "math":
        return last if last and len(last) <= 100 and not _is_prose(last) else None
    return last if whole and last and len(last) <= 80 and not last.endswith(":") else None


def _unwrap(value: str) -> str:
    """Strip quotes, markdown, math delimiters, boxes and trailing punctuation from around an answer."""
    for _ in range(6):
        before = value
        value = value.strip().removeprefix("\\(").removesuffix("\\)").removeprefix("\\[").removesuffix("\\]").strip()
        value = value.lstrip("*` ").rstrip(".,;:?。，；：！？、`* ")
        if re.search(r"[^\W\d_]{2}!$", value):  # an exclamation, not a factorial
            value = value[:-1]
        while value.endswith("}") and value.count("{") < value.count("}"):
            value = value[:-1].rstrip()
        if len(value) > 1 and _PAIRS.get(value[0]) == value[-1] and value.count(value[0]) <= 2:
            value = value[1:-1]
        elif len(value) > 3 and value.startswith("$$") and value.endswith("$$"):
            value = value[2:-2]
        elif value[:1] in ("*", "`", '"', "“") and value.count(value[:1]) == 1:
            value = value[1:]
        elif value[-1:] in ('"', "”", "$") and value.count(value[-1:]) == 1:
            value = value[:-1]
        elif wrapped := _WRAPPED.fullmatch(value):
            value = wrapped[1]
        elif value.startswith("\\boxed{") and next(_boxed(value), (0, ""))[1] == value[7:-1]:
            value = value[7:-1]
        if value == before:
            break
    return value


# --- choice and yes/no ----------------------------------------------------------------------------


def _choice_in(value: str) -> str | None:
    letters = _parse_choice(value)
    if letters:
        return ", ".join(sorted(letters))
    if letters is not None:
        return value  # "A or B": stated, but not one answer
    marked = {a or b for a, b in re.findall(r"\(([A-J])\)|\boption ([A-J])\b", value)}
    return marked.pop() if len(marked) == 1 else None


def _parse_choice(value: str) -> frozenset[str] | None:
    """Return the letters that `value` starts with; empty for a hedge ("A or B"), None if it names none."""
    value = _unwrap(unicodedata.normalize("NFKC", value))
    value = _WRAPPED.sub(r"\1", value).replace("$", "").strip()
    match = _LETTERS.match(value)
    if match is None:
        return None
    listed, rest = match["list"], match["rest"]
    ends_here = not rest.strip() or rest[0] in ".:)]},;、"
    if len(listed) > 1 and listed.isalpha():
        in_order = listed.isupper() and list(listed) == sorted(set(listed))
        return frozenset(listed) if in_order and ends_here else None
    if re.match(r"[A-Za-z'’_]", rest):
        return None
    if re.search(r"\bor\b|/|或", listed, re.IGNORECASE):
        return frozenset()
    if not ends_here:
        listed = re.split(r"(?<=[A-Ja-j])\b|(?<=[)\]}>])", listed, maxsplit=1)[0]  # "B, A is wrong" states only B
    bracketed = listed[0] in "([{<"
    if not bracketed and listed[0].islower() and not ends_here:
        return None
    # "A cat" and "I think" are words, not choices.
    if not bracketed and listed[:1] in "AI" and re.match(r"\s+(?!because|since|as\b)[a-z]", rest):
        return None
    return frozenset(re.findall(r"\b[A-J]\b", listed.upper()))


def _yes_no(value: str) -> bool | None:
    value = _unwrap(unicodedata.normalize("NFKC", value))
    match = _YES_NO.match(value)
    if match is None:
        return None
    rest = value[match.end() :]
    if rest[:1].isalpha() or re.match(r"\s*/", rest):
        return None
    other = _YES_NO.search(rest) if _HEDGE.search(rest[:12]) else None
    return None if other else match["yes"] is not None


# --- numbers --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Number:
    """A parsed number. `decimals` is None for a fraction or a scaled number, which claim no precision."""

    value: Fraction
    decimals: int | None
    percent: bool = False
    unit: str = ""

    def scaled(self, power: int) -> _Number:
        decimals = None if self.decimals is None else max(self.decimals - power, 0)
        return _Number(self.value * Fraction(10) ** power, decimals, False, "")


def _plain(value: str) -> str:
    """Rewrite Unicode and LaTeX numbers to ASCII, keeping apart what NFKC would merge (5² is not 52)."""
    value = _SUPERSCRIPT.sub(r"^\g<0>", value)
    value = re.sub(r"(?<=\d)(?=[¼½¾⅐-⅞])", " ", value)
    value = re.sub(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))", "", value)
    value = re.sub("[−–—]", "-", unicodedata.normalize("NFKC", value)).replace("⁄", "/")
    if "\\" in value or "{" in value:
        value = re.sub(r"(?<=\d)(?:\\[,!]|\{,\})(?=\d{3})", "", value)
        value = re.sub(r"\^\s*\{?\s*\\circ\s*\}?", "°", value)
        value = _FRAC.sub(lambda m: f"{m[1]} {m[2]}/{m[3]}" if m[1] else f"{m[2]}/{m[3]}", value)
        value = re.sub(r"\\(?:left|right|displaystyle)(?![A-Za-z])|\\[,;:! ]", " ", value)
        value = value.replace("\\times", "×").replace("\\cdot", "·").replace("\\%", "%").replace("\\$", "$")
        value = _WRAPPED.sub(r" \1", value)
    return value.strip()


def _parse_number(value: str) -> _Number | None:
    """Parse one number with an optional unit; None for anything else (two numbers, a formula, prose)."""
    if len(value) > _MAX_NUMBER_CHARS:
        return None
    value = _unwrap(_plain(_unwrap(value)))
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


def _with_unit(number: Fraction, decimals: int | None, match: re.Match[str]) -> _Number | None:
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
    return _Number(number, decimals, percent is not None, unit)


def _close(response: _Number, reference: _Number, tolerance: float) -> bool | None:
    """Compare two values; None where one only looks like a coarser rounding of the other."""
    found, wanted = response.value, reference.value
    if found == wanted:
        return True
    if response.decimals == 0 and reference.decimals == 0:
        return False  # integers are counted, not measured: 1999 is not 2000
    if abs(found - wanted) <= Fraction(tolerance) * abs(wanted) or (
        reference.decimals and _rounded(found, reference.decimals) == wanted
    ):
        return True
    if response.decimals and _rounded(wanted, response.decimals) == found:
        return None
    return None if reference.decimals == 0 and _rounded(found, 0) == wanted else False


def _rounded(value: Fraction, decimals: int) -> Fraction:
    """Round half away from zero, as people do (Python's round goes to even)."""
    scale = 10**decimals
    return Fraction(math.floor(abs(value) * scale + Fraction(1, 2)) * (1 if value > 0 else -1), scale)


def _numbers_equal(response: _Number, reference: _Number, tolerance: float) -> bool | None:
    outcome = _close(response, reference, tolerance)
    if response.percent != reference.percent and outcome is not True:
        # 50 % is 0.5; whether it is also 50 is settled above.
        rescaled = response.scaled(-2) if response.percent else response.scaled(2)
        outcome = _close(rescaled, reference, tolerance)
    if response.unit == reference.unit:
        return outcome
    one_sided = not response.unit or not reference.unit
    return True if outcome and one_sided else None  # 1.5 h may be 90 min: not ours to say


# --- text -----------------------------------------------------------------------------------------


def _text_tokens(value: str) -> list[str]:
    """Split into normalised words and numbers; punctuation, articles, case and separators do not count."""
    value = _plain(value).casefold().replace("'", "").replace("’", "")
    value = re.sub(r"(?<=\d)\s*-\s*(?=\d)", "\0", value)  # a range; any other dash before a digit is a sign
    tokens = re.findall(r"-?\d+(?:[./:\0]\d+)*|[^\W\d_]+|[^\w\s\0]", value.replace("_", " "))
    kept = [token for token in tokens if token[-1].isalnum() or unicodedata.category(token)[0] == "S"]
    words = [t for i, t in enumerate(kept) if t not in ("the", "an", "and") and (t != "a" or i == len(kept) - 1)]
    return words or kept


def _texts_equal(response: str, reference: str) -> bool | None:
    found, wanted = _text_tokens(response), _text_tokens(reference)
    if not found or not wanted:
        return None
    if found == wanted:
        return True
    if all(token[-1].isdigit() for token in found + wanted):
        thousands = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", f"{response}\n{reference}").split("\n")
        return None if _text_tokens(thousands[0]) == _text_tokens(thousands[-1]) else False
    one_contains_the_other = set(found) <= set(wanted) or set(wanted) <= set(found)
    # Long wordings differ without disagreeing, and a shorter one may be the same thing said with less detail.
    return None if one_contains_the_other or "".join(found) == "".join(wanted) or len(found + wanted) > 10 else False


# --- mathematics ----------------------------------------------------------------------------------

_FUNCTIONS = r"(?<![\\A-Za-z])(sin|cos|tan|cot|sec|csc|log|ln|exp|pi|theta|alpha|beta)(?![A-Za-z])"
_COSTLY = re.compile(
    r"!|\\(?:sum|prod|int|i+nt|oint|binom|[dt]binom|lim|det|gcd|operatorname|begin)(?![A-Za-z])|\*\*|%"
)


def _latex(value: str) -> str:
    """Bring plain notation (√3, 2*pi, x^2) to the LaTeX that math-verify reads."""
    value = re.sub(r"\\left(?![a-z])|\\right(?![a-z])|\\[,;:! ]|\$", "", _unwrap(value))
    value = _SUPERSCRIPT.sub(lambda m: "^{" + unicodedata.normalize("NFKC", m[0]).replace("−", "-") + "}", value)
    value = value.replace("−", "-").replace("π", "\\pi ").replace("×", "\\times ").replace("·", "\\cdot ")
    value = value.replace("≤", "\\le ").replace("≥", "\\ge ").replace("∞", "\\infty ").replace("°", "^\\circ ")
    value = re.sub(r"(?:√|(?<![\\A-Za-z])sqrt)\s*(?:\(([^()]*)\)|(\w+))", r"\\sqrt{\1\2}", value)
    value = re.sub(r"\\[dt]frac(?![a-z])", r"\\frac", re.sub(r"(?<!\*)\*(?!\*)", r"\\cdot ", value))
    return re.sub(_FUNCTIONS, r"\\\1 ", value).strip()


def _is_prose(value: str) -> bool:
    """Whether words remain once commands and \\text{} are gone: sympy would multiply their letters."""
    symbols = re.sub(r"\\(?:text|mathrm)\s*\{[^{}]*\}", " ", _latex(value))
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
    if not latex or _is_prose(latex) or not _is_cheap(latex):
        return None
    parse, _, config = _math_verify()
    parsed = parse(f"${latex}$", extraction_config=config, fallback_mode="no_fallback", parsing_timeout=None)
    return parsed[0] if parsed and not isinstance(parsed[0], str) else None


def _maths_equal(response: str, reference: str, tolerance: float) -> bool | None:
    found, wanted = _latex(response), _latex(reference)
    if re.sub(r"\s", "", found) == re.sub(r"\s", "", wanted):
        return True
    pairs = _coordinates(found), _coordinates(wanted)
    if pairs[0] and pairs[1]:
        # math-verify reads (4, 3) as an interval, which is empty, and all empty sets are equal.
        if len(pairs[0]) != len(pairs[1]):
            return False
        outcomes = [answers_equal(a, b, "math", tolerance=tolerance) for a, b in zip(*pairs, strict=True)]
        return False if False in outcomes else None if None in outcomes else True
    left, right = _parse_math(wanted), _parse_math(found)
    if left is None or right is None:
        return None
    _, verify, _ = _math_verify()
    if verify(left, right, timeout_seconds=None):
        return True
    return _approximately_equal(found, wanted, right, left, tolerance)


def _coordinates(latex: str) -> list[str]:
    """Split `(a, b)` at its commas; empty for anything else."""
    inner = latex[1:-1]
    flat = latex.startswith("(") and latex.endswith(")") and not re.search(r"[()\[\]]", inner)
    return inner.split(",") if flat and "," in inner else []


def _approximately_equal(found: str, wanted: str, left: Any, right: Any, tolerance: float) -> bool | None:
    """Compare 2π with 6.2832: a decimal on one side is an approximation of a constant on the other."""
    if "." not in found + wanted or not all(getattr(side, "is_number", False) for side in (left, right)):
        return False
    numbers = [
        _parse_number(text) or _Number(Fraction(float(side.evalf())), None)
        for side, text in ((left, found), (right, wanted))
    ]
    return _close(numbers[0], numbers[1], tolerance)


# --- comparison -----------------------------------------------------------------------------------


def answers_equal(response: str, reference: str, answer_type: AnswerType, *, tolerance: float = 1e-3) -> bool | None:
    """Compare two extracted answers.

    Args:
        response: the policy's answer, untrusted.
        reference: the reference answer; rounding is judged by its decimals.
        answer_type: how to compare.
        tolerance: relative to the reference, for numbers with decimals. Two integers are compared exactly.

    Returns:
        True or False if both sides are of the type; None if doubtful (a side is not, or units or wording
        differ in a way that a rule cannot settle). Never raises.
    """
    if not response.strip() or not reference.strip():
        return None
    if max(len(response), len(reference)) > _MAX_ANSWER_CHARS:
        return True if response.strip() == reference.strip() else None
    try:
        return _compare(response, reference, answer_type, tolerance)
    except Exception:  # sympy raises anything on expressions it cannot handle: that says nothing about the answer
        return None


def _compare(response: str, reference: str, answer_type: AnswerType, tolerance: float) -> bool | None:
    if answer_type == "choice":
        letters = _parse_choice(response), _parse_choice(reference)
        if letters[0] and letters[1]:
            return letters[0] == letters[1]
    elif answer_type == "yes_no":
        verdicts = _yes_no(response), _yes_no(reference)
        if None not in verdicts:
            return verdicts[0] == verdicts[1]
    elif answer_type == "text":
        return _texts_equal(_unwrap(response), _unwrap(reference))
    else:
        found, wanted = _parse_number(response), _parse_number(reference)
        if found is not None and wanted is not None:
            return _numbers_equal(found, wanted, tolerance)
        if answer_type == "math":
            return _maths_equal(response, reference, tolerance)
    same = _unwrap(response).casefold() == _unwrap(reference).casefold()
    return True if same else None


def check_answer(response_text: str, example_answer: str, answer_type: AnswerType) -> bool | None:
    """Whether a response's final answer equals the example's; None if it states none or if in doubt."""
    extracted = extract_answer(response_text, answer_type)
    return None if extracted is None else answers_equal(extracted, example_answer, answer_type)
