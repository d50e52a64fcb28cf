"""What a run directory holds, at any point of the run's life: just started, killed, finished."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from contextrl.errors import InputError
from contextrl.records import metrics
from contextrl.records.groups import group_files
from contextrl.records.jsonl import MOST_LINE, JsonLine, json_lines, number, parse_json
from contextrl.records.reading import is_there, open_file, read_bytes
from contextrl.records.secrets import without_secrets, without_secrets_in_words
from contextrl.records.yaml_files import read_yaml

Record = dict[str, Any]

#: Bytes of a file that holds one object. Ours have some thousands.
MOST_BYTES = 20_000_000
#: What every figure is below: the largest of float32, beyond which sums of squares become infinite.
MOST = 3.5e38
#: Steps that a browser's numbers can count.
MOST_STEPS = 1 << 53
_SHARES = frozenset(
    {
        metrics.ACCURACY_ANSWER,
        metrics.ACCURACY_PROCESS,
        *metrics.GROUP_OF.values(),
        metrics.GROUP_RECOVERED,
        metrics.JUDGE_FALSE_POSITIVE_RATE,
        metrics.JUDGE_UNSCORED,
        metrics.KNOWLEDGE_RHO_FP,
        metrics.KNOWLEDGE_RHO_R,
        metrics.EVAL_ANSWER_ACCURACY,
        metrics.EVAL_PROCESS_ACCURACY,
        "answer_accuracy",
        "process_accuracy",
    }
)


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
        damaged: files, lines and figures that could not be read or cannot be.
        is_written: the run goes on, so that a last line without its end is no damage.
    """

    path: Path
    name: str
    config: Record
    environment: Record = field(default_factory=dict)
    steps: list[Record] = field(default_factory=list)
    results: Record | None = None
    damaged: list[str] = field(default_factory=list)
    is_written: bool = False

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
        return f"not finished: {self.reached}" if self.steps else self.reached

    @property
    def reached(self) -> str:
        """`step 12 of 80`."""
        if not self.steps:
            return "no step yet"
        return f"step {self.last_step}" + (f" of {self.planned_steps}" if self.planned_steps else "")

    def count_groups(self) -> int:
        """How many lines the files of groups have."""
        count = 0
        for path in group_files(self.path):
            try:
                with open_file(path) as file:
                    count += sum(part.count(b"\n") for part in iter(partial(file.read, 1 << 20), b""))
            except InputError:
                continue  # reading them names it
        return count

    def groups(self) -> Iterator[tuple[Path, int, Record]]:
        """Groups with their file and offset, every process's in turn; read anew each time, because they are many."""
        for path in group_files(self.path):
            for line, record in _records(path, self.damaged, is_written=self.is_written):
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


def read_run(path: Path, *, is_written: bool = False) -> RunData:
    """Read everything but the groups. What is damaged is left out and named.

    Args:
        is_written: see `RunData`.

    Raises:
        InputError: there is no run here, or its configuration cannot be read.
    """
    config = path / "config.yaml"
    if not is_there(config):
        raise InputError("a run directory, with a config.yaml", found="none", where=str(path))
    damaged: list[str] = []
    steps: dict[int, Record] = {}
    for line, record in _records(path / "metrics.jsonl", damaged, is_written=is_written):
        where = f"metrics.jsonl line {line.number}"
        step = record.get("step")
        if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < MOST_STEPS:
            _name(damaged, f"{where} (no step)")
            continue
        steps.setdefault(step, {}).update(_possible(record, where, damaged))
    results = _json_file(path / "results.json", damaged)
    return RunData(
        path=path,
        # Not `Path.resolve`, which fails on a link to itself.
        name=Path(os.path.realpath(path)).name,
        config=without_secrets(_config(config)),
        environment=_environment(_json_file(path / "environment.json", damaged)),
        steps=[steps[step] for step in sorted(steps)],
        results=without_secrets(_possible(results, "results.json", damaged)) or None,
        damaged=damaged,
        is_written=is_written,
    )


def with_names_of_their_own(runs: Sequence[RunData]) -> list[RunData]:
    """Runs in folders of one name are called by as much of their paths as tells them apart."""
    parts = [Path(os.path.realpath(run.path)).parts for run in runs]
    depth = 1
    while depth < max(map(len, parts)) and len({own[-depth:] for own in parts}) < len(parts):
        depth += 1
    return [replace(run, name="/".join(own[-depth:])) for run, own in zip(runs, parts, strict=True)]


def groups_at(path: Path, offsets: Iterable[int]) -> Iterator[tuple[int, Record]]:
    """Groups that begin at some offsets of a file, without those that a run resumed meanwhile has dropped."""
    with open_file(path) as file:
        for offset in offsets:
            file.seek(offset)
            record, _ = parse_json(file.readline(MOST_LINE).removeprefix(codecs.BOM_UTF8), errors="replace")
            if isinstance(record, dict):
                yield offset, record


def _records(path: Path, damaged: list[str], *, is_written: bool) -> Iterator[tuple[JsonLine, Record]]:
    """Lines of a file that hold an object. A line that a kill has cut or that is damaged is named and skipped."""
    try:
        for line in json_lines(path, errors="replace", pipes=False):
            if line.object is not None:
                yield line, line.object
            elif line.complete or not is_written:
                _name(damaged, f"{path.name} line {line.number}")
    except InputError as error:
        _name(damaged, f"{path.name} ({error.found})")


def _name(damaged: list[str], what: str) -> None:
    if what not in damaged:
        damaged.append(what)


def _config(path: Path) -> Record:
    what = "a run's config.yaml"
    value = read_yaml(path, what)
    if not isinstance(value, dict):
        raise InputError(f"{what}, a mapping", found=type(value).__name__, where=str(path))
    return _mapping(_plain(value))


def _json_file(path: Path, damaged: list[str]) -> Record:
    if not is_there(path):
        return {}
    try:
        value, _ = parse_json(read_bytes(path, MOST_BYTES).removeprefix(codecs.BOM_UTF8).strip(), errors="replace")
    except InputError as error:
        _name(damaged, f"{path.name} ({error.found})")
        return {}
    if not isinstance(value, dict):
        _name(damaged, path.name)
    return _mapping(value)


def _environment(record: Record) -> Record:
    command = record.get("command")
    words = without_secrets_in_words([str(word) for word in command]) if isinstance(command, list) else None
    return _mapping(without_secrets(record)) | ({} if words is None else {"command": words})


def _mapping(value: Any) -> Record:
    return value if isinstance(value, dict) else {}


def _plain(value: Any) -> Any:
    """A tree as JSON has them: YAML's sets, dates, bytes and keys that are no text as lists and text."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(part) for part in value]
    if isinstance(value, str | int | float) or value is None:
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _possible(value: Any, where: str, damaged: list[str], name: str = "") -> Any:
    """Figures without those that cannot be: beyond what a training computes with, or shares outside 0 to 1."""
    if isinstance(value, dict):
        return {key: _possible(part, where, damaged, key) for key, part in value.items()}
    if isinstance(value, list):
        return [_possible(part, where, damaged, name) for part in value]
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # NaN: nothing to count
        return value
    low, high = (0.0, 1.0) if name.removesuffix("_ci95") in _SHARES else (-MOST, MOST)
    # A little beyond 1 is rounding.
    if low - 1e-6 <= value <= high + 1e-6:
        return value
    _name(damaged, f"{where} ({name} {_short(value)})")
    return None


def _short(value: float) -> str:
    try:
        return f"{value:.4g}"
    except OverflowError:
        return "of hundreds of digits"
