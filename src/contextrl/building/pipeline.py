"""Steps one after another, each with its parts on disk: what is done is kept, and a build goes on where it was.

A step that gives candidates (`UnitsStep`) goes on after its last part; one that looks at one candidate at a time
(`EachStep`) turns a part of its input into the part of the same number; one that needs all of them (`WholeStep`) is
done or not. Parts have their names only when they are whole.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from contextrl.building.candidates import Candidate, Dropped, candidate_of
from contextrl.building.pictures import PictureStore
from contextrl.building.step_files import (
    DONE,
    FAILED,
    done_record,
    forget_damaged,
    forget_failed,
    forget_outdated,
    hashes,
    is_made_of,
    is_unharmed,
    parts_given,
    summed,
    unit_parts,
    unit_rows,
)
from contextrl.errors import InputError
from contextrl.records.files import write_atomically
from contextrl.records.jsonl import read_objects

#: Candidates of a part: what a kill can cost.
PART = 1_000
_NOTES = "notes.json"


@dataclass(frozen=True)
class Context:
    """What every step may use.

    Attributes:
        seed: of the build; a step draws from `draws(...)`, never from a generator that others move.
        pictures: of the build.
        advance: told how many candidates have been seen to.
        tell: told how far a part is that is seen to as a whole.
    """

    seed: int
    pictures: PictureStore
    advance: Callable[[int], None] = lambda _: None
    tell: Callable[[str], None] = lambda _: None

    def draw(self, *names: object) -> int:
        """A number of 64 bits that depends on the seed and on what it is for, and on nothing else."""
        text = json.dumps([self.seed, *map(str, names)])
        return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


@dataclass(frozen=True)
class Counts:
    """What a step did.

    Attributes:
        taken: candidates that it was given.
        given: candidates that it gave.
        dropped: how many by reason.
        notes: figures of the step's own.
    """

    taken: int = 0
    given: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


class Step(ABC):
    """One step.

    Attributes:
        name: its folder's, and its section's in the recipe.
        version: raised when it decides otherwise with the same settings: builds under way then make it again.
    """

    name: str
    version: int = 1

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """All that its outcome depends on besides its input: settings, versions of libraries, prompts' hashes."""

    def check(self) -> None:  # noqa: B027 - most steps have nothing to check
        """Refuse before anything is done what could not be done: a source that is nowhere, a server that is gone.

        Raises:
            InputError: or ServiceError, naming the setting.
        """

    def notes(self) -> Mapping[str, Any]:
        """Figures of its own for the manifest, after it has run; the same when it went on where it was."""
        return {}


class EachStep(Step):
    """Looks at one candidate at a time."""

    @abstractmethod
    def each(self, candidates: Iterable[Candidate], context: Context) -> Iterator[Candidate | Dropped]:
        """One outcome for each candidate, in order. A candidate that nobody could see to (a server that is gone)
        raises, and its part is made again next time.
        """

    def part_notes(self) -> Mapping[str, Any]:
        """Figures of the part that `each` has just gone through: numbers, by name at any depth. They are kept with the
        part, and the step's notes are their sums, in however many starts the parts were made.
        """
        return {}


class WholeStep(Step):
    """Needs all candidates; streams what it can."""

    @abstractmethod
    def whole(self, candidates: Callable[[], Iterator[Candidate]], context: Context) -> Iterator[Candidate | Dropped]:
        """Outcomes in any order, the same with every run.

        Args:
            candidates: reads all of them anew each time it is called.
        """


class UnitsStep(Step):
    """Gives candidates of its own, unit by unit (a unit is a source): the first step."""

    @abstractmethod
    def units(self) -> Sequence[str]:
        """Their names, in order."""

    @abstractmethod
    def unit(self, name: str, context: Context, start: int) -> Iterator[Candidate | Dropped]:
        """A unit's outcomes, in the same order with every run.

        Args:
            start: how many of them are on disk already: what is given begins after these.
        """


