"""JSON objects in a judge's reply: the one that is the whole reply, or all that stand in its text.

What is read must be unambiguous. Small faults that models make are mended where only one meaning is left: escapes that
JSON does not know (LaTeX), trailing commas, Python's constants, line breaks inside strings. An object that begins and
cannot be read is said to be there, because its reader cannot know what it would have said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

#: Deeper nesting is no verdict, and costs the parser's stack.
_MAX_DEPTH = 20
#: An object of a reply begins with a key; `{x}` in a formula does not.
_OPENING = re.compile(r"\{\s{0,80}\"[^\"\n]{0,80}\"\s{0,20}:")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\],]|[^"{}\[\],]+', re.DOTALL)
_ESCAPE = re.compile(r'\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])|\\', re.DOTALL)
_CONSTANT = re.compile(r"\b(?:True|TRUE|False|FALSE|None|NULL)\b")
_CONSTANTS = {"true": "true", "false": "false", "none": "null", "null": "null"}
#: More digits than this are no number that a verdict holds, and Python refuses thousands of them.
_MAX_DIGITS = 20


class Conflict:
    """The value of a key that an object gives twice, differently."""


class MalformedObjectError(ValueError):
    """An object begins that cannot be read."""


def whole_object(text: str) -> dict[str, Any] | None:
    """The object that is the text, fences around it aside; None if the text is something else.

    Raises:
        MalformedObjectError: the text begins as an object that cannot be read.
    """
    text = _without_fence(text.strip())
    if not _OPENING.match(text):
        return None
    found, end = _read(text, 0)
    return None if text[end:].strip() else found


def objects_in(text: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """(start, end, object) of each object in the text that is not inside another one.

    Raises:
        MalformedObjectError: one begins that cannot be read.
    """
    place = 0
    while opening := _OPENING.search(text, place):
        found, place = _read(text, opening.start())
        yield opening.start(), place, found


def _without_fence(text: str) -> str:
    """What stands between ``` and ```, if that is all there is."""
    if not (text.startswith("```") and text.endswith("```") and len(text) > 6):
        return text
    language, line, inner = text[3:-3].partition("\n")
    if not line:  # on one line, the language is missing or glued to it
        return text[3:-3].removeprefix("json").strip()
    return inner.strip() if not language.strip() or language.strip().isalnum() else text


def _read(text: str, start: int) -> tuple[dict[str, Any], int]:
    """The object that begins at `start` and where it ends; as it stands, else mended. Linear in what it reads."""
    mended, end = _mended(text, start)
    for attempt in (text[start:end], mended):
        try:
            found = json.loads(attempt, strict=False, object_pairs_hook=_pairs, parse_int=_integer)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found, end
    raise MalformedObjectError(text[start : start + 80])


def _mended(text: str, start: int) -> tuple[str, int]:
    """The object's text with small faults put right, and its end: where the brackets close."""
    parts: list[str] = []
    depth = 0
    place = start
    while token := _TOKEN.match(text, place):
        part, place = token[0], token.end()
        if part in "{[":
            depth += 1
        elif part in "}]":
            depth -= 1
            while parts and (parts[-1] == "," or not parts[-1].strip()):
                parts.pop()
        parts.append(_mended_token(part))
        if depth == 0:
            return "".join(parts), place
        if depth > _MAX_DEPTH:
            break
    raise MalformedObjectError(text[start : start + 80])


def _mended_token(part: str) -> str:
    if part[0] == '"':
        return _ESCAPE.sub(lambda match: match[0] if len(match[0]) > 1 else "\\\\", part)
    return _CONSTANT.sub(lambda match: _CONSTANTS[match[0].casefold()], part)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that stands twice with different values has none of them."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = Conflict() if key in found and found[key] != value else value
    return found


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits
