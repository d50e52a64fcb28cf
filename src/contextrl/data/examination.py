"""All faults of all rows of a file of any size: rows stream through worker processes, memory stays flat."""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from contextrl.answers import check_answer
from contextrl.data.columns import Columns, Renaming
from contextrl.data.confinement import ALLOW, outside
from contextrl.data.images import ImageChecks, image_problems
from contextrl.data.pictures import bytes_of
from contextrl.data.problems import by_kind
from contextrl.data.raw_rows import RawRow, quoted
from contextrl.data.row_files import Source
from contextrl.data.rows import RowReader, fault_lines, faults_of
from contextrl.data.validation import row_problems
from contextrl.errors import InputError
from contextrl.records.example import Example

#: Rows that a worker gets at once, and bytes of pictures within them: enough that handing them over costs little, few
#: enough that they fit.
_BATCH, _BATCH_BYTES = 64, 4 * 2**20
#: Problems of each kind that are kept to be shown.
SHOWN = 5
#: Bits of the filter that finds repeated ids; 128 MiB of bits are 16 MiB.
_FILTER_BITS = 2**27


@dataclass(frozen=True)
class Reading:
    """How a file's rows become examples.

    Attributes:
        vision: whether pictures are decoded; False refuses rows that have some.
    """

    spec: str
    split: str = "train"
    columns: Columns | None = None
    answer_type: str = "text"
    allow_outside: bool = False
    vision: bool = True

    @property
    def source(self) -> Source:
        return Source(self.spec, self.split)


@dataclass(frozen=True)
class Looked:
    """What was found in one row.

    Attributes:
        where: its place in the file.
        id: its id; None where it has none that can be read.
        problems: a line each; empty for a usable row.
        documents: whether it has some, for judges that see them.
        answer_type: what its answer had to be taken for to be usable, where the row does not say it; else empty.
    """

    where: str
    id: str | None
    problems: tuple[str, ...]
    documents: bool = False
    answer_type: str = ""


