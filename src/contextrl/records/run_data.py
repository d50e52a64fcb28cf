"""What a run directory holds, at any point of the run's life: just started, killed, finished."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from contextrl.errors import InputError
from contextrl.records.groups import group_files
from contextrl.records.jsonl import JsonLine, json_lines, number, parse_json
from contextrl.records.secrets import without_secrets
from contextrl.records.yaml_files import parse_yaml

Record = dict[str, Any]


@dataclass(frozen=True)
class RunData:
    """One run, read.

    Attributes:
        path: its directory.
        name: what it is called in the page; among several runs each has its own.
        config: the resolved configuration, without what is secret in it.
        environment: versions, seed and command.
        steps: metrics, a record per logged step, several records of one step joined.
        results: results.json, None before the end.
        damaged: files and lines that could not be read.
    """

    path: Path
    name: str
    config: Record
    environment: Record = field(default_factory=dict)
    steps: list[Record] = field(default_factory=list)
    results: Record | None = None
    damaged: list[str] = field(default_factory=list)

    @property
    def method(self) -> str:
        return str(self.config.get("method", "unknown"))

    @property
    def seed(self) -> Any:
        return self.config.get("seed")

    @property
    def held_out(self) -> str:
        """What the run is evaluated on; empty where its configuration does not say."""
        return str(section(self.config, "data").get("eval") or "")

    @property
    def last_step(self) -> int:
        return max((int(record["step"]) for record in self.steps), default=0)

    @property
    def planned_steps(self) -> int | None:
        planned = section(self.config, "train").get("max_steps")
        return int(planned) if isinstance(planned, int) and planned > 0 else None

    @property
    def state(self) -> str:
        """In words: finished, or how far it came."""
        if self.results is not None:
            return "finished"
        if not self.steps:
            return "no step yet"
        return f"not finished: step {self.last_step}" + (f" of {self.planned_steps}" if self.planned_steps else "")

    def count_groups(self) -> int:
        """How many lines the files of groups have."""
        count = 0
        for path in group_files(self.path):
            with path.open("rb") as file:
                count += sum(part.count(b"\n") for part in iter(partial(file.read, 1 << 20), b""))
        return count

    def groups(self) -> Iterator[tuple[Path, int, Record]]:
        """Groups with their file and offset, every process's in turn; read anew each time, because they are many."""
        for path in group_files(self.path):
            for line, record in _records(path, self.damaged):
                yield path, line.offset, record

    def series(self, name: str) -> list[tuple[int, float]]:
        """(step, value) where a metric was logged."""
        values = ((int(record["step"]), number(record.get(name))) for record in self.steps)
        return [(step, value) for step, value in values if value is not None]


def section(record: Record, name: str) -> Record:
    """A mapping within a record, empty where there is none."""
    return _mapping(record.get(name))


def interval(value: Any) -> tuple[float, float] | None:
    """`[low, high]` of finite numbers."""
    ends = [number(end) for end in value] if isinstance(value, list) else []
    return (ends[0], ends[1]) if len(ends) == 2 and ends[0] is not None and ends[1] is not None else None


def read_run(path: Path) -> RunData:
    """Read everything but the groups.

    Raises:
        InputError: there is no run here.
    """
    config = path / "config.yaml"
    if not config.exists():
        raise InputError("a run directory, with a config.yaml", found="none", where=str(path))
    damaged: list[str] = []
    steps: dict[int, Record] = {}
    for _, record in _records(path / "metrics.jsonl", damaged):
        if isinstance(record.get("step"), int):
            steps.setdefault(record["step"], {}).update(record)
    return RunData(
        path=path,
        name=path.resolve().name,
        config=without_secrets(_config(config)),
        environment=_json_file(path / "environment.json", damaged),
        steps=[steps[step] for step in sorted(steps)],
        results=_json_file(path / "results.json", damaged) or None,
        damaged=damaged,
    )


def with_names_of_their_own(runs: Sequence[RunData]) -> list[RunData]:
    """Runs in folders of one name are called by as much of their paths as tells them apart."""
    parts = [run.path.resolve().parts for run in runs]
    depth = 1
    while depth < max(map(len, parts)) and len({own[-depth:] for own in parts}) < len(parts):
        depth += 1
    return [replace(run, name="/".join(own[-depth:])) for run, own in zip(runs, parts, strict=True)]


def groups_at(path: Path, offsets: Iterable[int]) -> Iterator[tuple[int, Record]]:
    """Groups that begin at some offsets of a file, without those that a run resumed meanwhile has dropped."""
    with path.open("rb") as file:
        for offset in offsets:
            file.seek(offset)
            record, _ = parse_json(file.readline().removeprefix(codecs.BOM_UTF8), errors="replace")
            if isinstance(record, dict):
                yield offset, record


def _records(path: Path, damaged: list[str]) -> Iterator[tuple[JsonLine, Record]]:
    """Lines of a file that hold an object. A line that a kill has cut or that is damaged is named and skipped."""
    for line in json_lines(path, errors="replace"):
        if line.object is not None:
            yield line, line.object
        elif (where := f"{path.name} line {line.number}") not in damaged:
            damaged.append(where)


def _config(path: Path) -> Record:
    try:
        return _mapping(parse_yaml(path.read_text(encoding="utf-8", errors="replace")))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError("a run's config.yaml", found=" ".join(str(error).split()), where=str(path)) from error


def _json_file(path: Path, damaged: list[str]) -> Record:
    if not path.exists():
        return {}
    try:
        return _mapping(json.loads(path.read_text(encoding="utf-8", errors="replace")))
    except ValueError:
        damaged.append(path.name)
        return {}


def _mapping(value: Any) -> Record:
    return value if isinstance(value, dict) else {}
