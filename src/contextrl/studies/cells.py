"""A cell: one trained arm of a study with one seed, as a file that is kept and never computed twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from contextrl.errors import InputError
from contextrl.records.evaluation import class_of
from contextrl.records.files import write_atomically
from contextrl.records.jsonl import json_ready

#: What became of an evaluated item: right by right steps, right by wrong steps, wrong, unscored.
RIGHT, FALSE_POSITIVE, WRONG, UNSCORED = "RFWU"
#: Raise when cells of before a change must not stand beside those of after it.
CELL_VERSION = 1


@dataclass(frozen=True)
class Items:
    """The items of one evaluation set, in order; the same for every cell.

    Attributes:
        ids, sources: of each item.
    """

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


class CellStore:
    """Cells and the items that they are over, one JSON file each, in a folder that is meant to be committed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, arm: str, seed: int, settings: str | None = None) -> Cell | None:
        """A finished cell; None where there is none, or one of other settings than asked for.

        Raises:
            InputError: the file holds something else.
        """
        path = self._path(arm, seed)
        if not path.exists():
            return None
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
            version = row.pop("version")
            cell = Cell(**row)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError("a cell of a study", found=str(error)[:160], where=str(path), fix="Remove it") from error
        stale = version != CELL_VERSION or (settings is not None and cell.settings != settings)
        return None if stale else cell

    def write(self, cell: Cell) -> None:
        row = {"version": CELL_VERSION, **json_ready(asdict(cell), digits=4)}
        self._write(self._path(cell.arm, cell.seed), row)

    def items(self, benchmark: str) -> Items | None:
        path = self._items_path(benchmark)
        if not path.exists():
            return None
        row = json.loads(path.read_text(encoding="utf-8"))
        return Items(tuple(row["ids"]), tuple(row["sources"]))

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
