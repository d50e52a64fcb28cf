"""What a build removed as a near-duplicate, each with its partner, out of the files that it left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from contextrl.building.candidates import Candidate, candidate_of
from contextrl.building.importing import BAD_PICTURE
from contextrl.building.tallies import Samples, Tally
from contextrl.data.confinement import is_inside
from contextrl.errors import InputError
from contextrl.records.jsonl import json_lines

#: The step that removes near-duplicates.
_STEP = "duplicates"


@dataclass(frozen=True)
class RemovedPair:
    """A line of removed.jsonl.

    Attributes:
        partner: id of the row that stays, or a benchmark's item.
        how: how near they are.
    """

    id: str
    partner: str
    reason: str
    how: str


@dataclass(frozen=True)
class RemovedPairs:
    """Some of what was removed, of every reason, and how many there are by reason."""

    pairs: list[RemovedPair]
    reasons: list[tuple[str, int]]
    damaged: int

    @property
    def total(self) -> int:
        return sum(count for _, count in self.reasons)

    @property
    def ids(self) -> set[str]:
        return {name for pair in self.pairs for name in (pair.id, pair.partner)}


def removed_pairs(path: Path, count: int, seed: int) -> RemovedPairs:
    """Near-duplicates of a build's `removed.jsonl`; none where there is no such file.

    Args:
        count: pairs that are wanted.
        seed: of what is drawn.
    """
    samples, reasons, damaged = Samples[RemovedPair](count, seed), Tally(50), 0
    for line in json_lines(path, errors="replace", pipes=False):
        record = line.object
        if record is None or not isinstance(record.get("id"), str):
            damaged += 1
        elif record.get("step") == _STEP and record.get("reason") != BAD_PICTURE:
            partner, separator, how = str(record.get("detail", "")).rpartition(" (")
            reason = str(record.get("reason", ""))
            pair = RemovedPair(record["id"], partner if separator else how, reason, how[:-1] if separator else "")
            reasons.add(reason)
            samples.add(pair, [reason])
    return RemovedPairs(samples.chosen(), reasons.by_count(), damaged)


def candidates_before(work: Path, ids: Collection[str]) -> dict[str, Candidate]:
    """Candidates as they came to the step that removes near-duplicates, by id; those that a build's folder has.

    Args:
        work: the build's own files, `build/` within the set's folder.
    """
    found: dict[str, Candidate] = {}
    folders = sorted((work / "steps").glob("[0-9]*-*"))
    place = next((n for n, folder in enumerate(folders) if folder.name.partition("-")[2] == _STEP), 0)
    if place == 0 or not ids:
        return found
    for path in sorted(folders[place - 1].glob("part-*.jsonl")):
        for line in json_lines(path, pipes=False):
            record = line.object
            if record is None or record.get("id") not in ids:
                continue
            try:
                found[record["id"]] = candidate_of(record, str(path))
            except (InputError, TypeError):
                continue
            if len(found) == len(ids):
                return found
    return found


def pictures_of(work: Path, candidate: Candidate) -> list[tuple[str, Path]]:
    """A candidate's pictures by name, those that are in the build's folder: a name that leads out of it is no name."""
    folder = work / "pictures"
    named = [(name, folder / name) for name in map(str, candidate.images)]
    return [(name, path) for name, path in named if is_inside(path, [folder.resolve()])]
