"""How well the base policy reads each class of digits: built in on purpose, once, before any method was compared.

Known classes it reads. Shaky ones it reads right in a third of its samples, so that any method that samples can learn
them. Misconceived ones it was always shown under another class's name: it reads them right only when it is told *that*
(never *how*) its reading is wrong, and so looks again. No amount of sampling reaches these; a retry does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

Familiarity = Literal["known", "shaky", "misconceived"]
FAMILIARITIES: tuple[Familiarity, ...] = get_args(Familiarity)

#: Class to the class that it is taken for.
MISCONCEIVED: dict[int, int] = {7: 1, 9: 4}
SHAKY: dict[int, int] = {8: 3}
#: Share of direct readings in which a shaky class is read right.
SHAKY_RIGHT = 1 / 3


def familiarity(digits: Sequence[int]) -> Familiarity:
    """The hardest class that a picture shows, which decides what an answer needs."""
    if MISCONCEIVED.keys() & set(digits):
        return "misconceived"
    return "shaky" if SHAKY.keys() & set(digits) else "known"
