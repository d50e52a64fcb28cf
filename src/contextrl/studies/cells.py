"""A cell: one trained arm of a study with one seed, as a file that is kept and never computed twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from contextrl.errors import InputError
from contextrl.records.evaluation import class_of
from contextrl.records.files import write_atomically
from contextrl.records.jsonl import json_ready

#: What became of an evaluated item: right by right steps, right by wrong steps, wrong, unscored.
RIGHT, FALSE_POSITIVE, WRONG, UNSCORED = "RFWU"
_OUTCOMES = RIGHT + FALSE_POSITIVE + WRONG + UNSCORED
#: Raise when cells of before a change must not stand beside those of after it.
CELL_VERSION = 1


@dataclass(frozen=True)
class Items:
    """The items of one evaluation set, in order; the same for every cell.

    Attributes:
        ids, sources: of each item.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    ids: tuple[str, ...]
    sources: tuple[str, ...]

    def of_class(self, name: str) -> list[int]:
        """Places of the items whose source names a class; see `records.evaluation.class_of`."""
        return [place for place, source in enumerate(self.sources) if class_of(source) == name]

    def of_kinds(self, names: Collection[str]) -> list[int]:
        """Places of the items whose source `set/kind/class` names one of these kinds."""
        kinds = [[*source.split("/"), ""][1] for source in self.sources]
        return [place for place, kind in enumerate(kinds) if kind in names]


@dataclass(frozen=True)
class Cell:
    """What one run gave.

    Attributes:
        settings: SHA-256 of what the run was (see `settings_hash`): a cell of other settings is another cell's.
        steps: optimizer steps.
        seconds: of training.
        tokens: sampled and trained.
        knowledge: see `records.metrics`.
        groups: all-negative ones and those recovered.
        entropy: of the policy's next token, mean over the last third of the steps.
        outcomes: by evaluation set, a letter per item (`RFWU`).
        measures: what probes found, by their names.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    arm: str
    seed: int
    settings: str
    steps: int
    seconds: float
    tokens: Mapping[str, int] = field(default_factory=dict)
    knowledge: Mapping[str, float | None] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    entropy: float | None = None
    outcomes: Mapping[str, str] = field(default_factory=dict)
    measures: Mapping[str, Any] = field(default_factory=dict)


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Of all that decides a cell's figures."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


def outcome(record: Mapping[str, Any]) -> str:
    """The letter of an item's record (see `evaluation.runner`)."""
    if record["status"] == "unscored":
        return UNSCORED
    if record["answer_correct"] is not True:
        return WRONG
    return RIGHT if record["process_correct"] is True else FALSE_POSITIVE


T = TypeVar("T")
_CELL, _ITEMS = TypeAdapter(Cell), TypeAdapter(Items)


def _refuse(expected: str, found: str, path: Path) -> NoReturn:
    raise InputError(expected, found=found[:160], where=str(path), fix="Remove it")


def _no_number(constant: str) -> NoReturn:
    """JSON has no NaN and no infinity; figures over them would be none."""
    raise ValueError(f"{constant} in place of a number")


def _object(path: Path, expected: str) -> dict[str, Any]:
    """The JSON object in a file that this store has written, or somebody else."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError, OSError) as error:
        _refuse(expected, str(error), path)
    return row if isinstance(row, dict) else _refuse(expected, f"a {type(row).__name__}", path)


def _as(shape: TypeAdapter[T], row: Mapping[str, Any], expected: str, path: Path) -> T:
    """The object as what it should be."""
    try:
        return shape.validate_json(json.dumps(row))
    except ValidationError as error:
        first = error.errors()[0]
        _refuse(expected, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", path)


class CellStore:
    """Cells and the items that they are over, one JSON file each, in a folder that is meant to be committed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._items: dict[str, Items] = {}

    def read(self, arm: str, seed: int, settings: str | None = None) -> Cell | None:
        """A finished cell; None where there is none, or one of other settings than asked for.

        Raises:
            InputError: the file holds something else, or the cell of another arm or seed: one that was copied would
                count as a run that nobody made.
        """
        path = self._path(arm, seed)
        if not path.exists():
            return None
        row = _object(path, "a cell of a study")
        if row.pop("version", None) != CELL_VERSION:
            return None
        cell = _as(_CELL, row, "a cell of a study", path)
        if (cell.arm, cell.seed) != (arm, seed):
            _refuse(f"the cell of {arm}, seed {seed}", f"that of {cell.arm}, seed {cell.seed}", path)
        for benchmark, letters in cell.outcomes.items():
            items = self.items(benchmark)
            if set(letters) - set(_OUTCOMES) or (items is not None and len(letters) != len(items.ids)):
                expected = f"a letter of {_OUTCOMES} for every item of {benchmark}"
                found = f"{len(letters)} letters" + ("" if items is None else f" for {len(items.ids)} items")
                _refuse(expected, found, path)
        return None if settings is not None and cell.settings != settings else cell

    def write(self, cell: Cell) -> None:
        row = {"version": CELL_VERSION, **json_ready(asdict(cell), digits=4)}
        self._write(self._path(cell.arm, cell.seed), row)

    def items(self, benchmark: str) -> Items | None:
        """Of one evaluation set; None where no cell was evaluated on it.

        Raises:
            InputError: the file holds something else.
        """
        if benchmark not in self._items:
            path = self._items_path(benchmark)
            if not path.exists():
                return None
            items = _as(_ITEMS, _object(path, "items of cells"), "items of cells", path)
            if len(items.ids) != len(items.sources):
                _refuse("items of cells", f"{len(items.ids)} ids and {len(items.sources)} sources", path)
            self._items[benchmark] = items
        return self._items[benchmark]

    def keep_items(self, benchmark: str, records: Sequence[Mapping[str, Any]]) -> str:
        """Remember which items an evaluation was over, and return their outcomes.

        Raises:
            InputError: an earlier cell was over others.
        """
        items = Items(tuple(r["id"] for r in records), tuple(r["source"] for r in records))
        known = self.items(benchmark)
        if known is not None and known != items:
            raise InputError(
                f"the {len(known.ids)} items of earlier cells",
                found=f"{len(items.ids)} others",
                where=str(self._items_path(benchmark)),
                fix="Use another folder for cells over other items",
            )
        if known is None:
            self._write(self._items_path(benchmark), asdict(items), indent=None)
        return "".join(map(outcome, records))

    def seeds(self, arm: str, seeds: Iterable[int]) -> list[Cell]:
        """The finished cells of an arm, in the order of their seeds."""
        return [cell for seed in seeds if (cell := self.read(arm, seed)) is not None]

    def _write(self, path: Path, row: Mapping[str, Any], *, indent: int | None = 1) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(row, indent=indent) + "\n")

    def _path(self, arm: str, seed: int) -> Path:
        return self.folder / "cells" / arm / f"seed-{seed}.json"

    def _items_path(self, benchmark: str) -> Path:
        return self.folder / "items" / f"{benchmark.replace(':', '-')}.json"
