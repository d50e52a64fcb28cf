"""Options that a source keeps apart from its question, and the label that says which of them is right."""

from __future__ import annotations

import re
from collections.abc import Sequence

TWO = "a letter that is also what another option says"
#: Letters that an answer of type `choice` can be.
LETTERS = "ABCDEFGHIJ"
#: `A) One`, `(B) Two`, `[C] Three`, `D. Four`. One alone may be a name: `B. cereus`.
_OWN = re.compile(r"[\[(]?([A-J])(?:[\])]|[.:](?=\s))+\s*(?=\S)")
#: What stands between options in lists that were cut from text: `-`, `...`, `### Figure 2`.
_RULE = re.compile(r"[-–—._~\s]*|\*{3,}|={3,}|#{1,6}\s.*")
#: `B`, `[B]`, `C) Three`, `['A']`, `Option D: four`; never `A decrease` or `A-level`.
_CLOSED = r"(?:[\])}]|\s[-–](?=\s)|[.:](?=\s|$|['\"*]))+"
_LABEL = re.compile(
    rf"(?i:(?:option|choice|answer)[\s:]+)?[\[({{'\"*]*([A-J])['\"*]*(?:{_CLOSED}['\"*]*(.*))?", re.DOTALL
)
_SMALL_LABEL = re.compile(r"[\[({'\"]*([a-j])[\])}'\".:]*")
_CAPITAL = re.compile("[A-J]")
#: The rest of `A) and C)`, a label that names several.
_ANOTHER = re.compile(r"\s*(?:(?:and|or)\b|[,&/])\s*[\[(]?[A-J](?![A-Za-z'’])")


def options_in(values: Sequence[object]) -> list[str] | None:
    """Options of a list, without what is none (empty strings, rules, headings).

    Returns:
        None: letters do not tell them apart. They are fewer than two, more than ten, or no text; their own letters are
        in another order; or something between them is none and they have no letters, so that nobody knows what counts.
    """
    texts = [value.strip() for value in values if isinstance(value, str)]
    real = [not _RULE.fullmatch(text) for text in texts]
    options = [text for text, is_real in zip(texts, real, strict=True) if is_real]
    if len(texts) < len(values) or not 2 <= len(options) <= len(LETTERS):
        return None
    own = [(_own_letter(option), letter) for option, letter in zip(options, LETTERS, strict=False)]
    lettered = sum(mine != "" for mine, _ in own)
    if lettered > 1 and any(mine not in ("", letter) for mine, letter in own):
        return None
    first, last = real.index(True), len(real) - real[::-1].index(True)
    return options if lettered > 1 or all(real[first:last]) else None


def with_options(question: str, options: Sequence[str]) -> str:
    """A question with its options below, a letter each; options that have their letters keep them."""
    have = _have_letters(options)
    lines = [
        option if have and _own_letter(option) == letter else f"{letter}. {option}"
        for letter, option in zip(LETTERS, options, strict=False)
    ]
    return "\n".join([question.rstrip(), *lines])


def letter_of(label: str, options: Sequence[str]) -> str | None:
    """The option that a label names by its letter, or whose text it repeats; None where it is none, or several.

    A capital alone is a letter before it is a text where options have their letters, as in `A) b`, `B) C`, `C) B`.
    """
    label, bare = label.strip(), _bare(label)
    if _CAPITAL.fullmatch(label):
        return _option_of(label, options)
    same = [letter for letter, option in zip(LETTERS, options, strict=False) if bare in (_text(option), _bare(option))]
    if len(same) == 1:
        return same[0]
    small = _SMALL_LABEL.fullmatch(label)
    named = _LABEL.fullmatch(label)
    letter = small[1].upper() if small else named[1] if named else ""
    if not letter or letter not in LETTERS[: len(options)]:
        return None
    rest = (named[2] or "").strip() if named else ""
    said = [other for other, option in zip(LETTERS, options, strict=False) if rest and _bare(rest) == _text(option)]
    return None if _ANOTHER.match(rest) or (said and letter not in said) else letter


def is_two(label: str, options: Sequence[str]) -> bool:
    """Whether a label is the letter of one option and the text of another, of options without letters: nobody knows
    which of them it names.
    """
    label = label.strip()
    same = _letters_of_text(label, options)
    return label in LETTERS[: len(options)] and bool(same) and same != [label] and not _have_letters(options)


def _option_of(capital: str, options: Sequence[str]) -> str | None:
    is_letter = capital in LETTERS[: len(options)]
    same = _letters_of_text(capital, options)
    if not same or (is_letter and _have_letters(options)):
        return capital if is_letter else None
    return same[0] if len(same) == 1 and not is_two(capital, options) else None


def _letters_of_text(capital: str, options: Sequence[str]) -> list[str]:
    return [
        letter
        for letter, option in zip(LETTERS, options, strict=False)
        if without_letter(option).strip().rstrip(".") == capital
    ]


def _have_letters(options: Sequence[str]) -> bool:
    own = [_own_letter(option) == letter for letter, option in zip(LETTERS, options, strict=False)]
    return sum(own) > 1


def _own_letter(option: str) -> str:
    match = _OWN.match(option)
    return match[1] if match else ""


def without_letter(option: str) -> str:
    """An option's text without a letter of its own."""
    return _OWN.sub("", option, count=1)


def _text(option: str) -> str:
    return _bare(without_letter(option))


def _bare(text: str) -> str:
    return " ".join(text.split()).casefold().rstrip(".")
