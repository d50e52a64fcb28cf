"""Which pictures each turn of a conversation shows, and where in its question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from contextrl.building.sources.texts import without_markers
from contextrl.building.sources.turns import ROWS, Turn
from contextrl.data.markers import MARKER

_NUMBERED = re.compile(r"<image[ _-]?([1-9]\d?)>", re.IGNORECASE)
_AROUND = re.compile(rf"^(?:\s*{MARKER})+|(?:{MARKER}\s*)+$", re.IGNORECASE)


def asked_with(turns: Sequence[Turn], images: Sequence[object]) -> Iterator[tuple[str, list[object]]]:
    """Each turn's question with its markers, and its pictures in their order.

    A turn with markers has the pictures that they mark: by number, in the message itself, or the row's in order over
    the conversation, one for each marker. Where that does not come out even, a turn may mark all of the row's once
    more, or have its markers before or after its text only: then all are shown first. A turn without markers has all
    of the row's, and those that messages have shown so far. Anything else keeps its markers, and is found out when
    they are settled.

    Args:
        images: of the row.
    """
    marked = sum(one is ROWS for turn in turns for one in turn.shown if not _NUMBERED.search(turn.asked or ""))
    rest = iter(images) if marked == len(images) else None
    so_far = list(images)
    for turn in turns:
        asked, own = turn.asked or "", [one for one in turn.shown if one is not ROWS]
        so_far += own
        rows = len(turn.shown) - len(own)
        if not turn.shown:
            yield asked, list(so_far)
        elif _NUMBERED.search(asked) and not own:
            yield _numbered(asked, images)
        elif not rows:
            yield asked, own
        elif rest is not None or rows == len(images):
            pictures = rest if rest is not None else iter(images)
            yield asked, [next(pictures) if one is ROWS else one for one in turn.shown]
        elif images and not own and _AROUND.sub("", asked.strip()).strip() == without_markers(asked):
            yield without_markers(asked), list(images)
        else:
            yield asked, [*images, *own]


def _numbered(asked: str, images: Sequence[object]) -> tuple[str, list[object]]:
    """The pictures that are named, and markers that count them anew."""
    named = list(dict.fromkeys(int(number) for number in _NUMBERED.findall(asked)))
    if max(named) > len(images):
        return asked, list(images)
    return _NUMBERED.sub(lambda match: f"<image {named.index(int(match[1])) + 1}>", asked), [
        images[number - 1] for number in named
    ]
