"""Free text: equal up to case, punctuation, articles and notation; different only where the words leave no doubt."""

from __future__ import annotations

import re
import unicodedata

from contextrl.answers.moments import moments_equal
from contextrl.answers.number_words import parse_words
from contextrl.answers.numbers import numbers_equal, parse_number, plain
from contextrl.answers.rounding import Tolerance
from contextrl.answers.vocabulary import class_of, classes_differ

_MAX_WORDS = 10


def _text_tokens(value: str) -> list[str]:
    """Split into normalised words and numbers; punctuation, articles, case and separators do not count."""
    value = plain(value).casefold().replace("'", "").replace("’", "")
    value = re.sub(r"(?<=\d)\s*-\s*(?=\d)", "\0", value)  # a range; any other dash before a digit is a sign
    tokens = re.findall(r"-?\d+(?:[./:\0]\d+)*|[^\W\d_]+|[^\w\s\0]", value.replace("_", " "))
    kept = [token for token in tokens if token[-1].isalnum() or unicodedata.category(token)[0] == "S"]
    words = [t for i, t in enumerate(kept) if t not in ("the", "an", "and") and (t != "a" or i == len(kept) - 1)]
    return words or kept


def _in_digits(tokens: list[str]) -> list[str]:
    """Number words as digits; `one` stays, which is a pronoun too."""
    found = [parse_words(token) if token.isalpha() and token != "one" else None for token in tokens]
    return [str(value) if value is not None else token for token, value in zip(tokens, found, strict=True)]


def _another_unit(response: str, reference: str) -> bool:
    """Whether the case of a letter makes another unit: 5 mW beside 5 MW."""
    if response == reference or not re.search(r"\d", response):
        return False
    numbers = parse_number(response), parse_number(reference)
    return bool(numbers[0] and numbers[1] and numbers[0].unit != numbers[1].unit)


def _marks(value: str) -> list[str]:
    """Signs behind a letter or a digit that make it another thing: C#, 5!, 5'."""
    return re.findall(r"(?<=[^\W\d_])#|(?<=\d)[!'′″\"](?!\w)", unicodedata.normalize("NFKC", value).replace("’", "'"))


def texts_equal(response: str, reference: str, tolerance: Tolerance | None = None) -> bool | None:
    """Compare two texts: numbers and units, dates and times, words; None where wording leaves room.

    Two words differ for certain only as numbers, as moments, or as members of a closed class (days, months, countries,
    sides, plain colours): a couch is a sofa, and no rule knows all such pairs.
    """
    predicted, gold = _text_tokens(response), _text_tokens(reference)
    if not predicted or not gold:
        return None
    if predicted == gold and not _another_unit(response, reference):
        return True if _marks(response) == _marks(reference) else None
    moment = moments_equal(response, reference)
    if not isinstance(moment, str):
        return moment
    if all(token[-1].isdigit() for token in predicted + gold):
        return _digits_equal(response, reference, tolerance)
    numbers = parse_number(response), parse_number(reference)
    if numbers[0] and numbers[1]:
        return numbers_equal(numbers[0], numbers[1], tolerance)
    if max(len(predicted), len(gold)) > _MAX_WORDS:
        return None
    spelled = _in_digits(predicted), _in_digits(gold)
    if spelled[0] == spelled[1]:
        return True
    members = class_of(" ".join(predicted)), class_of(" ".join(gold))
    if members[0] and members[0] == members[1]:
        return True
    if sorted(["not", *predicted]) == sorted(gold) or sorted(["not", *gold]) == sorted(predicted):
        return False
    return False if classes_differ(spelled[0], spelled[1]) else None


def _digits_equal(response: str, reference: str, tolerance: Tolerance | None) -> bool | None:
    """Numbers and lists of them, which are what they are; a comma may belong to a number or stand between two."""
    hours = [re.fullmatch(r"\s*0?(\d{1,2})(:00)?\s*", side) for side in (response, reference)]
    if hours[0] and hours[1] and hours[0][1] == hours[1][1]:
        return None  # 10 and 10:00
    without = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", f"{response}\n{reference}").split("\n")
    if len(without) == 2 and without != [response, reference] and _text_tokens(without[0]) == _text_tokens(without[1]):
        return None
    numbers = parse_number(response), parse_number(reference)
    if numbers[0] and numbers[1]:
        return numbers_equal(numbers[0], numbers[1], tolerance)
    return False
