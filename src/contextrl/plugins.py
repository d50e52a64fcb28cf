"""What a configuration can name beside files and hub ids: plain tables that a plug-in fills.

A plug-in has a function that adds its entries, and a command that calls it. The library looks names up here and knows
none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from contextrl.errors import InputError, nearest_key

if TYPE_CHECKING:
    from contextrl.evaluation.judging.labelled import Labelled
    from contextrl.judge.protocol import Judge
    from contextrl.records.example import Example
    from contextrl.records.verdict import Disclosure, ReferenceContext
    from contextrl.report.patterns import Rule

T = TypeVar("T")


@dataclass(frozen=True)
class NamedJudge:
    """A judge in this process.

    Attributes:
        build: from what it sees of the reference, what its reports may say, and `judge.path` where it has one.
        knows: None if it can judge an example's question, else why not.
        folder: whether it is one of many, and `judge.path` names its folder.
        sampled: makes it draw its replies, at the temperature and with the seed of `judge.sampling`; None for one that
            always says the same.
    """

    build: Callable[[ReferenceContext, Disclosure, Path | None], Judge]
    knows: Callable[[Example], str | None]
    folder: bool = False
    sampled: Callable[[Judge, float, int], Judge] | None = None


@dataclass(frozen=True)
class NamedEvaluation:
    """A held-out set, always the same rows, and who counts its accuracy.

    Attributes:
        examples: the first so many rows.
    """

    examples: Callable[[int], Sequence[Example]]
    judge: Callable[[], Judge]


#: Name to the folder of a policy.
MODELS: dict[str, Path] = {}
#: Name to training rows; takes `count`, `seed` and the plug-in's own fields of the `data` section.
DATA: dict[str, Callable[..., list[Example]]] = {}
JUDGES: dict[str, NamedJudge] = {}
EVALUATIONS: dict[str, NamedEvaluation] = {}
#: Name to labelled responses for `judge bench`: so many (None: as many as it thinks fit), by a seed.
LABELLED: dict[str, Callable[[int | None, int], Sequence[Labelled]]] = {}
#: Name to patterns of responses that the audit of a report looks for besides its own (`report.patterns`).
PATTERNS: dict[str, Callable[[], Sequence[Rule]]] = {}


def named(table: Mapping[str, T], name: str, *, where: str, others: Iterable[str] = ()) -> T:
    """The entry of a name.

    Args:
        others: names that are known elsewhere, for the message.

    Raises:
        InputError: there is none; it gives the nearest.
    """
    if name in table:
        return table[name]
    known = [*others, *table]
    raise InputError(" or ".join(known), found=f"{name!r}{nearest_key(name, known)}", where=where)