@dataclass
class Kind:
    """Faults of one kind: how many, and the first of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)


@dataclass
class Findings:
    """What a file's rows came to.

    Attributes:
        rows: how many were looked at.
        usable: rows without fault.
        with_documents: of these, rows that have documents.
        kinds: faults by kind.
    """

    rows: int = 0
    usable: int = 0
    with_documents: int = 0
    kinds: dict[str, Kind] = field(default_factory=dict)

    def count(self, looked: Looked) -> None:
        """Add one row."""
        self.rows += 1
        self.usable += not looked.problems
        self.with_documents += looked.documents and not looked.problems
        for name, lines in by_kind(looked.problems).items():
            kind = self.kinds.setdefault(name, Kind())
            kind.count += len(lines)
            kind.first += lines[: SHOWN - len(kind.first)]

    @property
    def by_count(self) -> list[tuple[str, Kind]]:
        """Kinds, the commonest first."""
        return sorted(self.kinds.items(), key=lambda item: -item[1].count)


def examine(
    reading: Reading,
    *,
    workers: int | None = None,
    on_total: Callable[[int], None] | None = None,
    on_row: Callable[[RawRow | InputError, Looked], None] | None = None,
) -> Findings:
    """Look at every row.

    Args:
        workers: processes; by default one for each core.
        on_total: told how many rows there are, before they are looked at.
        on_row: told each row with what was found, in the file's order.

    Returns:
        Counts, and the first faults of each kind.

    Raises:
        InputError: the file as a whole cannot be read, or has no rows.
    """
    rows, repeated = _repeated_ids(reading)
    if not rows:
        raise InputError("at least one row", found="none", where=reading.spec)
    if on_total is not None:
        on_total(rows)
    findings, seen = Findings(), dict[str, str]()
    for row, looked in _looked_at(reading, workers or os.cpu_count() or 1):
        told = looked
        if looked.id in repeated:
            first = seen.setdefault(looked.id, looked.where)
            if first != looked.where:
                found = f"{quoted(looked.id)}, already the id of {first}"
                line = f"{looked.where}, field 'id': expected a unique id, found {found}"
                told = replace(looked, problems=(*looked.problems, line))
        findings.count(told)
        if on_row is not None:
            on_row(row, told)
    return findings


def _looked_at(reading: Reading, workers: int) -> Iterator[tuple[RawRow | InputError, Looked]]:
    """Rows with what was found, in order; only a few batches are under way.

    Texts are compared in worker processes. Pictures that a row holds itself are checked in threads of this one: handing
    a picture to another process takes as long as inflating it.
    """
    under_way: deque[tuple[Batch, Callable[[], list[Looked]]]] = deque()
    with _Workers(reading, workers) as begin:
        for batch in _batches(reading.source.rows()):
            under_way.append((batch, begin(batch)))
            if len(under_way) > 2 * workers:
                done, found = under_way.popleft()
                yield from zip(done.rows, found(), strict=True)
        for done, found in under_way:
            yield from zip(done.rows, found(), strict=True)


@dataclass(frozen=True)
class Batch:
    """Rows that are examined together.

    Attributes:
        rows: in place of one that is none, what is wrong with it.
        heavy: whether they are few because they hold so much.
    """

    rows: Sequence[RawRow | InputError]
    heavy: bool = False


class _Workers:
    """Begins to examine batches: heavy ones in threads, others in processes. A context."""

    def __init__(self, reading: Reading, workers: int) -> None:
        self._reading = reading
        self._threads = ThreadPoolExecutor(workers)
        # Forked workers would inherit locks of whatever threads there are. None is started before it has work.
        context = multiprocessing.get_context("spawn")
        self._processes = ProcessPoolExecutor(workers, mp_context=context) if workers > 1 else None

    def __enter__(self) -> Callable[[Batch], Callable[[], list[Looked]]]:
        return self._begin

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for pool in (self._threads, self._processes):
            if pool is not None:
                pool.shutdown(wait=kind is None, cancel_futures=True)

    def _begin(self, batch: Batch) -> Callable[[], list[Looked]]:
        """Returns what waits until all is found."""
        if batch.heavy or self._processes is None:
            return begin_to_look(batch.rows, self._reading, ImageChecks(self._threads))
        return self._processes.submit(look_at, batch.rows, self._reading).result


def _batches(rows: Iterable[RawRow | InputError]) -> Iterator[Batch]:
    batch: list[RawRow | InputError] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += 0 if isinstance(row, InputError) else bytes_of(row)
        if len(batch) == _BATCH or size >= _BATCH_BYTES:
            yield Batch(batch, heavy=size >= _BATCH_BYTES)
            batch, size = [], 0
    if batch:
        yield Batch(batch, heavy=size >= _BATCH_BYTES * len(batch) / _BATCH)


def look_at(rows: Sequence[RawRow | InputError], reading: Reading) -> list[Looked]:
    """Examine a batch of rows.

    Args:
        rows: in place of one that is none, what is wrong with it.
    """
    with ImageChecks() as checks:
        return begin_to_look(rows, reading, checks)()


def begin_to_look(
    rows: Sequence[RawRow | InputError], reading: Reading, checks: ImageChecks
) -> Callable[[], list[Looked]]:
    """Read rows and begin to check their pictures.

    Returns:
        What waits for the pictures and says what was found.
    """
    folders = [] if reading.allow_outside else reading.source.folders
    reader = RowReader(Renaming(reading.columns), reading.answer_type)
    look = _Look(reader, checks, [folder.resolve() for folder in folders], folders, reading)
    begun = [look(row) for row in rows]
    return lambda: [found() for found in begun]


@dataclass(frozen=True)
class _Look:
    """What looking at a row needs, the same for all rows of a batch."""

    reader: RowReader
    checks: ImageChecks
    allowed: Sequence[Path]
    shown: Sequence[Path]
    reading: Reading

    def __call__(self, row: RawRow | InputError) -> Callable[[], Looked]:
        """Begin with a row."""
        if isinstance(row, InputError):
            broken = Looked(row.where, None, tuple(fault_lines([row], row, self.reader)))
            return lambda: broken
        try:
            example = self.reader.example(row)
        except InputError as error:
            lines = fault_lines(faults_of(error), row, self.reader)
            faulty = Looked(row.where, row_id(row, id_column(self.reading)), tuple(lines))
            return lambda: faulty
        return self._begun(row.where, example, said=self.reader.columns(row).columns.get("answer_type") is not None)

    def _begun(self, where: str, example: Example, *, said: bool) -> Callable[[], Looked]:
        place = f"{where}, row {quoted(example.id)}"
        confined = example.images and not self.reading.allow_outside
        strange = [f"{one}. {ALLOW}" for one in outside(example, self.allowed, self.shown)] if confined else []
        # What an outside file holds is nobody's business: it is not even decoded.
        pictures = self.checks.start(example.images) if self.reading.vision and not strange else []

        def found() -> Looked:
            problems = strange or row_problems(example, image_problems(pictures), vision=self.reading.vision)
            lines = tuple(f"{place}, {problem}" for problem in problems)
            return Looked(where, example.id, lines, bool(example.documents), self._needed_type(said, example))

        return found

    def _needed_type(self, said: bool, example: Example) -> str:
        """Training takes an answer for text where neither the row nor the configuration says more."""
        if said or example.answer_type == "text":
            return ""
        as_text = check_answer(example.solution, example.answer, "text", tolerance=example.tolerance)
        return "" if as_text is True else example.answer_type


def id_column(reading: Reading) -> Renaming:
    """Reads the ids of rows, whatever else these lack."""
    columns = reading.columns or {}
    return Renaming({"id": columns["id"]} if "id" in columns else None)


def row_id(row: RawRow, column: Renaming) -> str | None:
    """A row's id, its own or by its number; None where what stands there is none."""
    try:
        value = column(row).columns.get("id")
    except InputError:
        return None
    if value is None:
        return row.default_id
    return str(value).strip() if isinstance(value, str | int) else None


