"""Words of closed classes: two different ones of a class are two answers (names from CLDR, through babel)."""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from typing import Any

#: Opposites, and colours that nobody takes for one another.
_CLASSES: dict[str, tuple[str, ...]] = {
    "side": ("left", "right"),
    "height": ("top", "bottom"),
    "level": ("upper", "lower"),
    "movement": ("up", "down"),
    "order": ("above", "below"),
    "compass": ("north", "south", "east", "west"),
    "truth": ("true", "false"),
    "change": ("increase", "decrease"),
    "change_now": ("increasing", "decreasing"),
    "change_past": ("increased", "decreased"),
    "sign": ("positive", "negative"),
    "parity": ("odd", "even"),
    "way": ("clockwise", "counterclockwise"),
    "place": ("inside", "outside"),
    "axis": ("horizontal", "vertical"),
    "assent": ("yes", "no"),
    "side_zh": ("左", "右"),
    "colour": ("black", "white", "red", "green", "yellow", "blue", "brown", "gray"),
}
_ALSO = {"grey": ("colour", "gray")}


@lru_cache(maxsize=1)
def _words() -> dict[str, tuple[str, str]]:
    """Casefolded words to (class, which of it)."""
    locale: Any = importlib.import_module("babel").Locale
    words: dict[str, tuple[str, str]] = {}
    for language in ("zh", "en"):
        names = locale.parse(language)
        for width in ("wide", "abbreviated"):
            for kind, table in (("weekday", names.days["format"][width]), ("month", names.months["format"][width])):
                words |= {str(name).casefold(): (kind, str(number)) for number, name in table.items()}
        words |= {
            str(name).casefold(): ("territory", code) for code, name in names.territories.items() if len(code) == 2
        }
    words |= {word: (kind, word) for kind, members in _CLASSES.items() for word in members}
    return words | _ALSO


def class_of(words: str) -> tuple[str, str] | None:
    """(class, member) of a word or name in lower case: `("weekday", "0")` for monday; None for any other."""
    return _words().get(words)


def classes_differ(response: list[str], reference: list[str]) -> bool:
    """Whether two texts are the same but for words of which two of a class stand beside one another."""
    whole = class_of(" ".join(response)), class_of(" ".join(reference))
    if whole[0] and whole[1]:
        return whole[0][0] == whole[1][0] and whole[0][1] != whole[1][1]
    if len(response) != len(reference) or sorted(response) == sorted(reference):
        return False
    return all(a == b or _differ(a, b) for a, b in zip(response, reference, strict=True))


def _differ(one: str, other: str) -> bool:
    if re.fullmatch(r"-?\d+", one) and re.fullmatch(r"-?\d+", other):
        return int(one) != int(other)
    classes = class_of(one), class_of(other)
    return (
        classes[0] is not None
        and classes[1] is not None
        and classes[0][0] == classes[1][0]
        and classes[0] != classes[1]
    )
