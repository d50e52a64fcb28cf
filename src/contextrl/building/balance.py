"""A set of the sizes and shares that are wanted, drawn by seed, with a table of what was asked and what there was."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.finish_settings import BalanceGroup, BalanceSettings, Feature
from contextrl.building.pipeline import Context, WholeStep

#: The class by number right of rows whose difficulty nobody has measured.
UNTRIED = "untried"
NO_GROUP, LEFT_OUT = "in no group", "more than is wanted of its kind"
#: A row's classes, by the features of `BalanceSettings.by`.
Cell = tuple[str, ...]


@dataclass(frozen=True)
class TableRow:
    """What a class of a group came to.

    Attributes:
        classes: by feature; empty for the group as a whole.
        asked: rows that its share would be.
        available: rows that there are.
        taken: rows that are taken.
    """

    group: str
    classes: Mapping[str, str]
    asked: int
    available: int
    taken: int


class Balance(WholeStep):
    """The step; of a class that has more rows than are wanted a seed draws some."""

    name = "balance"

    def __init__(self, settings: BalanceSettings) -> None:
        self.settings = settings
        self.table: list[TableRow] = []

    def identity(self) -> Mapping[str, Any]:
        return self.settings.model_dump(mode="json")

    def notes(self) -> Mapping[str, Any]:
        return {"table": [asdict(row) for row in self.table]}

    def whole(self, candidates: Callable[[], Iterator[Candidate]], context: Context) -> Iterator[Candidate | Dropped]:
        cells: dict[tuple[int, Cell], int] = {}
        draws: list[array[int]] = []
        for one in candidates():
            if (key := self._cell(one)) is not None:
                place = cells.setdefault(key, len(cells))
                if place == len(draws):
                    draws.append(array("Q"))
                draws[place].append(context.draw(self.name, one.id))
        quotas = self._quotas({key: len(draws[place]) for key, place in cells.items()})
        last = {key: _last(draws[place], quotas[key]) for key, place in cells.items()}
        left = dict(quotas)
        for one in candidates():
            key = self._cell(one)
            if key is None:
                yield Dropped(one.id, NO_GROUP)
            elif left[key] and context.draw(self.name, one.id) <= last[key]:
                left[key] -= 1
                yield one
            else:
                yield Dropped(one.id, LEFT_OUT, ", ".join([self.settings.groups[key[0]].name, *key[1]]))

    def _cell(self, one: Candidate) -> tuple[int, Cell] | None:
        for number, group in enumerate(self.settings.groups):
            if _fits(one, group):
                return number, tuple(_class(one, feature) for feature in self.settings.by)
        return None

    def _quotas(self, sizes: Mapping[tuple[int, Cell], int]) -> dict[tuple[int, Cell], int]:
        self.table = []
        quotas: dict[tuple[int, Cell], int] = {}
        for number, group in enumerate(self.settings.groups):
            own = {cell: size for (other, cell), size in sorted(sizes.items()) if other == number}
            division = _Division(self.settings, group.name, only_present=group.rows is None)
            wanted = division.most(own) if group.rows is None else group.rows
            quotas |= {(number, cell): quota for cell, quota in division.divide(own, wanted, wanted).items()}
            self.table += division.table
        return quotas


def _last(draws: array[int], quota: int) -> int:
    return sorted(draws)[quota - 1] if quota else -1


def _fits(one: Candidate, group: BalanceGroup) -> bool:
    wanted: tuple[tuple[str, Sequence[str]], ...] = (
        (one.source, group.sources),
        (one.task, group.tasks),
        (one.answer_type, group.answer_types),
    )
    return all(not names or value in names for value, names in wanted)


def _class(one: Candidate, feature: Feature) -> str:
    if feature == "right":
        return UNTRIED if one.right is None else str(one.right)
    return str(getattr(one, feature))


class _Division:
    """Divides the rows of a group among its classes, feature by feature.

    Args:
        only_present: a class that is asked for and of which there is nothing has no share, since the group would have
            no rows with it in its share; else its share is missing.
    """

    def __init__(self, settings: BalanceSettings, group: str, *, only_present: bool = False) -> None:
        self.settings, self.group, self.only_present = settings, group, only_present
        self.table: list[TableRow] = []

    def most(self, sizes: Mapping[Cell, int], depth: int = 0) -> int:
        """Rows that there can be where classes of `exact` features are in their shares."""
        if depth == len(self.settings.by) or not sizes:
            return sum(sizes.values())
        weights, rooms = self._weights(sizes, depth), {}
        for name, inner in _by_class(sizes, depth).items():
            if weights[name]:
                rooms[name] = self.most(inner, depth + 1)
        if self.settings.by[depth] not in self.settings.exact or not rooms:
            return sum(rooms.values())
        return int(min(room / weights[name] for name, room in rooms.items()) * sum(weights.values()) + 1e-9)

    def divide(self, sizes: Mapping[Cell, int], wanted: int, asked: int, depth: int = 0) -> dict[Cell, int]:
        """Rows to take of each cell.

        Args:
            wanted: rows to take of all of them, which may be more than there are.
            asked: rows that are their share, for the table.
        """
        path = next(iter(sizes))[:depth] if sizes else ()
        spot = len(self.table)
        self.table.append(TableRow(self.group, {}, 0, 0, 0))
        if depth == len(self.settings.by) or not sizes:
            taken = {cell: min(size, wanted) for cell, size in sizes.items()}
        else:
            taken = self._divided(sizes, wanted, asked, depth)
        classes: dict[str, str] = dict(zip(self.settings.by, path, strict=False))
        self.table[spot] = TableRow(self.group, classes, asked, sum(sizes.values()), sum(taken.values()))
        return taken

    def _divided(self, sizes: Mapping[Cell, int], wanted: int, asked: int, depth: int) -> dict[Cell, int]:
        weights = self._weights(sizes, depth)
        classes = _by_class(sizes, depth)
        shares = shared_out(asked, weights)
        if self.settings.by[depth] in self.settings.exact:
            amounts = shared_out(wanted, weights)
        else:
            rooms = {name: self._room(inner, depth + 1) for name, inner in classes.items()}
            amounts = filled(wanted, weights, rooms)
        taken: dict[Cell, int] = {}
        for name in sorted({*classes, *weights, *self._named(depth)}):
            inner = classes.get(name)
            if inner is not None:
                taken |= self.divide(inner, amounts[name], shares[name], depth + 1)
            elif shares.get(name) or self._named(depth).get(name):  # asked for, and nothing is there
                known: dict[str, str] = dict(zip(self.settings.by, (*next(iter(sizes))[:depth], name), strict=False))
                self.table.append(TableRow(self.group, known, shares.get(name, 0), 0, 0))
        return taken

    def _room(self, sizes: Mapping[Cell, int], depth: int) -> int:
        """Rows that can be taken at most: classes without weight give none."""
        if depth == len(self.settings.by):
            return sum(sizes.values())
        if self.settings.by[depth] in self.settings.exact:
            return self.most(sizes, depth)
        weights = self._weights(sizes, depth)
        return sum(self._room(inner, depth + 1) for name, inner in _by_class(sizes, depth).items() if weights[name])

    def _weights(self, sizes: Mapping[Cell, int], depth: int) -> dict[str, float]:
        """Of the classes that there are, and of those that are asked for by name."""
        classes = {cell[depth] for cell in sizes}
        if self.settings.by[depth] not in self.settings.shares:
            return dict.fromkeys(sorted(classes), 1.0)
        named = self._named(depth)
        asked = classes if self.only_present else classes | named.keys()
        return {name: named.get(name, 0.0) for name in sorted(asked)}

    def _named(self, depth: int) -> Mapping[str, float]:
        return self.settings.shares.get(self.settings.by[depth], {})


def _by_class(sizes: Mapping[Cell, int], depth: int) -> dict[str, dict[Cell, int]]:
    classes: dict[str, dict[Cell, int]] = {}
    for cell, size in sizes.items():
        classes.setdefault(cell[depth], {})[cell] = size
    return classes


def shared_out(amount: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers in the proportion of weights that add up to `amount`: largest remainders, then by name."""
    total = sum(weights.values())
    if not total:
        return dict.fromkeys(weights, 0)
    exact = {name: amount * weight / total for name, weight in weights.items()}
    whole = {name: int(value) for name, value in exact.items()}
    order = sorted(weights, key=lambda name: (whole[name] - exact[name], name))
    for name in order[: amount - sum(whole.values())]:
        whole[name] += 1
    return whole


def filled(amount: int, weights: Mapping[str, float], rooms: Mapping[str, int]) -> dict[str, int]:
    """As `shared_out`, but none gets more than its room: what it leaves goes to the others by their weights."""
    given = dict.fromkeys(weights, 0)
    left = {name: weight for name, weight in weights.items() if weight}
    while left and amount:
        shares = shared_out(amount, left)
        full = [name for name in left if shares[name] >= rooms.get(name, 0)]
        for name in full or left:
            given[name] = min(shares[name], rooms.get(name, 0))
            amount -= given[name]
        left = {name: weight for name, weight in left.items() if name not in full} if full else {}
    return given
