"""Colours of charts: what means the same has one colour in all charts of a page, and every colour can be told apart
from a light and from a dark ground (a contrast of at least 3:1, WCAG 2.2, 1.4.11).

Hues are Okabe and Ito's where they are dark enough, which colour-blind people can tell apart; every series has its own
dash besides, and areas have lines between them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

BLUE, VERMILION, GREEN, VIOLET = "#0072b2", "#d55e00", "#009e73", "#8061c9"
AMBER, SKY, BROWN, SLATE = "#a87400", "#2b8cc4", "#8c6d31", "#66758a"
PINK, TEAL, OLIVE, CRIMSON = "#bd5f92", "#00868b", "#73801a", "#c2354f"
#: For what has no colour of its own: methods side by side, classes of questions.
COLOURS = (BLUE, VERMILION, GREEN, PINK, AMBER, SLATE, VIOLET, OLIVE)
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 2, 1, 2], [1, 3], [10, 2, 2, 2])
_MEANINGS = {
    BLUE: ("answer and process", "right answer and process", "solved"),
    VERMILION: ("answer", "right answer"),
    GREEN: (
        "kept",
        "all-negative, recovered",
        "stage 2, judging of retries included",
        "off-policy",
        "off-policy tokens",
    ),
    BROWN: ("incorrect", "all-negative, nothing kept"),
    AMBER: ("unscored",),
    SKY: ("scoring",),
    PINK: ("false positives",),
    VIOLET: ("not standalone",),
    OLIVE: ("duplicate", "update and the rest"),
    CRIMSON: ("truncated", "rewarded"),
    TEAL: ("over the cap", "judge, stage 1"),
    SLATE: ("mixed", "on-policy", "on-policy tokens", "stage 1"),
}
_COLOUR_OF = {meaning: colour for colour, meanings in _MEANINGS.items() for meaning in meanings}
_QUESTIONS = re.compile(r", [\d,]+ questions$")
#: For the other series of charts in which some have a meaning that other charts show too.
_OTHERS = (SLATE, VIOLET, TEAL, OLIVE, CRIMSON, PINK, AMBER, SKY)


def meaning_of(name: str) -> str:
    """A series' name without the questions that it is over: `answer` of `answer, 1,000 questions`."""
    return _QUESTIONS.sub("", name)


def colours_of(names: Sequence[str]) -> list[str]:
    """A colour for each series of a chart about one run: that of what it means, else one that means nothing else here.

    Series of one meaning over other questions have one colour.
    """
    meanings = list(dict.fromkeys(map(meaning_of, names)))
    known = {meaning: _COLOUR_OF[meaning] for meaning in meanings if meaning in _COLOUR_OF}
    free = [colour for colour in _OTHERS if colour not in known.values()] or list(_OTHERS)
    others = [meaning for meaning in meanings if meaning not in known]
    given = known | {meaning: free[n % len(free)] for n, meaning in enumerate(others)}
    return [given[meaning_of(name)] for name in names]


def cycled(count: int) -> list[str]:
    """Colours of so many series that have no meaning of their own, such as methods."""
    return [COLOURS[n % len(COLOURS)] for n in range(count)]


def dashes(colours: Sequence[str]) -> list[list[int]]:
    """A dash for each series of so many colours: no two have both alike."""
    looks: set[tuple[str, int]] = set()
    chosen = []
    for n, colour in enumerate(colours):
        places = [(n + k) % len(DASHES) for k in range(len(DASHES))]
        place = next((place for place in places if (colour, place) not in looks), places[0])
        looks.add((colour, place))
        chosen.append(list(DASHES[place]))
    return chosen
