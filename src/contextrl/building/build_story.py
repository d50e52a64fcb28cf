"""How a set came about, as its manifest says: read with care, because anybody may have written it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contextrl.building.writing import MANIFEST
from contextrl.errors import InputError
from contextrl.records.jsonl import number, read_object

#: Largest manifest that is read, in bytes.
_MOST = 100_000_000


@dataclass(frozen=True)
class StepStory:
    """A step: candidates in and out, and how many were dropped by reason, the commonest first."""

    name: str
    taken: int
    given: int
    dropped: list[tuple[str, int]]


@dataclass(frozen=True)
class ClassStory:
    """A class of the balance; `classes` is empty for a group as a whole."""

    group: str
    classes: dict[str, str]
    asked: int
    there: int
    taken: int


@dataclass(frozen=True)
class BuildStory:
    """What a manifest says.

    Attributes:
        rows: that were written; None where it does not say.
    """

    name: str = ""
    rows: int | None = None
    seed: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    steps: list[StepStory] = field(default_factory=list)
    balance: list[ClassStory] = field(default_factory=list)
    recipe: dict[str, Any] = field(default_factory=dict)

    @property
    def looked_for_duplicates(self) -> bool:
        return any(step.name == "duplicates" for step in self.steps)


def read_story(folder: Path) -> BuildStory:
    """The story of the set in a folder.

    Raises:
        InputError: its manifest is no JSON object.
    """
    manifest = read_object(folder / MANIFEST, _MOST)
    steps = manifest.get("steps")
    if not isinstance(steps, list):
        raise InputError("a build's manifest, with its steps", found="none", where=str(folder / MANIFEST))
    records = [step for step in steps if isinstance(step, dict)]
    tables = [_mapping(step.get("notes")).get("table") for step in records if step.get("name") == "balance"]
    return BuildStory(
        name=str(manifest.get("name") or ""),
        rows=_whole(manifest.get("rows"), None),
        seed=_whole(manifest.get("seed"), None),
        versions={str(name): str(version) for name, version in _mapping(manifest.get("versions")).items()},
        steps=[_step(record) for record in records],
        balance=[_class(row) for table in tables if isinstance(table, list) for row in table if isinstance(row, dict)],
        recipe=dict(_mapping(manifest.get("recipe"))),
    )


def _step(record: Mapping[str, Any]) -> StepStory:
    dropped = [(str(reason), _whole(count)) for reason, count in _mapping(record.get("dropped")).items()]
    ordered = sorted(dropped, key=lambda one: (-one[1], one[0]))
    return StepStory(str(record.get("name", "")), _whole(record.get("taken")), _whole(record.get("given")), ordered)


def _class(row: Mapping[str, Any]) -> ClassStory:
    classes = {str(name): str(value) for name, value in _mapping(row.get("classes")).items()}
    counts = (_whole(row.get(name)) for name in ("asked", "available", "taken"))
    return ClassStory(str(row.get("group", "")), classes, *counts)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _whole(value: object, instead: Any = 0) -> Any:
    known = number(value)
    return instead if known is None else int(known)
