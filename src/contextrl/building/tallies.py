"""Figures of any number of rows in memory of a fixed size: counts by name, distributions of numbers, drawn rows."""

from __future__ import annotations

import hashlib
import heapq
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Generic, TypeVar

T = TypeVar("T")
#: Names that are counted each by itself.
MOST_NAMES = 1_000
#: Characters of a name; longer ones are cut.
MOST_CHARACTERS = 200
#: Of rows under names that come when there are that many already.
OTHERS = "(other names)"
#: Digits of a number that a distribution keeps.
_DIGITS = 4
#: What is larger is no number any more: sums and edges stay below it.
_LARGEST = sys.float_info.max


def cut(name: str) -> str:
    """A name of a length that can be kept many times."""
    return name if len(name) <= MOST_CHARACTERS else f"{name[:MOST_CHARACTERS]}…"


class Tally:
    """How many there are of each name."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        self.counts = Counter[str]()
        self._most = most

    def add(self, name: str) -> None:
        name = cut(name)
        if name not in self.counts and len(self.counts) >= self._most:
            name = OTHERS
        self.counts[name] += 1

    def by_count(self) -> list[tuple[str, int]]:
        """The commonest first, equal ones by name."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))


class Distribution:
    """Numbers that are not negative, each kept to four digits: below 10,000 whole ones are exact."""

    def __init__(self) -> None:
        self.counts = Counter[float]()
        self.count, self.total = 0, 0.0
        self.least, self.most = math.inf, -math.inf

    def add(self, value: float) -> None:
        self.count += 1
        self.total = min(self.total + value, _LARGEST)
        self.least, self.most = min(self.least, value), max(self.most, value)
        self.counts[_rounded(value)] += 1

    @property
    def mean(self) -> float:
        return self.total / self.count

    def quantile(self, share: float) -> float:
        """The least value that at least such a share of all are at or below."""
        wanted, seen = share * self.count - 1e-9, 0
        for value, count in sorted(self.counts.items()):
            seen += count
            if seen >= wanted:
                return min(max(value, self.least), self.most)
        return self.most

    def summary(self) -> dict[str, float]:
        """Number, mean and quantiles; only the number where there are none."""
        if not self.count:
            return {"count": 0}
        quantiles = {f"p{share}": self.quantile(share / 100) for share in (5, 25, 50, 75, 95)}
        return {
            "count": self.count,
            "mean": round(self.mean, 4),
            "least": self.least,
            **quantiles,
            "most": self.most,
            "total": self.total,
        }


def _rounded(value: float) -> float:
    if value < 10**_DIGITS and value == int(value):
        return float(value)
    return min(float(f"{value:.{_DIGITS}g}"), _LARGEST)


@dataclass(frozen=True)
class Bin:
    """Values from `low` to below `high`, or `low` alone where they are equal."""

    low: float
    high: float
    count: int = 0


#: Values of which each has a bin of its own, where there are no more; else bins of a part of the range,
_FEW = 12
_WANTED = 18
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_LOG_EDGES = ((1.0, 1.5, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0, 3.0), (1.0,))
_MOST_EDGES = 30


def bins_of(distribution: Distribution) -> list[Bin]:
    """Bins for a chart: each value where they are few and whole, else equal steps, or growing ones of a wide range."""
    values = distribution.counts
    if not values:
        return []
    least, most = min(values), max(values)
    if len(values) <= _FEW and all(value == int(value) for value in values):
        whole = range(int(least), int(most) + 1) if most - least < _FEW else sorted(values)
        return [Bin(float(value), float(value), values.get(float(value), 0)) for value in whole]
    wide = most > 30 * max(distribution.quantile(0.05), 1.0)
    edges = _growing(least, most) if wide else _equal(least, most)
    counts = Counter[int]()
    place = 0
    for value, count in sorted(values.items()):
        while place + 2 < len(edges) and value >= edges[place + 1]:
            place += 1
        counts[place] += count
    return [Bin(low, high, counts[n]) for n, (low, high) in enumerate(pairwise(edges))]


def _equal(least: float, most: float) -> list[float]:
    """Edges of bins of one width, from at most `least` to above `most`."""
    wide = (most - least) / _WANTED or 1.0
    scale = 10.0 ** math.floor(math.log10(wide))
    step = next(scale * step for step in _STEPS if scale * step >= wide * (1 - 1e-9))
    if least == int(least) and most == int(most):
        step = max(1.0, float(math.ceil(step)))
    # Digits of an edge that its step makes; of small numbers many.
    digits = max(0, 10 - math.floor(math.log10(step)))
    number = math.floor(least / step)
    edges = [min(round(number * step, digits), least)]
    while edges[-1] <= most and edges[-1] < _LARGEST:
        number += 1
        edges.append(min(round(number * step, digits), _LARGEST))
    return edges


def _growing(least: float, most: float) -> list[float]:
    """As `_equal`, for a range over several powers of ten."""
    powers = range(min(math.floor(math.log10(most)) + 2, sys.float_info.max_10_exp + 1))
    parts = next((some for some in _LOG_EDGES if len(powers) * len(some) <= _MOST_EDGES), (1.0,))
    edges = [0.0, *(part * 10.0**power for power in powers for part in parts if part * 10**power % 1 == 0), _LARGEST]
    first = max(place for place, edge in enumerate(edges) if edge <= least)
    last = next((place for place, edge in enumerate(edges) if edge > most), len(edges) - 1)
    return edges[first : last + 1]


def draw(seed: int, *names: object) -> int:
    """A number of 64 bits that depends on the seed and on what it is for, and on nothing else."""
    text = json.dumps([seed, *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


@dataclass(order=True)
class _Drawn(Generic[T]):
    turn: int
    place: int
    classes: tuple[str, ...] = field(compare=False)
    row: T = field(compare=False)


class Samples(Generic[T]):
    """Some of any number of rows, drawn by a seed: one of each class first, then others of all.

    Args:
        count: rows that are wanted.
        seed: of the draw.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count, self._seed, self._seen = count, seed, 0
        self._any: list[_Drawn[T]] = []
        self._first: dict[str, _Drawn[T]] = {}

    def add(self, row: T, classes: Iterable[str] = ()) -> None:
        """See a row.

        Args:
            classes: what it is of: `source x`, `task y`.
        """
        named = tuple(classes)
        drawn = _Drawn(draw(self._seed, "sample", self._seen), self._seen, named, row)
        self._seen += 1
        # The largest is out first: heapq has the smallest at its head.
        entry = _Drawn(-drawn.turn, drawn.place, named, row)
        if len(self._any) < self.count:
            heapq.heappush(self._any, entry)
        elif entry > self._any[0]:
            heapq.heapreplace(self._any, entry)
        for name in named:
            known = self._first.get(name)
            if known is None and len(self._first) >= 2 * self.count:
                continue  # more classes than rows that are wanted
            if known is None or drawn < known:
                self._first[name] = drawn

    def chosen(self) -> list[T]:
        """In the order in which they came."""
        taken: dict[int, _Drawn[T]] = {}
        covered: set[str] = set()
        for name, drawn in self._first.items():
            if name not in covered and len(taken) < self.count:
                taken[drawn.place] = drawn
                covered.update(drawn.classes)
        for drawn in sorted(self._any, reverse=True):
            if len(taken) < self.count:
                taken.setdefault(drawn.place, drawn)
        return [taken[place].row for place in sorted(taken)]
