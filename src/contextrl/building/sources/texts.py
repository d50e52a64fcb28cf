"""What sources write: final answers within solutions, and fields of rows."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from contextrl.answers import extract_answer
from contextrl.answers.extraction import whole_answer
from contextrl.building.sources.source import Found
from contextrl.data.pictures import flat
from contextrl.data.raw_rows import RawRow, describe
from contextrl.errors import InputError

EMPTY_QUESTION = "an empty question"
#: GSM8K's mark, which sets of worked problems have taken over.
_HASHES = re.compile(r"\s*####\s*(\S[^\n]*?)\s*$")
#: Words of an answer at most: what is longer is a sentence that says more than the answer.
ANSWER_WORDS = 12
#: An answer first, then why: `Answer: cab. Rationale: ...`, on one line or two.
_LED = re.compile(
    r"([^\n]{1,120}?)(?:\n|[.。]\s)[*_\s]*(?:rationale|explanation|justification|reason(?:ing)?|because)[*_]*\s*[:：][*_]*(.+)",
    re.DOTALL | re.IGNORECASE,
)
#: A box of an earlier question of several: `(1) ... \boxed{3} ... (2) ... \boxed{4}`.
_PARTS = re.compile(r"[(（]1[)）](?:(?![(（]2[)）]).)*\\boxed\s*\{.*[(（]2[)）].*\\boxed\s*\{", re.DOTALL)
#: What stands around answers, or before them.
_WRAPPED = re.compile(
    r"\\boxed\s*\{|<answer>|</think>|####|^\s*(?:the\s+)?(?:final\s+)?(?:answer\s*(?:is\b|[:：])|答案)",
    re.IGNORECASE | re.MULTILINE,
)
_WORD = re.compile(r"\w+")
_AROUND_ANSWERS = {
    *("therefore", "thus", "hence", "so", "then", "the", "correct", "final", "right"),
    *("answer", "option", "choice", "is", "are", "boxed", "text"),
}
#: A label with nothing behind it.
_LABEL = re.compile(r"\W*(?:the\s+)?(?:final\s+)?answer(?:\s+is)?\W*", re.IGNORECASE)
_INITIALS = re.compile(r"(?<![^\W_])(?:[A-Za-z]\.)+[A-Za-z]\Z")
_MARKERS = re.compile(r"<image(?:[ _-]?\d+)?>", re.IGNORECASE)
_NUMBERED = re.compile(r"<image[ _-]?(\d+)>", re.IGNORECASE)
_AROUND = re.compile(r"\A(?:\s*<image>)+|(?:<image>\s*)+\Z", re.IGNORECASE)


def stated(text: str) -> tuple[str, str] | None:
    """(solution, answer) of what a source has as its answer: a worked solution that ends with it, or the bare answer,
    whose solution is empty. None where no final answer is found.
    """
    text = text.strip()
    if (hashes := _HASHES.search(text)) is not None:
        # Written as every verifier reads it.
        worked = text[: hashes.start()].rstrip()
        return (f"{worked}\nAnswer: {hashes[1]}", hashes[1]) if worked else ("", hashes[1])
    if (led := _LED.fullmatch(text)) is not None:
        text = f"{led[2].strip()}\nAnswer: {extract_answer(led[1], 'text') or led[1]}"
    if _in_parts(text):
        return None
    answer = None if _LABEL.fullmatch(text) else whole_answer(text, "text")
    if answer is None or len(answer.split()) > ANSWER_WORDS:
        return None
    if _INITIALS.search(answer) and f"{answer}." in text:
        answer += "."  # `10 p.m.` ends with its own
    is_bare = (len(text) - len(answer) < 20 and "\n" not in text) or is_only(text, answer)
    return ("" if is_bare else text), answer


def unwrapped(found: Found) -> Found:
    """What a source has found, where its answer is more than an answer: `<answer>3</answer>`, `The answer is B`, a
    worked solution that ends with one. That is its solution then, unless it has another.
    """
    said = stated(found.answer) if _WRAPPED.search(found.answer) else None
    return found if said is None else replace(found, answer=said[1], solution=found.solution or said[0])


def is_only(solution: str, answer: str) -> bool:
    """Whether a solution is the answer and no more: `Therefore, the correct option is (B).`, `<answer> 3 </answer>`."""
    words = [word for word in _WORD.findall(solution) if word.casefold() not in _AROUND_ANSWERS]
    return len(words) <= len(_WORD.findall(answer))


def _in_parts(text: str) -> bool:
    """Whether a text answers several questions, each in a box of its own: the last is not the answer to all."""
    return text.count("\\boxed") > 1 and _PARTS.search(text) is not None


def markers_in(text: str) -> int:
    """How many `<image>` markers a text has."""
    return len(_MARKERS.findall(text))


def marked(text: str, pictures: int) -> str:
    """A question of a set that has one marker for each picture, or numbers them: those within it stay where they are;
    those before or after all text are left out, and so are all where they are not as many as its pictures.
    """
    inner, without = _AROUND.sub("", text.strip()).strip(), without_markers(text)
    plain = inner.casefold().count("<image>")
    numbers = {int(number) for number in _NUMBERED.findall(text)}
    if without and not plain and numbers and numbers == {*range(1, pictures + 1)}:
        return text.strip()
    return inner if plain and plain == pictures == markers_in(text) else without


def without_markers(text: str) -> str:
    """Text without `<image>` markers, for sources that set them as it happens: pictures then come first."""
    return _MARKERS.sub(" ", text).strip()


def text_of(row: RawRow, field: str, *, empty: bool = False) -> str:
    """A field that holds text.

    Args:
        empty: it may hold none.

    Raises:
        InputError: it is not there, or holds something else.
    """
    value = field_of(row, field, optional=empty)
    if empty and value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or (not empty and not value.strip()):
        found = describe(value) if not isinstance(value, str) else "an empty string"
        raise InputError("text", found=found, where=f"{row.where}, field {field!r}")
    return value.strip()


def list_of(row: RawRow, field: str) -> list[Any]:
    """A field that holds a list.

    Raises:
        InputError: it is not there, or holds something else.
    """
    value = field_of(row, field)
    if not isinstance(value, list | tuple):
        raise InputError("a list", found=describe(value), where=f"{row.where}, field {field!r}")
    return list(value)


def field_of(row: RawRow, field: str, *, optional: bool = False) -> Any:
    """What a row has in a field.

    Raises:
        InputError: it has no such field.
    """
    if field not in row.columns and not optional:
        found = ", ".join(map(str, row.columns))[:200] or "none"
        raise InputError(f"a field {field!r}, as its schema has", found=f"the fields {found}", where=row.where)
    return row.columns.get(field)


def pictures_of(row: RawRow, field: str) -> list[object]:
    """Pictures of a field that holds one, a list of them, or null."""
    value = field_of(row, field)
    return [one for one in flat(value) if one is not None]


def numbers_of(values: Mapping[str, Any]) -> dict[str, float]:
    """Those of some values that are numbers, and no NaN."""
    numbers = {name: v for name, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return {name: float(v) for name, v in numbers.items() if math.isfinite(v)}
