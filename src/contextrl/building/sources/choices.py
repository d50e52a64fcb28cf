"""Options beside a question: written below it where it does not list them, and its answer as the letter of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from contextrl.answers import check_answer, extract_answer
from contextrl.answers.options import parse_choice
from contextrl.building.sources.options import (
    LETTERS,
    TWO,
    is_two,
    letter_of,
    options_in,
    with_options,
    without_letter,
)
from contextrl.building.sources.source import Found, Sick
from contextrl.data.columns import OPTIONS
from contextrl.evaluation.benchmarks.inline_options import split_options
from contextrl.records.example import AnswerType
from contextrl.records.jsonl import parse_json

NO_OPTION = "an answer that is none of the choices"
NO_OPTIONS = "choices that cannot be read, or that their letters do not tell apart"
#: Columns that hold an option each: `A`, `option_a`, `Choice B`.
_COLUMN = re.compile(r"(?:(?i:option|choice)[ _-]?([A-Ja-j])|([A-J]))")
#: What stands between options that a question lists without letters: `red, blue or green`, `1. red\n2. blue`.
_BETWEEN = re.compile(r"[\W_]*(?:or|and)?[\W_]*(?:\w{1,2}[.):\]]+)?[\W_]*")
_MOST_BETWEEN = 20
_NONE = ("none", "null", "nan", "n/a", "[]", "{}", "()", "")
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
_PRINTED = re.compile(rf"[\[(]\s*(?:(?:{_QUOTED.pattern})[\s,]*)+[\])]", re.DOTALL)
_LONGEST = 10_000
#: Whether they are counted from 0 or from 1 cannot be seen from a row.
_PLACE = " (if it counts the options, write letters in its place)"


@dataclass(frozen=True)
class Chosen:
    """A question whose options the policy sees.

    Attributes:
        answer: the letter of one; as it was where the question lists its options without letters.
        solution: ends with the letter where it ended with the option.
        answer_type: None where the answer is as it was.
    """

    question: str
    answer: str
    solution: str
    answer_type: AnswerType | None


def options_beside(columns: Mapping[str, Any], taken: Collection[str] = ()) -> object:
    """What a row has beside its question: the value of `options` or `choices`, or of columns `A`, `B`, ...; None where
    there is nothing.

    Args:
        taken: columns that hold something else.
    """
    free = {str(name): value for name, value in columns.items() if name not in taken and value not in (None, "")}
    by_name = {name.casefold(): value for name, value in reversed(free.items())}
    if (value := next((by_name[name] for name in OPTIONS if by_name.get(name)), None)) is not None:
        return value
    lettered = {
        (match[1] or match[2]).upper(): value for name, value in free.items() if (match := _COLUMN.fullmatch(name))
    }
    return lettered if {"A", "B"} <= lettered.keys() else None


def chosen(question: str, answer: str, solution: str, value: object) -> Chosen | Sick:
    """A question with its options, which are added where it does not list them.

    Args:
        solution: may be empty.
        value: what is beside the question, see `options_beside`.
    """
    asis = Chosen(question, answer, solution, None)
    texts = _texts(value)
    if _is_none(value) or (texts is not None and len(texts) < 2):
        return asis
    options = None if texts is None else options_in(texts)
    if options is None:
        return asis if split_options(question).options else Sick(NO_OPTIONS, str(value)[:200])
    listed = _as_listed(question, options)
    if listed is None and is_two(answer, options):
        return Sick(TWO, answer[:80])
    shown = options if listed is None else listed
    label = _label(answer, shown) if listed is None or answer.strip() not in LETTERS[: len(listed)] else answer.strip()
    if listed is None and _stand_together(question, options) and (label is None or _is_text(answer, options)):
        return asis
    if label is None:
        is_place = answer.strip().isdecimal() and int(answer) <= len(options)
        return Sick(NO_OPTION, f"{answer[:80]}{_PLACE if is_place else ''}")
    asked = with_options(question, options) if listed is None else question
    return Chosen(asked, label, ends_with(solution, label, lambda said: _label(said, shown)), "choice")


def with_choice(found: Found, value: object) -> Found | Sick:
    """The same of what a source has found."""
    one = chosen(found.question, found.answer, found.solution, value)
    if isinstance(one, Sick):
        return replace(one, id=found.id)
    kind = one.answer_type or found.answer_type
    return replace(found, question=one.question, answer=one.answer, solution=one.solution, answer_type=kind)


def _is_none(value: object) -> bool:
    """Whether a text says that there are no options, as columns of texts do."""
    return isinstance(value, str) and value.strip().casefold() in _NONE


def _texts(value: object) -> list[str] | None:
    """Texts of a list, an object by letters, or one of the two as JSON or as Python prints a list; None where it is
    none of these.
    """
    if isinstance(value, str):
        read, problem = parse_json(value.encode("utf-8", "replace"))
        value = read if problem is None else _printed(value) or [*split_options(f"\n{value}").options.values()] or None
    if isinstance(value, Mapping):
        value = _by_letter({str(name).strip(): text for name, text in value.items() if text not in (None, "")})
    if not isinstance(value, list | tuple):
        return None
    texts = [one for one in value if one not in (None, "")]
    if not all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in texts):
        return None
    return [str(one) for one in texts]


def _printed(text: str) -> list[str] | None:
    """The texts of a list as Python or numpy print it: `['cat', "dog's"]`, `['cat' 'dog']`; None where it is none."""
    if len(text) > _LONGEST or not _PRINTED.fullmatch(text.strip()):
        return None
    return [re.sub(r"\\([\\'\"])", r"\1", one or other) for one, other in _QUOTED.findall(text)]


def _by_letter(options: Mapping[str, Any]) -> object:
    """`{"A": "cat", "B": "dog"}`, or `{"label": ["A", "B"], "text": ["cat", "dog"]}`."""
    labels, texts = options.get("label"), options.get("text")
    if isinstance(labels, list) and isinstance(texts, list) and len(labels) == len(texts):
        options = dict(zip(map(str, labels), texts, strict=True))
    letters = sorted(options, key=str.upper)
    if [letter.upper() for letter in letters] != list(LETTERS[: len(letters)]):
        return None
    return [options[letter] for letter in letters]


def _as_listed(question: str, options: Sequence[str]) -> list[str] | None:
    """The options by the letters that a question lists them with; None where it does not list all of them so."""
    own = list(split_options(question).options.values())
    left, listed = {_plain(without_letter(option)): option for option in options}, list[str]()
    for place, text in enumerate(own):
        # The last goes on to the question's end: `D. four\nAnswer with a letter.`
        is_last = place == len(own) - 1
        same = [one for one in left if one == _plain(text) or (is_last and one and _plain(text).startswith(one))]
        best = max(same, key=len, default=None)
        listed.append(text if best is None else without_letter(left.pop(best)))
    return listed if own and not left else None


def _stand_together(question: str, options: Sequence[str]) -> bool:
    """Whether a question names its options one after another, without letters: `Is it red, blue or green?`"""
    text, (first, *others) = question.casefold(), [without_letter(option).casefold() for option in options]
    if not first:
        return False
    for match in re.finditer(rf"(?<!\w){re.escape(first)}(?!\w)", text):
        end = match.end()
        for other in others:
            start = text.find(other, end, end + _MOST_BETWEEN + len(other))
            if start <= end or not _BETWEEN.fullmatch(text, end, start):
                break
            end = start + len(other)
        else:
            if not text[end : end + 1].isalnum():
                return True
    return False


def _label(answer: str, options: Sequence[str]) -> str | None:
    """The letter, or letters, of an answer; None where it is none of the options."""
    if (letter := letter_of(answer, options)) is not None:
        return letter
    same = [letter for letter, option in zip(LETTERS, options, strict=False) if is_same(answer, without_letter(option))]
    if len(same) == 1:
        return same[0]
    several = parse_choice(answer) if re.fullmatch(r"[A-J](?:[\s,;&]*(?:and\s+)?[A-J])+", answer.strip()) else None
    return answer.strip() if several and several <= set(LETTERS[: len(options)]) else None


def ends_with(solution: str, label: str, named: Callable[[str], str | None]) -> str:
    """A solution that ends with an option's text, ended with its letter as well.

    Args:
        named: the letter of what a text says; None where it says no option.
    """
    if not solution.strip() or check_answer(solution, label, "choice") is True:
        return solution
    said = extract_answer(solution, "text")
    return f"{solution.rstrip()}\nAnswer: {label}" if said and named(said) == label else solution


def _is_text(answer: str, options: Sequence[str]) -> bool:
    return any(is_same(answer, without_letter(option)) for option in options)


def is_same(one: str, other: str) -> bool:
    """Whether two texts are one option: `$4$` and `4`, and 3 and 3.0, which columns of numbers write as they like."""
    number = _number(_plain(one))
    return _plain(one) == _plain(other) or (number is not None and number == _number(_plain(other)))


def _plain(text: str) -> str:
    """A text without what lists may write otherwise: spaces, dollars, a full stop."""
    return re.sub(r"[\s$]+", "", text).casefold().rstrip(".,;")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
