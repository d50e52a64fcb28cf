"""Near-duplicates within the set, and rows that a benchmark has too: taken out, each with its partner and why."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from contextrl.building.benchmark_hashes import Benchmarks, picture_key, text_bands
from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.contents import initials, same_contents
from contextrl.building.fingerprints import (
    PICTURE_TYPE,
    Array,
    answer_key,
    bands,
    key_of,
    picture_prints,
    plain_text,
    row_type,
    scheme,
    text_print,
)
from contextrl.building.finish_settings import DuplicateSettings
from contextrl.building.importing import BAD_PICTURE
from contextrl.building.near import led, mixed, near_options, picture_bands, picture_near, runs, text_near
from contextrl.building.pipeline import Context, WholeStep
from contextrl.disk import writing
from contextrl.records.example import ANSWER_TYPES, Example

#: Rows whose fingerprints are one file: what a kill can cost each process.
CHUNK = 1_000
_SHOWN, _KEY = np.dtype([("row", "<u4"), ("key", "<u8")]), np.dtype("<u8")
SAME, NEAR, PICTURE, QUESTION = (
    "same question and pictures",
    "near question and pictures",
    "a benchmark's picture",
    "a benchmark's question",
)


class Duplicates(WholeStep):
    """The step; of duplicates, the one that has a solution stays, then one that has documents, then the
    first.

    Same pictures with another question are no duplicates, nor is the same question about other pictures.

    Args:
        settings: what counts as near.
        scratch: folder of fingerprints, which a killed build uses again.
    """

    name = "duplicates"

    def __init__(self, settings: DuplicateSettings, scratch: Path) -> None:
        self.settings, self.scratch = settings, scratch
        self._notes: dict[str, Any] = {}

    def identity(self) -> Mapping[str, Any]:
        settings = self.settings.model_dump(mode="json", exclude={"workers", "benchmarks"})
        folder = Path(self.settings.benchmarks)
        files = sorted(folder.glob("*.jsonl")) if self.settings.benchmarks else []
        hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        return {**settings, "benchmarks": hashes, "scheme": scheme(self.settings.permutations)}

    def check(self) -> None:
        """Read the benchmarks' hashes.

        Raises:
            InputError: there are none, or of another scheme.
        """
        self._benchmarks()

    def notes(self) -> Mapping[str, Any]:
        return self._notes

    def _benchmarks(self) -> Benchmarks | None:
        return Benchmarks(Path(self.settings.benchmarks), self.settings) if self.settings.benchmarks else None

    def whole(self, candidates: Callable[[], Iterator[Candidate]], context: Context) -> Iterator[Candidate | Dropped]:
        benchmarks = self._benchmarks()
        with suppress(FileExistsError), writing(self.scratch):
            self.scratch.mkdir(parents=True, exist_ok=True)
        files = list(_Prints(self.settings, self.scratch, context).make(candidates))
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            found = Search(self.settings, files, Path(folder)).run(benchmarks)
            partners = _ids_at(candidates(), {one.partner for one in found.values() if one.benchmark is None})
            self._notes = {"rows": found.rows, "benchmarks": benchmarks.files if benchmarks else []}
            broken = {int(key) for stem in files for key in _read(stem, "broken")}
            for place, candidate in enumerate(candidates()):
                one = found.get(place)
                unread = next((name for name in candidate.images if picture_key(name) in broken), None)
                if unread is not None:  # its duplicates show it too
                    yield Dropped(candidate.id, BAD_PICTURE, unread)
                elif one is None:
                    yield candidate
                else:
                    other = partners[one.partner] if one.benchmark is None else one.benchmark
                    yield Dropped(candidate.id, one.reason, f"{other} ({one.how})")


@dataclass(frozen=True)
class Removed:
    """Why a row is removed.

    Attributes:
        partner: place of the row that stays; of a benchmark's item nothing.
        benchmark: the item's name.
        how: how near they are.
    """

    reason: str
    how: str
    partner: int = -1
    benchmark: str | None = None


class _Findings(dict[int, Removed]):
    rows = 0


def _ids_at(candidates: Iterator[Candidate], places: set[int]) -> dict[int, str]:
    return {place: candidate.id for place, candidate in enumerate(candidates) if place in places}


class _Prints:
    """Fingerprints in files: `00000-rows.npy`, `-shown.npy` (which row shows which picture), `-pictures.npy`, and
    `-broken.npy` (pictures that cannot be decoded).

    A file's name has the hash of what it was made from, so that only what fits is used again.
    """

    def __init__(self, settings: DuplicateSettings, scratch: Path, context: Context) -> None:
        self.settings, self.scratch, self.context = settings, scratch, context

    def make(self, candidates: Callable[[], Iterator[Candidate]]) -> Iterator[Path]:
        """Stems of the files, in order."""
        workers = self.settings.workers or os.cpu_count() or 1
        seen = set[int]()
        chain = hashlib.sha256(json.dumps(scheme(self.settings.permutations), sort_keys=True).encode())
        rows = candidates()
        under_way: deque[tuple[Path, Future[None] | None]] = deque()
        # Forked workers would inherit locks of whatever threads there are.
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            number = 0
            while chunk := list(islice(rows, CHUNK)):
                for one in chunk:
                    chain.update(one.as_line().encode("utf-8", "surrogatepass"))
                stem = self.scratch / f"{number:05}-{chain.hexdigest()[:16]}"
                new = _unseen(chunk, seen)
                args = (stem, chunk, new, self.context.pictures.folder, self.settings.permutations)
                if _is_whole(stem, len(chunk), self.settings.permutations):
                    under_way.append((stem, None))
                elif workers == 1 or (number == 0 and len(chunk) < CHUNK):
                    _write_prints(*args)
                    under_way.append((stem, None))
                else:
                    under_way.append((stem, pool.submit(_write_prints, *args)))
                if len(under_way) > 2 * workers:
                    yield _finished(*under_way.popleft())
                number += 1
            while under_way:
                yield _finished(*under_way.popleft())


def _finished(stem: Path, work: Future[None] | None) -> Path:
    if work is not None:
        work.result()
    return stem


def _is_whole(stem: Path, rows: int, permutations: int) -> bool:
    """Whether fingerprints of so many rows are there, and none of their files has been damaged."""
    kinds = {"rows": row_type(permutations), "shown": _SHOWN, "pictures": PICTURE_TYPE, "broken": _KEY}
    try:
        read = {name: _read(stem, name) for name in kinds if _file(stem, name).is_file()}
    except (ValueError, EOFError):
        return False
    fits = all(name in read and read[name].dtype == kind for name, kind in kinds.items())
    return fits and len(read["rows"]) == rows


def _file(stem: Path, name: str) -> Path:
    return stem.with_name(f"{stem.name}-{name}.npy")


def _unseen(chunk: Sequence[Candidate], seen: set[int]) -> list[str]:
    """Pictures that no row before has shown."""
    names = []
    for candidate in chunk:
        for name in candidate.images:
            if (key := picture_key(name)) not in seen:
                seen.add(key)
                names.append(name)
    return names


def _write_prints(stem: Path, chunk: Sequence[Candidate], new: Sequence[str], store: Path, permutations: int) -> None:
    rows = np.zeros(len(chunk), row_type(permutations))
    shown = []
    for place, one in enumerate(chunk):
        print_row(rows, place, one, len(one.images))
        shown += [(place, picture_key(name)) for name in one.images]
    pictures, broken = picture_prints((picture_key(name), store / name) for name in new)
    write_arrays(stem, rows, shown, pictures, broken)


def print_row(rows: Array, place: int, one: Candidate | Example, pictures: int) -> None:
    """Fill in a question's fingerprint, an entry of an array of `row_type`."""
    row = rows[place]
    text = text_print(one.question, rows.dtype["minhash"].shape[0])
    for field in fields(text):
        row[field.name] = getattr(text, field.name)
    answer = answer_key(one.question, one.answer) if one.answer_type == "choice" else key_of(plain_text(one.answer))
    row["answer"], row["kind"] = answer, ANSWER_TYPES.index(one.answer_type)
    row["pictures"], row["worth"] = pictures, 2 * bool(one.solution) + bool(one.documents)


