"""The value of a response's `short answer`, in JSON that may be broken or in prose."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_KEYS = ("short answer", "short_answer", "short-answer")
_OPENS = re.compile(r"[\"'“”‘’*_`\s]{0,6}(?:is\b|[:：=])[*_`]{0,2}[ \t]*\n?[ \t]*", re.IGNORECASE)
#: A text in quotes that ends where the object goes on or ends: LaTeX and inner quotes break JSON's own rules.
_QUOTED = re.compile(r"[\"'“](.{0,2000}?)[\"'”]\s*(?=[,}\n]|$)", re.DOTALL)
_PLACEHOLDER = re.compile(r"\[?concise answer\]?", re.IGNORECASE)
_MAX_CHARS = 2_000
_PLACES = 5


@dataclass(frozen=True)
class ShortAnswer:
    """A value, empty where none was given, and where it ends."""

    value: str
    end: int


def short_answer(text: str, *, truncated: bool) -> ShortAnswer | None:
    """The value after the last `short answer` that has one; None for none, or one that was cut off.

    Args:
        text: without thoughts.
        truncated: whether the length limit ended it.
    """
    lowered = text.lower()
    small = lowered if len(lowered) == len(text) else text
    end = len(small)
    for _ in range(_PLACES):
        place, key = max((small.rfind(key, 0, end), key) for key in _KEYS)
        if place < 0:
            return None
        opens = _OPENS.match(text, place + len(key))
        if opens is not None:
            found = _value(text[opens.end() : opens.end() + _MAX_CHARS], truncated=truncated)
            if found is not None and not _PLACEHOLDER.fullmatch(found.value):
                return ShortAnswer(found.value, opens.end() + found.end)
        end = place
    return None


def _value(rest: str, *, truncated: bool) -> ShortAnswer | None:
    """A JSON value, a text in quotes that JSON cannot read, or what the line says."""
    if rest.startswith("{"):
        return None
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(rest)
    except (ValueError, RecursionError):
        value, end = None, 0
    if isinstance(value, str) and "\\" not in rest[:end]:
        return ShortAnswer(value.strip(), end)
    if isinstance(value, list | bool):
        return ShortAnswer(json.dumps(value, ensure_ascii=False), end)
    if (quoted := _QUOTED.match(rest)) is not None:
        return ShortAnswer(quoted[1].replace("\\\\", "\\").strip(), quoted.end())
    end = next((place for place, character in enumerate(rest) if character in "\n}"), len(rest))
    said = rest[:end].strip().rstrip(",")
    if (truncated and end == len(rest)) or not said:
        return None
    return ShortAnswer("" if said == "null" else said, end)
