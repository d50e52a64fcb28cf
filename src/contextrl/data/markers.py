"""`<image>` in a question stands where a picture is shown; a question without it has its pictures first."""

from __future__ import annotations

import re

from contextrl.errors import InputError

#: How a marker is written once a row is read.
MARKER = "<image>"
_MARKER = re.compile("<image>", re.IGNORECASE)
#: Numbered as well, as in MMMU: `<image 2>`, `<image2>`, `<image_2>` for the second picture of the row.
_ANY = re.compile(r"<image(?:[ _-]?([1-9]\d?))?>", re.IGNORECASE)
_LEADING = re.compile(r"(?:\s*<image>)+\s*", re.IGNORECASE)
_FIX = f"Write {MARKER} once where each picture stands, or nowhere: pictures then come first"


def settled_markers(question: str, pictures: int) -> tuple[str, list[int]]:
    """A question with its markers as `placed` reads them, and the order in which its pictures are shown. What has been
    settled is settled.

    Markers that stand before all text are left out: that is where pictures are without any. Of a numbered marker that
    is repeated the first shows the picture; the others stay text.

    Args:
        question: as its author wrote it.
        pictures: of the row.

    Raises:
        InputError: there are markers, and not one for each picture; or nothing else is in the question.
    """
    found = list(_ANY.finditer(question))
    if not _ANY.sub("", question).strip():
        raise InputError("a question", found=f"only {MARKER} markers" if found else "an empty string")
    order = list(range(pictures))
    plain = sum(not match[1] for match in found)
    if plain < len(found) and (plain != pictures or not plain):
        question, order = _numbered(question, found, pictures)
    elif plain not in (0, pictures):
        raise _mismatch(pictures, f"{plain} in {_shortened(question)}")
    leading = _LEADING.match(question)
    if leading is not None and len(_MARKER.findall(leading[0])) == pictures:
        question = question[leading.end() :]
    return _MARKER.sub(MARKER, question).strip(), order


def _numbered(question: str, found: list[re.Match[str]], pictures: int) -> tuple[str, list[int]]:
    if not all(match[1] for match in found):
        raise InputError(
            f"{MARKER} markers that all have a number, or none", found=_shortened(question), fix="Number all of them"
        )
    order = list(dict.fromkeys(int(match[1]) - 1 for match in found))
    if sorted(order) != list(range(pictures)):
        named = ", ".join(f"<image {index + 1}>" for index in order)
        raise _mismatch(pictures, f"{named} in {_shortened(question)}")
    seen: set[str] = set()

    def first_shows(match: re.Match[str]) -> str:
        if match[1] in seen:
            return match[0]
        seen.add(match[1])
        return MARKER

    return _ANY.sub(first_shows, question), order


def _mismatch(pictures: int, found: str) -> InputError:
    count = f"{pictures} pictures" if pictures != 1 else "one picture"
    return InputError(f"a marker for each picture ({count} in the row)", found=found, fix=_FIX)


def _shortened(question: str) -> str:
    return repr(question if len(question) <= 80 else f"{question[:79]}…")


def placed(question: str, pictures: int) -> list[str | int]:
    """A question's texts and, as numbers from 0, its pictures, in the order in which they are shown.

    Args:
        question: of an `Example`.
        pictures: how many it has; where its markers are not as many, they are text and pictures come first.
    """
    texts = _MARKER.split(question)
    if len(texts) != pictures + 1 or not pictures:
        return [*range(pictures), question]
    parts: list[str | int] = []
    for index, text in enumerate(texts):
        parts += ([text] if text else []) + ([index] if index < pictures else [])
    return parts


def marker_problem(question: str, pictures: int) -> InputError | None:
    """What is wrong with the markers of a question that was not read from a row."""
    markers = len(_MARKER.findall(question))
    return _mismatch(pictures, f"{markers} in {_shortened(question)}") if markers not in (0, pictures) else None