def write_arrays(
    stem: Path, rows: Array, shown: Sequence[tuple[int, int]], pictures: Array, broken: Sequence[int] = ()
) -> None:
    """Write fingerprints of some rows.

    Args:
        rows: of `row_type`; `shown`: (place in them, key of a picture); `pictures`: of `PICTURE_TYPE`; `broken`: keys
            of those that cannot be decoded.
    """
    # Rows come last: they are there only with the others.
    kept = {"pictures": pictures, "shown": np.array(list(shown), _SHOWN), "broken": np.array(broken, _KEY)}
    for name, array in {**kept, "rows": rows}.items():
        path = _file(stem, name)
        partial = path.with_suffix(".partial")
        with writing(path), partial.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        partial.replace(path)


class Search:
    """Looks for what is near, over tables on disk.

    Args:
        stems: of files as `write_arrays` writes them, in order.
        folder: for tables of its own.
    """

    def __init__(self, settings: DuplicateSettings, stems: Sequence[Path], folder: Path) -> None:
        self.settings, self.found = settings, _Findings()
        counts = [len(_read(stem, "rows")) for stem in stems]
        self.rows: Any = np.zeros(0, row_type(settings.permutations))
        if stems:
            self.rows = np.lib.format.open_memmap(
                folder / "rows.npy", "w+", row_type(settings.permutations), (sum(counts),)
            )
        starts = np.cumsum([0, *counts])
        shown, pictures = [np.zeros(0, _SHOWN)], [np.zeros(0, PICTURE_TYPE)]
        for stem, start in zip(stems, starts[:-1], strict=True):
            part = _read(stem, "rows")
            self.rows[start : start + len(part)] = part
            places = _read(stem, "shown")
            places["row"] += np.uint32(start)
            shown.append(places)
            pictures.append(_read(stem, "pictures"))
        self.shown, self.pictures = np.concatenate(shown), np.concatenate(pictures)
        self.found.rows = len(self.rows)

    def run(self, benchmarks: Benchmarks | None) -> _Findings:
        """All that is to be removed, by place."""
        if benchmarks is not None:
            self._contaminated(benchmarks)
        gone = np.zeros(len(self.rows), bool)
        gone[list(self.found)] = True
        # A row with a solution comes first, then one with documents, then the earlier one.
        order = np.argsort(-self.rows["worth"].astype(int), kind="stable")
        order = order[~gone[order]]
        shown = self._shown_keys()[order]
        first = self._same(order, shown)
        self._near(order[first], shown[first])
        return self.found

    def _contaminated(self, benchmarks: Benchmarks) -> None:
        hits: dict[int, tuple[int, float]] = {}
        if self.settings.benchmark_pictures != "off":
            hits = {int(one["key"]): hit for one in self.pictures if (hit := benchmarks.picture(one)) is not None}
        for row, key in self.shown:
            hit, place = hits.get(int(key)), int(row)
            if hit is None or place in self.found:
                continue
            likeness = benchmarks.similarity(hit[0], self.rows["minhash"][place])
            if self.settings.benchmark_pictures == "any_question" or likeness >= self.settings.text_similarity:
                how = f"{hit[1]:.0f} of 256 bits differ, text {likeness:.2f}"
                self.found[place] = Removed(PICTURE, how, benchmark=benchmarks.names[hit[0]])
        for place, row in enumerate(self.rows):
            if place not in self.found and (near := benchmarks.text(row["minhash"], row)) is not None:
                self.found[place] = Removed(QUESTION, f"text {near[1]:.2f}", benchmark=benchmarks.names[near[0]])

    def _shown_keys(self) -> Array:
        """`[rows]`: a hash of the pictures that a row shows, near pictures counting as one."""
        limits = self.settings.picture_distance, self.settings.colour_distance
        lead = np.arange(len(self.pictures))
        near = picture_near(self.pictures, *limits)
        earlier: dict[int, int] = {}
        for band in picture_bands(self.pictures):
            for run in runs(band):
                for place, leader, _ in led(run, near):
                    earlier[place] = min(leader, earlier.get(place, leader))
        for place in sorted(earlier):
            lead[place] = lead[earlier[place]]
        by_key = np.argsort(self.pictures["key"], kind="stable")
        spots = by_key[np.searchsorted(self.pictures["key"], self.shown["key"], sorter=by_key)]
        keys = np.zeros(len(self.rows), np.uint64)
        for row, leader in zip(self.shown["row"], lead[spots], strict=True):
            keys[row] = key_of(keys[row], leader)
        return keys

    def _same(self, order: Array, shown: Array) -> Array:
        """Removes equal texts with the same pictures; returns the places in `order` of what is left."""
        left = np.ones(len(order), bool)
        for run in runs(mixed(self.rows["exact"][order], shown)):
            first = self.rows[order[run[0]]]
            left[run[1:]] = False
            for place in order[run[1:]]:
                row, how = self.rows[place], "equal, with an answer of another type"
                if row["kind"] == first["kind"]:  # as a number and as a text one answer is two hashes
                    how = "equal" if row["answer"] == first["answer"] else "equal, with another answer"
                self.found[int(place)] = Removed(SAME, how, int(order[run[0]]))
        return np.flatnonzero(left)

    def _near(self, order: Array, shown: Array) -> None:
        """Removes near texts with the same pictures, in the order of their right to stay."""
        minhash, near = self.rows["minhash"], text_near(self.rows["minhash"], self.settings.text_similarity)
        group, pairs = self._groups(order, shown), dict[int, dict[int, float]]()
        worded = order[self.rows["words"][order] > 0]
        group = group[:, self.rows["words"][order] > 0]
        count, width = bands(self.settings.text_similarity, self.settings.permutations)
        for start in range(0, count * width, width):
            band = next(iter(text_bands(minhash[worded, start : start + width], 1, width)))
            for run in (run for one in group for run in runs(mixed(one, band))):
                for place, leader, similarity in led(run, lambda one, others: self._alike(near, worded, one, others)):
                    pairs.setdefault(place, {})[leader] = similarity
        gone = set[int]()
        for place in sorted(pairs):
            kept = [(leader, how) for leader, how in sorted(pairs[place].items()) if leader not in gone]
            if kept:
                gone.add(place)
                leader, how = kept[0]
                removed = Removed(NEAR, f"text {how:.2f}", int(worded[leader]))
                self.found[int(worded[place])] = removed
        self._follow()

    def _groups(self, order: Array, shown: Array) -> Array:
        """`[2, rows]`: rows are compared that share either. With options they have the two least or the two greatest
        hashes in common: one alone may be that of `None of the above`, and very many would be compared.
        """
        apart, options = [shown], self.rows["options"][order]
        if self.settings.same_signs:
            first = [key_of(initials(bytes(one)).hex()) for one in self.rows["contents"][order]]
            apart += [self.rows["signs"][order], np.array(first, np.uint64)]
        least, count = options[:, :2], (options > 0).sum(axis=1)
        greatest = np.take_along_axis(options, np.maximum(count[:, None] - [2, 1], 0), axis=1)
        # Those without options are in a group once.
        alone = np.where(count > 0, 0, 1 + np.arange(len(order)))
        return np.stack([mixed(*apart, least), mixed(*apart, greatest, alone)])

    def _alike(self, near: Any, worded: Array, one: int, others: Array) -> Array:
        place, places = int(worded[one]), worded[others]
        found: Array = near(place, places)
        at = np.flatnonzero(~np.isnan(found))
        row, rows = self.rows[place], self.rows[places[at]]
        fits = near_options(row["options"], rows["options"])
        if self.settings.same_signs:
            own = bytes(row["contents"])
            fits &= np.array([same_contents(own, bytes(one)) for one in rows["contents"]], bool)
        if self.settings.same_answers:
            fits &= (rows["kind"] != row["kind"]) | (rows["answer"] == row["answer"])
        found[at[~fits]] = np.nan
        return found

    def _follow(self) -> None:
        """The partner of what is removed stays: where it was removed later, it is that one's partner."""
        for place, one in list(self.found.items()):
            further = self.found.get(one.partner)
            if further is not None:
                self.found[place] = Removed(one.reason, one.how, further.partner, further.benchmark)


def _read(stem: Path, name: str) -> Array:
    return np.asarray(np.load(_file(stem, name), allow_pickle=False))
