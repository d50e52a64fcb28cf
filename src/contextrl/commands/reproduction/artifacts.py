"""What arms need beside the package: models and rows that are made once for each seed and kept beside the cells.

Artifacts are large and can be made anew, so they are not committed: a cell that is finished needs none.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from contextrl.records.files import scratch_name, write_atomically

#: Runs `contextrl` with these arguments and raises if it fails.
Call = Callable[[Sequence[str]], object]


@dataclass(frozen=True)
class Work:
    """What the maker of an artifact works with.

    Attributes:
        path: the folder to write; nothing is there.
        artifact: path of another artifact of the same seed, made first if need be.
        configs: folder of the miniature's configurations.
        steps: of every run that is shortened; None for as many as a configuration says.
    """

    path: Path
    seed: int
    call: Call
    artifact: Callable[[str], Path]
    configs: Path
    steps: int | None = None


@dataclass(frozen=True)
class Artifact:
    """A model or rows that arms need.

    Attributes:
        version: raised when what `make` writes changes; cells that were made with another are old.
        make: writes it; what is written is kept only if it returns.
        seeded: whether every seed has one of its own.
        needs: other artifacts that it is made of.
    """

    name: str
    version: int
    make: Callable[[Work], None]
    seeded: bool = True
    needs: tuple[str, ...] = ()


@dataclass
class Pantry:
    """Makes artifacts and keeps them, by seed and length of runs.

    Attributes:
        folder: where they are kept.
        known: artifacts by name.
    """

    folder: Path
    known: Mapping[str, Artifact]
    call: Call
    configs: Path
    steps: int | None = None
    _locks: dict[str, threading.Lock] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def path(self, name: str, seed: int) -> Path:
        """Where the artifact is; it is made first if need be, once, whoever asks."""
        artifact = self.known[name]
        place = self._place(artifact, seed)
        with self._lock(place.name):
            if not self._done(place).exists():
                self._make(artifact, place, _own_seed(artifact, seed))
        return place

    def missing(self, names: Sequence[str], seed: int) -> set[Path]:
        """Places of these artifacts, and of all that they are made of, that are not made yet."""
        found: set[Path] = set()
        for artifact in (self.known[name] for name in names):
            place = self._place(artifact, seed)
            if not self._done(place).exists():
                found |= {place, *self.missing(artifact.needs, _own_seed(artifact, seed))}
        return found

    def versions(self, names: Sequence[str]) -> dict[str, int]:
        """Of these artifacts and of all that they are made of."""
        found: dict[str, int] = {}
        for name in names:
            artifact = self.known[name]
            found |= {name: artifact.version, **self.versions(artifact.needs)}
        return found

    def _make(self, artifact: Artifact, place: Path, seed: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(scratch_name(place.name))
        _remove(partial)
        work = Work(partial, seed, self.call, lambda other: self.path(other, seed), self.configs, self.steps)
        try:
            artifact.make(work)
            _remove(place)
            partial.rename(place)
        finally:
            _remove(partial)
        write_atomically(self._done(place), "")

    def _place(self, artifact: Artifact, seed: int) -> Path:
        length = "" if self.steps is None else f"-{self.steps}-steps"
        return self.folder / f"{artifact.name}-v{artifact.version}{length}-seed-{_own_seed(artifact, seed)}"

    def _done(self, place: Path) -> Path:
        return place.with_name(f"{place.name}.done")

    def _lock(self, name: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())


def _own_seed(artifact: Artifact, seed: int) -> int:
    return seed if artifact.seeded else 0


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError):
            path.unlink()
