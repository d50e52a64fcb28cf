"""Text of models, judges and data, made safe to look at."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from contextrl.records.secrets import without_keys

#: Longer texts are cut in the middle.
MOST_CHARACTERS = 20_000
#: Left in text as they are.
_PLAIN = "\n\t"
#: All that needs a look: most texts are plain lines.
_UNUSUAL = re.compile(r"[^\x20-\x7e\n\t]")
_UNSEEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
_OBJECT_MEMBERS = {
    *("constructor", "__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"),
    *("hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf"),
}
_JOINERS = "\u200c\u200d"  # within words and emoji they change how letters look, not where they stand


def visible(text: str) -> str:
    """Characters that have no look of their own, shown by number: a right-to-left override stays where it is.

    `a\\u202eb` becomes `a[U+202E]b`, and keys of services are hidden. Markup is left alone, because escaping is the
    page's business.
    """
    text = without_keys(text)
    if text.isascii() and text.isprintable():
        return text
    return _UNUSUAL.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    if character in _PLAIN or character in _JOINERS or unicodedata.category(character) not in _UNSEEN:
        return character
    return f"[U+{ord(character):04X}]"


def visible_tree(value: Any) -> Any:
    """`visible` for every text in lists and mappings, keys too."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [visible_tree(part) for part in value]
    if isinstance(value, dict):
        return {visible(str(key)): visible_tree(part) for key, part in value.items()}
    return value


def chart_tree(value: Any) -> Any:
    """`visible_tree` for a chart: a name that every JavaScript object has already is told from it.

    Vega looks names up in objects, and finds `constructor` there: a space without width makes it a name of its own.
    """
    if isinstance(value, str):
        shown = visible(value)
        return f"{shown}\u200b" if shown in _OBJECT_MEMBERS else shown
    if isinstance(value, list):
        return [chart_tree(part) for part in value]
    if isinstance(value, dict):
        return {visible(str(key)): chart_tree(part) for key, part in value.items()}
    return value


def for_page(text: str) -> str:
    """Visible, and of a length that a page can hold many of."""
    shown = visible(text)
    if len(shown) <= MOST_CHARACTERS:
        return shown
    half = MOST_CHARACTERS // 2
    return f"{shown[:half]}\n[{len(shown) - 2 * half:,} characters left out]\n{shown[-half:]}"


def as_script_data(value: Any) -> str:
    """JSON that nothing in it can end: it stands within a script element, where HTML has no escapes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def steps_of(text: str) -> list[str]:
    """The sentences and lines of a solution or a response. A point within a number ends nothing."""
    parts = re.split(r"\n+|(?<=[.!?;])\s+", text)
    return [part.strip() for part in parts if part.strip()]


def normalised(step: str) -> str:
    """What two steps are compared by: letters and digits, not case, spaces or the last point."""
    return " ".join(step.casefold().split()).rstrip(".;!? ")
