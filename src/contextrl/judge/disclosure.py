"""Whether a mistake report gives the final answer away, and what is left of it if it must not."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from contextrl.answers import answers_equal, check_answer, extract_answer
from contextrl.answers.lookalikes import unmasked
from contextrl.answers.numbers import Number, numbers_equal, parse_number
from contextrl.judge.other_forms import angles, in_digits, other_values, said_relatively, time_pattern
from contextrl.judge.quantities import Token, prepare, readings, tokens
from contextrl.judge.report_options import states_option, verdict_pattern
from contextrl.judge.report_words import (
    ORDINALS,
    SMALL_WORDS,
    STATES,
    asked_places,
    plain_words,
    without_places,
    word_set,
)
from contextrl.records.example import Example

_STEP = re.compile(
    rf"\b(step|line|equation|sentence|paragraph)\s{{0,3}}[#(]?\s{{0,2}}(\d{{1,3}}|{SMALL_WORDS})\b"
    rf"|\b({'|'.join(ORDINALS)}|\d{{1,3}}(?:st|nd|rd|th))\s(step|line|equation|sentence|paragraph)\b"
    r"|第\s?([\d一二三四五六七八九十]{1,3})\s?(?:步|行)",
    re.IGNORECASE,
)
#: A single numeral is in too many words ("一个", "第一"), and so is "one": only after these it is a value.
_CHINESE_STATES = "是为於于得到：:=应"
_ONE_BEFORE = word_set(
    """
    the this that which each every any no another right wrong correct other first last next
    """
)
_ONE_AFTER = word_set(
    """
    of step way more another can should must may might has had cannot side that who which whose at by time thing point
    needs would could does is in
    """
)
_OPERATORS = set("+-*/^=<>≤≥≠±")


def leaks_answer(report: str, example: Example, response: str) -> bool:
    """Whether `report` states the final answer, in whatever notation.

    Numbers are compared by value, words without case, articles and plural, expressions sign by sign. Places ("step 2",
    "digit 2 is misread") are no values. What the question already says is no secret, and neither is what the response
    says; for yes/no and choice questions that is only an answer that the response itself gives, since the question
    names all of them.

    Args:
        report: the judge's mistake report.
        example: its `answer` is the secret.
        response: the policy's attempt that the report is about.
    """
    if not example.answer.strip():
        return False
    asked = asked_places(example.question)
    report = _plain(report)
    if example.answer_type in ("yes_no", "choice"):
        if check_answer(response, example.answer, example.answer_type) is True:
            return False
        pattern = verdict_pattern(example)
        if example.answer_type == "choice" and states_option(report, example, asked):
            return True
        return any(pattern.search(without_places(text, asked)) for text in readings(report))
    secret = _Secret(example.answer, is_angle=re.search(r"degrees?|angle|°", example.question) is not None)
    said = (response, example.question)
    # The report first: it is short, and most of them say nothing.
    is_in_report = secret.is_in(report, asked)
    hint = without_places(report[:_MOST_DERIVED].casefold(), asked)
    if not is_in_report and not secret.is_derived_from(hint):
        return secret.is_relative_to(extract_answer(response, "number"), hint)
    if any(secret.is_in(text, frozenset()) for text in said):
        return False
    return is_in_report or not any(secret.is_derived_from(text[-_MOST_DERIVED:].casefold()) for text in said)


#: Characters of a text that are looked through for derived values: a report has a few sentences.
_MOST_DERIVED = 8_000


#: A word whose letters are set apart: "t w e l v e", "P-a-r-i-s".
_SPACED = re.compile(r"(?<![^\W\d_])(?:[^\W\d_][ .*_-]){2,20}[^\W\d_](?![^\W\d_])")
_ESCAPED = re.compile(r"\\u00([2-7][0-9a-fA-F])")


def _plain(report: str) -> str:
    """The report as a reader sees it, and once more with words spelled by the letter or in other languages."""
    text = unmasked(html.unescape(_ESCAPED.sub(lambda match: chr(int(match[1], 16)), report)))
    joined = _SPACED.sub(lambda match: re.sub(r"[ .*_-]", "", match[0]), text)
    joined = in_digits(joined)
    return text if joined == text else f"{text}\n{joined}"


class _Secret:
    """An answer, as what is looked for."""

    def __init__(self, answer: str, *, is_angle: bool = False) -> None:
        self.answer, self.is_angle, self.time = answer, is_angle or "°" in prepare(answer), time_pattern(answer)
        text = re.sub(r"^\s*\$?\s*[A-Za-z](?:_\w)?\s*=\s*(?=\S)", "", answer.strip())
        read = [token for token in tokens(prepare(text)) if token.text not in "$€£¥().,;[]{}°!?"]
        self.values: set[Fraction] = set()
        self.decimals: int | None = None
        numbers = [token for token in read if token.value is not None]
        if len(numbers) == 1 and (len(read) == 1 or (len(read) == 2 and numbers[0] is read[0] and _is_word(read[1]))):
            number = numbers[0]
            assert number.value is not None
            self.values = {number.value, number.value * 100} if number.percent else {number.value}
            self.decimals = number.decimals
        self.unit = read[-1].text if self.values and len(read) == 2 else ""
        self.number: Number | None = parse_number(answer) if self.values else None
        signs = tokens(prepare(text), fold=False)
        self.is_expression = not self.values and any(
            token.text in _OPERATORS or token.text in ("sqrt", "pi") or _is_coefficient(token, after)
            for token, after in zip(signs, [*signs[1:], None][: len(signs)], strict=True)
        )
        self.words = _expression(signs) if self.is_expression else plain_words(read)
        self.bare = prepare(text)

    def is_in(self, text: str, asked: frozenset[str]) -> bool:
        """Whether a text states it, places apart."""
        for reading in readings(text):
            stripped = without_places(reading, asked)
            if self.values:
                found = tokens(stripped)
                if any(self._is_value(found, index) for index in range(len(found))):
                    return True
            elif not self.words:
                pattern = rf"{STATES}\s{{0,3}}{re.escape(self.bare)}(?=[\s.,;!。，；)]|$)" if self.bare else r"(?!)"
                if re.search(pattern, stripped):
                    return True
            elif self.is_expression:
                if _contains(_expression(tokens(stripped, fold=False)), self.words, glued=True):
                    return True
            elif _contains(plain_words(tokens(stripped)), self.words):
                return True
        return False

    def is_derived_from(self, text: str) -> bool:
        """Whether a text gives it in another base or unit, as a calculation or a ratio, or by its neighbours."""
        if self.is_expression:
            decimals = [token.text for token in tokens(prepare(text)) if (token.decimals or 0) > 1][:_MOST_FORMULAS]
            return any(answers_equal(part, self.answer, "math") is True for part in _formulas(text)) or any(
                answers_equal(decimal, self.answer, "math") is not False for decimal in decimals
            )
        if self.time is not None:
            return self.time.search(prepare(text)) is not None
        if self.is_angle and any(abs(angle - value) < 1 for angle in angles(text) for value in self.values):
            return True
        return bool(self.values) and (
            not self.values.isdisjoint(other_values(text)) or any(map(self._is_converted, _measured(text)))
        )

    def is_relative_to(self, answered: str | None, text: str) -> bool:
        """Whether a text says how far it is from what the response has answered."""
        number = parse_number(answered) if answered else None
        return number is not None and any(said_relatively(text, value, number.value) for value in self.values)

    def _is_converted(self, other: Number) -> bool:
        """5000 m are 5 km."""
        if self.number is None or not (self.number.measured and other.measured):
            return False
        return numbers_equal(other, self.number) is True

    def _is_value(self, found: Sequence[Token], index: int) -> bool:
        token = found[index]
        if token.value is None:
            return False
        equal = token.value in self.values or self._is_rounded(token)
        return equal and _stands_for_a_value(found, index)

    def _is_rounded(self, token: Token) -> bool:
        """A decimal that gives the answer's first digits, or a fraction whose first digits the answer is."""
        assert token.value is not None
        if token.decimals is None:
            exact = token.value.denominator > 1 and (self.decimals or 0) > 1
            return exact and any(
                abs(value - token.value) < Fraction(1, 10 ** (self.decimals or 0)) for value in self.values
            )
        digits = len(str(abs(token.value.numerator) * 10**token.decimals // token.value.denominator))
        if digits < 2 or (self.decimals or 99) <= token.decimals:
            return False
        unit = Fraction(1, 10**token.decimals) / (1 if digits > 2 else 2)
        return any(value.denominator > 1 and abs(value - token.value) < unit for value in self.values)


_MEASURED = re.compile(r"^\s?([a-z°µ/²³^]{1,20}\d?|[一-鿿]{1,4})(?![a-z])")
_MOST_MEASURED, _MOST_FORMULAS = 20, 6
#: Letters, numbers and operators in a row, with one operator at least.
_FORMULA = re.compile(
    r"(?<![a-z\d])(?:[a-z\d.(]|sqrt|pi)(?:[a-z\d.()]|(?<=[a-z])(?=qrt)|sqrt|pi|(?: ?[-+*/^=] ?)|\*\*){1,60}(?![a-z\d])"
)


def _measured(text: str) -> Iterator[Number]:
    """The numbers of a text that have a unit."""
    plain = prepare(text)
    found = [token for token in tokens(plain) if token.value is not None][:_MOST_MEASURED]
    for token in found:
        if unit := _MEASURED.match(plain[token.end : token.end + 24]):
            for length in range(len(unit[1]) if not unit[1].isascii() else 1, 0, -1):
                name = unit[1] if unit[1].isascii() else unit[1][:length]
                if (number := parse_number(f"{token.value} {name}")) is not None and number.measured:
                    yield number
                    break


def _formulas(text: str) -> Iterator[str]:
    """Formulas of a text in plain notation, and decimals; words of operators and numbers count as their signs."""
    plain = prepare(text)
    for word, sign in _SPOKEN.items():
        plain = re.sub(rf" {word}(?: by)? ", f" {sign} ", plain)
    pieces, done = [], 0
    for token in tokens(plain):
        is_word = token.value is not None and token.text.isalpha()
        pieces += [plain[done : token.start], str(token.value) if is_word else token.text]
        done = token.end
    plain = re.sub(r" ?([-+*/^()=]) ?", r"\1", "".join(pieces))
    plain = re.sub(r"(?<=[\d)]) (?=sqrt|pi)", "", re.sub(r"sqrt (\d+)", r"sqrt(\1)", plain))
    found = [match[0] for match in _FORMULA.finditer(plain) if re.search(r"[-+*/^]|sqrt|pi", match[0])]
    yield from found[:_MOST_FORMULAS]


def _stands_for_a_value(found: Sequence[Token], index: int) -> bool:
    """Whether a number is one, and not the numeral within a word or the pronoun "one"."""
    text, before = found[index].text, found[index - 1].text if index else ""
    after = found[index + 1].text if index + 1 < len(found) else ""
    if text == "one":
        pronoun = before in _ONE_BEFORE or (before == "only" and index > 1 and found[index - 2].text == "the")
        return not pronoun and after not in _ONE_AFTER
    if len(text) == 1 and "\u3400" <= text <= "\u9fff":
        ends = not after or not "\u3400" <= after[0] <= "\u9fff" or after[0] in "个個只条本张元米岁度，。"
        return before[-1:] in _CHINESE_STATES and before != "" and (ends or text != "一")
    return True


def _is_coefficient(token: Token, after: Token | None) -> bool:
    """The 2 of "2x"."""
    return token.value is not None and after is not None and after.start == token.end and after.text.isalpha()


def _is_word(token: Token) -> bool:
    return token.text[:1].isalpha() and token.value is None


_SPOKEN = {
    "times": "*",
    "plus": "+",
    "minus": "-",
    "equals": "=",
    "over": "/",
    "divided": "/",
    "squared": "^",
    "cubed": "^",
}


def _expression(signs: Sequence[Token]) -> list[str]:
    """Signs of an expression in one notation; brackets and signs of multiplication say nothing here."""
    found = []
    for token in signs:
        text = _SPOKEN.get(token.text, token.text)
        if token.value is not None:
            found.append(f"#{token.value}")
        elif text not in ("*", "(", ")", "[", "]", ",", "of", "by", "root", "the"):
            found.append("sqrt" if text == "square" else text)
        if token.text in ("squared", "cubed"):
            found.append("#2" if token.text == "squared" else "#3")
    return found


def _contains(words: Sequence[str], wanted: Sequence[str], *, glued: bool = False) -> bool:
    """Whether the words are in a row.

    Args:
        words: of the text.
        wanted: of the answer.
        glued: an expression, which a sign or number beside it makes part of another.
    """
    text, part = "\n" + "\n".join(words) + "\n", "\n" + "\n".join(wanted) + "\n"
    place = text.find(part)
    while glued and place >= 0:
        before, after = text[:place].rpartition("\n")[2], text[place + len(part) :].partition("\n")[0]
        binds = before in {"^", "_", "/", "-", "+"} or before[:1] == "#"
        if not (binds or after in {"^", "_", "/"} or after[:1] == "#" or (len(after) == 1 and after.isalpha())):
            return True
        place = text.find(part, place + 1)
    return place >= 0


def cut_to_location(report: str, step: int | None = None) -> str:
    """What remains of a report that must not say more than where the mistake is.

    Args:
        report: as the judge wrote it.
        step: the first wrong step, where the judge names it apart.
    """
    place = f"step {step}" if step is not None else location_of(report)
    return f"Mistake: {place} is wrong." if place else "Mistake: one of the steps is wrong."


def step_of(report: str) -> int | None:
    """Number of the first step that a report points to as such; None for one that names another place, or none."""
    word, _, number = (location_of(report) or "").partition(" ")
    return int(number) if word.lower() == "step" and number.isdecimal() and int(number) > 0 else None


def location_of(report: str) -> str | None:
    """The first step that a report points to, and nothing else of it: `step 2`."""
    match = _STEP.search(prepare(report))
    if match is None:
        return None
    word, number, ordinal, ordinal_word, chinese = match.groups()
    if chinese:
        return f"step {_number_of(chinese)}"
    return f"{word} {_number_of(number)}" if word else f"{ordinal_word} {_number_of(ordinal)}"


def _number_of(text: str) -> int:
    """A small number in digits or words, or an ordinal."""
    if text in ORDINALS:
        return ORDINALS[text]
    return next(int(token.value) for token in tokens(re.sub(r"(?<=\d)[a-z]+", "", text)) if token.value is not None)