def _repeated_ids(reading: Reading) -> tuple[int, set[str]]:
    """How many rows there are, and the ids that more than one of them has.

    A filter of fixed size finds the suspects, a second reading of the file tells which of them are repeated: a million
    ids are never held.
    """
    filter_, rows, suspects = _Filter(_FILTER_BITS), 0, set[str]()
    for identity in _ids(reading):
        rows += 1
        if identity is not None and filter_.add(identity):
            suspects.add(identity)
    if not suspects:
        return rows, suspects
    times = dict.fromkeys(suspects, 0)
    for identity in _ids(reading):
        if identity in times:
            times[identity] += 1
    return rows, {identity for identity, count in times.items() if count > 1}


def _ids(reading: Reading) -> Iterator[str | None]:
    """Each row's id; None for a row that has none. Where a format allows it, nothing else is read."""
    column = id_column(reading)
    name = column.columns.get("id", "id")
    only = (name,) if isinstance(name, str) else None
    for row in replace(reading.source, only=only).rows():
        yield row_id(row, column) if isinstance(row, RawRow) else None


class _Filter:
    """A Bloom filter: says of what was added before that it was, and of little else."""

    def __init__(self, bits: int, hashes: int = 7) -> None:
        self._bits, self._hashes, self._bytes = bits, hashes, bytearray(math.ceil(bits / 8))

    def add(self, key: str) -> bool:
        """Add a key; returns whether it seems to have been there."""
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8 * self._hashes).digest()
        there = True
        for start in range(0, len(digest), 8):
            place = int.from_bytes(digest[start : start + 8], "little") % self._bits
            mask = 1 << (place & 7)
            there = there and bool(self._bytes[place >> 3] & mask)
            self._bytes[place >> 3] |= mask
        return there