class Pipeline:
    """A build's steps on disk.

    Args:
        folder: of the build; `steps/01-import/part-00000.jsonl`, `.../dropped-00000.jsonl`, `.../done.json`.
        steps: in order; the first gets no candidates.
        context: see `Context`.
    """

    def __init__(self, folder: Path, steps: Sequence[Step], context: Context) -> None:
        self.folder, self.steps, self.context = folder, steps, context

    def run(self, on_step: Callable[[Step, int | None], AbstractContextManager[Context]] | None = None) -> list[Counts]:
        """Run what is not done; a step whose settings or input have changed is done again, and all after it.

        Args:
            on_step: entered with each step that runs and how many candidates it gets (None: not known); gives the
                context to use.

        Returns:
            Counts of each step.

        Raises:
            ContextRLError: what a step raises; what is done is kept.
        """
        counts = list[Counts]()
        for number, step in enumerate(self.steps):
            done = self.begin(number)
            if done is None:
                given = counts[-1].given if counts else None
                with nullcontext(self.context) if on_step is None else on_step(step, given) as context:
                    self.work(number, context)
                    done = self.finish(number)
            counts.append(done)
        return counts

    def begin(self, number: int) -> Counts | None:
        """Make a step's folder ready; one process does it, before any works.

        Args:
            number: of the step, from 0.

        Returns:
            The counts of a step that is done with these settings and this input, and for which no request failed.
        """
        done = self.done(number)
        if done is not None and not done.notes.get(FAILED):
            return done
        self._work(number).begin(self.steps[number])
        return None

    def done(self, number: int) -> Counts | None:
        """The counts of a step that is done with these settings and this input."""
        return self._work(number).done()

    @property
    def identity(self) -> str:
        """Of the build: what all its steps depend on."""
        return self._identities[-1]

    def work(self, number: int, context: Context, rank: int = 0, processes: int = 1) -> None:
        """A process's share of a step, as far as it is not done: one in so many units or parts. A step that needs all
        candidates is the first process's alone.
        """
        self._work(number).work(self.steps[number], context, rank, processes)

    def finish(self, number: int) -> Counts:
        """Count what a step has left; one process does it, when all have worked."""
        return self._work(number).finish(self.steps[number])

    @cached_property
    def _identities(self) -> Sequence[str]:
        """Of each step: what it and all before it depend on. Files are hashed for them, so they are asked for once."""
        identities = [""]
        for step in self.steps:
            identities.append(_hash([identities[-1], step.name, step.version, step.identity(), self.context.seed]))
        return identities[1:]

    def _work(self, number: int) -> _Work:
        return _Work(self._folder(number), self._identities[number], self._folder(number - 1) if number else None)

    def _folder(self, number: int) -> Path:
        return step_folder(self.folder, number, self.steps[number].name)

    def outcome(self) -> Iterator[Candidate]:
        """Candidates of the last step."""
        return read_parts(self._folder(len(self.steps) - 1))


def step_folder(folder: Path, number: int, name: str) -> Path:
    """Where a step has its files, in a build's folder; `number` is from 0."""
    return folder / "steps" / f"{number + 1:02}-{name}"


def read_parts(folder: Path) -> Iterator[Candidate]:
    """All candidates that a step gave."""
    for path in sorted(folder.glob("part-*.jsonl")):
        yield from read_part(path)


def read_part(path: Path) -> Iterator[Candidate]:
    for number, line in enumerate(read_objects(path), start=1):
        yield candidate_of(line, f"{path}, line {number}")


