"""A step's files on disk: whether they are what was written, so that a build never goes on from half of them.

Files get their names when they are whole, and a kill costs none. Disks, copies and people may damage them later: what
is damaged is made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from contextrl.errors import InputError
from contextrl.records.files import write_atomically
from contextrl.records.jsonl import json_lines, read_object

#: What a step has when it is done: counts, settings, and the hash of each of its files.
DONE = "done.json"
#: The hashes of the parts that a step works on: with others, what it has made of them is out of date.
INPUT = "input.json"
#: In a part's notes: requests to models that failed for good, though another time they may not.
FAILED = "failed"
_KINDS = ("part", "dropped", "notes")


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of all files of a step's parts, by name."""
    paths = (path for kind in _KINDS for path in folder.glob(f"{kind}-*.json*"))
    return {path.name: _hash(path) for path in sorted(paths)}


def done_record(folder: Path, identity: str) -> Mapping[str, Any] | None:
    """What `DONE` says of the work of an identity; None where there is none that can be read."""
    with suppress(InputError):
        record = read_object(folder / DONE)
        if record.get("identity") == identity and isinstance(record.get("sha256"), dict):
            return record
    return None


def failures(number: int) -> dict[str, int]:
    """What a part notes of requests that failed for good: nothing where there are none."""
    return {FAILED: number} if number else {}


def summed(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """Figures added name by name; what is rounded stays so."""
    total = dict(left)
    for name, value in right.items():
        if isinstance(value, Mapping):
            total[name] = summed(total.get(name, {}), value)
        else:
            total[name] = round(total.get(name, 0) + value, 6)
    return total


def parts_given(folder: Path | None) -> dict[str, str]:
    """The hash of each part that a step which is done gives, by the part's number; nothing where there is no step."""
    with suppress(InputError):
        record = {} if folder is None else read_object(folder / DONE)
        if isinstance(found := record.get("sha256", {}), dict):
            parts = ((name.removeprefix("part-"), digest) for name, digest in found.items() if name.startswith("part-"))
            return {name.removesuffix(".jsonl"): str(digest) for name, digest in parts}
    return {}


def is_made_of(folder: Path, given: Mapping[str, str]) -> bool:
    """Whether a step has worked on these parts."""
    return (_input(folder) or {}) == given


def forget_outdated(folder: Path, given: Mapping[str, str]) -> None:
    """Take away what a step has made of parts that are not what they were, and note what it works on now."""
    was = _input(folder)
    if (was or {}) == given:
        return
    earlier = {path.stem.partition("-")[2] for kind in _KINDS for path in folder.glob(f"{kind}-*.json*")}
    kept = set() if was is None else {number for number in earlier if was.get(number) == given.get(number, "")}
    _forget(folder, earlier - kept)
    (folder / DONE).unlink(missing_ok=True)
    write_atomically(folder / INPUT, json.dumps(given))


def forget_failed(folder: Path) -> None:
    """Take away parts for which requests to models failed, so that these are made again; what was said is kept."""
    failed = set()
    for path in folder.glob("notes-*.json"):
        with suppress(InputError):
            if read_object(path).get(FAILED):
                failed.add(path.stem.partition("-")[2])
    if failed:
        (folder / DONE).unlink(missing_ok=True)
        _forget(folder, failed)


def _input(folder: Path) -> dict[str, object] | None:
    with suppress(InputError):
        return read_object(folder / INPUT)
    return None


def _forget(folder: Path, numbers: Iterable[str]) -> None:
    for number in numbers:
        for kind in _KINDS:
            for path in folder.glob(f"{kind}-{number}.json*"):
                path.unlink()


def is_unharmed(folder: Path, record: Mapping[str, Any]) -> bool:
    """Whether a step that is done still has all that it had."""
    return not _changed(folder, record)


def forget_damaged(folder: Path, identity: str, taken: Mapping[str, int]) -> None:
    """Take away what is damaged of a step, so that it is made again.

    Args:
        folder: the step's, whose files are of one identity.
        taken: how many candidates each of its parts looked at, by the number in the parts' names, where that is known.
    """
    record = done_record(folder, identity)
    if record is not None:
        damaged = _changed(folder, record)
    else:
        # What was dropped is written before its part: alone it is of one that was not finished, or is gone.
        parts = {path.stem.partition("-")[2] for kind in ("part", "dropped") for path in folder.glob(f"{kind}-*.jsonl")}
        parts |= {number for number in taken if (folder / f"unit-{number.partition('-')[0]}.done").exists()}
        damaged = {number for number in parts if not _is_whole(folder, number, taken)}
    if not damaged:
        return
    (folder / DONE).unlink(missing_ok=True)
    _forget(folder, _with_followers(damaged, folder))


def unit_rows(folder: Path, unit: str) -> int:
    """How many candidates the parts of a unit looked at."""
    paths = (path for kind in ("part", "dropped") for path in folder.glob(f"{kind}-{unit}-*.jsonl"))
    return sum(_rows(path) or 0 for path in paths)


def unit_parts(folder: Path, size: int) -> dict[str, int]:
    """How many candidates each part of units looked at, by the number in its name.

    Args:
        size: of every part but a unit's last, of which `unit-000.done` tells, which holds how many the unit has.
    """
    numbers = sorted(path.stem.removeprefix("part-") for path in folder.glob("part-*.jsonl"))
    taken = {one: size for one, later in pairwise(numbers) if one.partition("-")[0] == later.partition("-")[0]}
    for mark in folder.glob("unit-*.done"):
        unit, held = mark.stem.removeprefix("unit-"), mark.read_text(encoding="utf-8", errors="replace")
        if held.isdecimal() and int(held):
            last, rest = divmod(int(held) - 1, size)
            taken[f"{unit}-{last:05}"] = rest + 1
    return taken


def _changed(folder: Path, record: Mapping[str, Any]) -> set[str]:
    """Numbers of parts of which a file is gone or another."""
    paths = {name: folder / name for name in record["sha256"]}
    changed = (name for name, path in paths.items() if not path.is_file() or _hash(path) != record["sha256"][name])
    return {Path(name).stem.partition("-")[2] for name in changed}


def _is_whole(folder: Path, number: str, taken: Mapping[str, int]) -> bool:
    counts = [_rows(folder / f"{kind}-{number}.jsonl") for kind in ("part", "dropped")]
    if None in counts:
        return False
    with suppress(InputError):
        notes = folder / f"notes-{number}.json"
        if notes.exists():
            read_object(notes)
        rows = sum(filter(None, counts))
        return rows == taken[number] if number in taken else rows > 0
    return False


def _rows(path: Path) -> int | None:
    """Lines of a file; None where it is gone, cut or holds anything else."""
    if not path.is_file():
        return None
    count = 0
    for line in json_lines(path, errors="replace", pipes=False):
        if line.object is None or not line.complete:
            return None
        count += 1
    return count


def _with_followers(damaged: Iterable[str], folder: Path) -> Sequence[str]:
    """Parts that are made one after another (a unit's: `000-00002`) are made again from the first that is damaged."""
    numbers = {path.stem.partition("-")[2] for kind in _KINDS for path in folder.glob(f"{kind}-*.json*")}
    gone = set(damaged)
    for number in damaged:
        unit, separator, _ = number.rpartition("-")
        if separator:
            (folder / f"unit-{unit}.done").unlink(missing_ok=True)
            gone |= {other for other in numbers if other.startswith(f"{unit}-") and other > number}
    return sorted(gone)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
