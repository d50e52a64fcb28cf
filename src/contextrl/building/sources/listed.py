"""Options that a question lists itself: its answer, however its set writes it, as the letter of one of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from contextrl.answers import answers_equal, extract_answer
from contextrl.answers.numbers import parse_number
from contextrl.answers.options import parse_choice
from contextrl.building.sources.choices import ends_with, is_same
from contextrl.building.sources.options import LETTERS
from contextrl.building.sources.source import Found, Sick
from contextrl.building.stems import parts, without_instructions
from contextrl.evaluation.benchmarks.inline_options import Asked, split_options

TWICE = "the right option twice in the list"
CONTRADICTS = "a letter and what another option says"
#: `option D`, for options that are in the picture.
_NAMED = re.compile(r"(?:option|choice)\s*[:：]?\s*[(\[]?([A-J])[)\]]?\.?", re.IGNORECASE)
_SEVERAL = re.compile(r"[A-J]{2,10}|[(\[]?[A-J][)\]]?(?:[\s,;&、，]*(?:and\s+|和)?[(\[]?[A-J][)\]]?)+\.?")
#: A letter, what closes it, and the option's text: `B) Two`, `Option C: four`, `B．狗`.
_WITH_TEXT = re.compile(
    r"(?:(?:option|choice|answer)[\s:]+)?[(\[（]?([A-J])(?:[)\]）]|[.:．：、](?!\S*[A-J]\.))\s*(\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_LABELLED = re.compile(r"\A(?:ans|answer)\s*[.:\-–—]\s*", re.IGNORECASE)
_HEADING = re.compile(r"\A\s*(?:options|choices|选项)\s*[:：]", re.IGNORECASE)


def listed_options(question: str) -> list[str]:
    """Texts of the options that a question lists by letter from A on; empty where it lists none.

    What only looks like them, `Given A: 3 and B: 4, ...`, is none: options stand on lines of their own, in brackets,
    under a heading, or behind what is asked.
    """
    if not split_options(question).options:
        return []
    asked = split_options(without_instructions(question))
    options = parts(question).options
    texts = list(options.values())
    return texts if all(texts) and _is_list(asked) else []


def letters_said(text: str, options: Sequence[str]) -> str | None:
    """The options that a text states last, as letters; None where it states none that there is."""
    said = extract_answer(text, "choice")
    letters = parse_choice(said) if said is not None else None
    return ", ".join(sorted(letters)) if letters and letters <= {*LETTERS[: len(options)]} else None


def with_letter(found: Found) -> Found | Sick:
    """What a source has found, with a letter as its answer where its question lists options, or where it names one that
    may be in the picture; as it is where the answer is none of them.

    A letter is one of the list, though it may be another option's text too: that is how such sets answer.
    """
    if found.answer_type not in (None, "choice"):
        return found
    options = listed_options(found.question)
    if not options:
        named = _NAMED.fullmatch(found.answer.strip()) if found.images else None
        return found if named is None else replace(found, answer=named[1].upper(), answer_type="choice")
    label = _label(found.answer.strip(), options)
    if label == "":
        return Sick(CONTRADICTS, found.answer[:80], found.id)
    if label is None:
        return found
    right = {" ".join(options[LETTERS.index(letter)].split()) for letter in label.split(", ")}
    if sum(" ".join(option.split()) in right for option in options) > label.count(",") + 1:
        return Sick(TWICE, ", ".join(right)[:80], found.id)
    solution = ends_with(found.solution, label, lambda said: _label(said.strip(), options))
    return replace(found, answer=label, answer_type="choice", solution=solution)


def _label(answer: str, options: Sequence[str]) -> str | None:
    """Letters; None where the answer is no option, empty where its letter is one and its text another."""
    known, answer = LETTERS[: len(options)], _LABELLED.sub("", answer)
    if re.fullmatch(r"[A-J]", answer) and answer in known:
        return answer
    if (same := _same(answer, options)) is not None:
        return same
    if _SEVERAL.fullmatch(answer):
        letters = re.findall("[A-J]", answer)
        is_set = letters == sorted(set(letters))
        return ", ".join(letters) if is_set and letters[-1] in known else None
    if (named := _WITH_TEXT.fullmatch(answer)) is not None and (letter := named[1].upper()) in known:
        other = _same(named[2], options)
        return letter if other in (None, letter) else ""
    return letters_said(answer, options)


def _same(answer: str, options: Sequence[str]) -> str | None:
    """The letter of the one option that says what an answer says: in its words, else as a number."""
    exact = [letter for letter, option in zip(LETTERS, options, strict=False) if is_same(answer, option)]
    if exact or parse_number(answer) is None:
        return exact[0] if len(exact) == 1 else None
    equal = [
        letter
        for letter, option in zip(LETTERS, options, strict=False)
        if parse_number(option) is not None and answers_equal(answer, option, "number") is True
    ]
    return equal[0] if len(equal) == 1 else None


def _is_list(asked: Asked) -> bool:
    """Whether marks of letters in a question are a list of what it may be answered with."""
    if not asked.options:
        return False
    *_, last = asked.options.values()
    if re.search("[?？]", last):
        return False
    if _HEADING.match(asked.tail) or re.match(r"\s*[(（]", asked.tail):
        return True
    # What goes on below may ask about a table: `A: 10\nB: 20\nFind the value of B.`
    return "\n" not in last and re.search(r"\n\s*\Z|[?？:：.。!！)）\]】_]\s*\Z", asked.stem) is not None