class _Work:
    """One step's folder while it is being filled."""

    def __init__(self, folder: Path, identity: str, earlier: Path | None) -> None:
        self.folder, self.identity, self.earlier = folder, identity, earlier

    def begin(self, step: Step) -> None:
        """Keep the parts of the same work; forget those of another, and what is damaged."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mark = self.folder / "identity"
        if not mark.is_file() or mark.read_text(encoding="utf-8", errors="replace") != self.identity:
            for path in self.folder.iterdir():
                path.unlink()
            write_atomically(mark, self.identity)
        elif isinstance(step, WholeStep):
            # Its parts are only as good as all of them: it is made again unless it is done.
            for path in (self.folder / DONE, *self.folder.glob("*-*.jsonl")):
                path.unlink(missing_ok=True)
        forget_outdated(self.folder, parts_given(self.earlier))
        if not isinstance(step, WholeStep):
            forget_failed(self.folder)
            forget_damaged(self.folder, self.identity, self._taken())

    def done(self) -> Counts | None:
        """The counts of a step that is done with these settings and this input, and still has what it gave."""
        record = done_record(self.folder, self.identity)
        if record and is_made_of(self.folder, parts_given(self.earlier)) and is_unharmed(self.folder, record):
            return Counts(record["taken"], record["given"], record["dropped"], record["notes"])
        return None

    def _taken(self) -> dict[str, int]:
        """Candidates that each part looks at, where that is known: for units `unit_parts` says it."""
        if self.earlier is None:
            return unit_parts(self.folder, PART)
        earlier = self.earlier.glob("part-*.jsonl")
        return {path.stem.removeprefix("part-"): sum(1 for _ in read_objects(path)) for path in earlier}

    def work(self, step: Step, context: Context, rank: int, processes: int) -> None:
        if isinstance(step, EachStep):
            self._each(step, context, rank, processes)
        elif isinstance(step, UnitsStep):
            self._units(step, context, rank, processes)
        elif not isinstance(step, WholeStep):
            raise TypeError(f"{type(step).__name__} is none of the three kinds of steps")
        elif rank == 0:
            self._whole(step, context)
            write_atomically(self.folder / _NOTES, json.dumps(step.notes()))

    def finish(self, step: Step) -> Counts:
        record = done_record(self.folder, self.identity)
        if record is not None and not is_unharmed(self.folder, record):
            # `begin` has this made again; where others keep count of what is done it is not asked any more.
            found, fix = "some of them gone or changed", "Delete the folder `logs` of the build, and run it again"
            raise InputError("the files that the step had written", found=found, where=str(self.folder), fix=fix)
        # What a step has found out is known where it ran, which may be another process.
        kept = self.folder / _NOTES
        notes = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else dict(step.notes())
        for path in sorted(self.folder.glob("notes-*.json")):
            notes = summed(notes, json.loads(path.read_text(encoding="utf-8")))
        counts = self._count(notes)
        record = {
            "identity": self.identity,
            "settings": step.identity(),
            **asdict(counts),
            "sha256": hashes(self.folder),
        }
        # In the order in which it was made, so that a table's columns are the same when it is read again.
        write_atomically(self.folder / DONE, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        return counts

    def _each(self, step: EachStep, context: Context, rank: int, processes: int) -> None:
        assert self.earlier is not None
        for part in sorted(self.earlier.glob("part-*.jsonl"))[rank::processes]:
            number = part.stem.removeprefix("part-")
            candidates = list(read_part(part))
            if (self.folder / part.name).is_file():
                context.advance(len(candidates))
            else:
                self._write(number, _counted(step.each(candidates, context), context), step.part_notes)

    def _units(self, step: UnitsStep, context: Context, rank: int, processes: int) -> None:
        for place, name in list(enumerate(step.units()))[rank::processes]:
            whole = self.folder / f"unit-{place:03}.done"
            if whole.is_file():
                continue
            done = len(list(self.folder.glob(f"part-{place:03}-*.jsonl")))
            self._in_parts(step.unit(name, context, done * PART), context, f"{place:03}-", done)
            write_atomically(whole, str(unit_rows(self.folder, f"{place:03}")))

    def _whole(self, step: WholeStep, context: Context) -> None:
        earlier = self.earlier

        def candidates() -> Iterator[Candidate]:
            return iter(()) if earlier is None else read_parts(earlier)

        self._in_parts(step.whole(candidates, context), context)

    def _in_parts(
        self, outcomes: Iterator[Candidate | Dropped], context: Context, prefix: str = "", number: int = 0
    ) -> None:
        while part := list(islice(outcomes, PART)):
            self._write(f"{prefix}{number:05}", part)
            context.advance(len(part))
            number += 1

    def _write(
        self,
        number: str,
        outcomes: Iterable[Candidate | Dropped],
        notes: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        """A part, its notes and what was dropped from it; the part comes last, so that it is there with the others."""
        given: list[str] = []
        dropped: list[str] = []
        for outcome in outcomes:
            (dropped if isinstance(outcome, Dropped) else given).append(outcome.as_line())
        if noted := notes():
            write_atomically(self.folder / f"notes-{number}.json", json.dumps(noted))
        write_atomically(self.folder / f"dropped-{number}.jsonl", "".join(dropped))
        write_atomically(self.folder / f"part-{number}.jsonl", "".join(given))

    def _count(self, notes: Mapping[str, Any]) -> Counts:
        given = sum(1 for _ in read_parts(self.folder))
        reasons: Counter[str] = Counter()
        for path in sorted(self.folder.glob("dropped-*.jsonl")):
            reasons.update(str(line["reason"]) for line in read_objects(path))
        return Counts(given + sum(reasons.values()), given, dict(sorted(reasons.items())), notes)


def _counted(outcomes: Iterable[Candidate | Dropped], context: Context) -> Iterator[Candidate | Dropped]:
    """Tell of each outcome as it comes: a part may take hours."""
    for outcome in outcomes:
        yield outcome
        context.advance(1)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
