"""Near-duplicates among rows that no build has looked at: the first rows of a file, as a build would find them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from contextrl.building.duplicates import CHUNK, Search, print_row, write_arrays
from contextrl.building.fingerprints import PICTURE_TYPE, Array, key_of, picture_print, row_type, stacked
from contextrl.building.finish_settings import DuplicateSettings
from contextrl.building.pictures import bytes_of
from contextrl.errors import InputError
from contextrl.records.example import Example, ImageHandle


@dataclass(frozen=True)
class FoundPair:
    """A row that is near to another.

    Attributes:
        place: of the row among those that were added, from 0; `partner`: of the one that a build would keep.
        how: how near they are.
    """

    place: int
    partner: int
    reason: str
    how: str


class RowDuplicates:
    """Fingerprints of rows, in files of a folder that is gone afterwards; use it as a context.

    Args:
        most: rows that are looked at; those after them are not.
        settings: what counts as near; what benchmarks have is not looked for.
    """

    def __init__(self, most: int, settings: DuplicateSettings | None = None) -> None:
        self.most, self.settings, self.rows = most, settings or DuplicateSettings(), 0
        self._folder = tempfile.TemporaryDirectory(prefix="contextrl-")
        self._stems: list[Path] = []
        self._chunk: list[tuple[Example, list[int]]] = []
        self._prints: list[Array] = []
        self._seen = set[int]()

    def __enter__(self) -> RowDuplicates:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._folder.cleanup()

    @property
    def full(self) -> bool:
        """Whether further rows are not looked at."""
        return self.rows >= self.most

    def add(self, example: Example, *, pictures: bool = True) -> None:
        """Look at the next row.

        Args:
            pictures: whether its pictures may be looked at; a row whose pictures may not is near to none that has some.
        """
        if self.full:
            return
        handles = example.images if pictures else ()
        keys = [self._key(handle, f"{example.id}: {number}") for number, handle in enumerate(handles)]
        if not pictures:
            keys = [self._unlike(f"{example.id}: {number}") for number in range(len(example.images))]
        self._chunk.append((example, keys))
        self.rows += 1
        if len(self._chunk) == CHUNK:
            self._write()

    def found(self) -> list[FoundPair]:
        """All that is near to another row, in the rows' order."""
        self._write()
        folder = Path(self._folder.name)
        findings = Search(self.settings, self._stems, folder).run(None)
        return [FoundPair(place, one.partner, one.reason, one.how) for place, one in sorted(findings.items())]

    def _key(self, handle: ImageHandle, where: str) -> int:
        try:
            key = key_of("content", bytes_of(handle, where).hex())
            if key not in self._seen:
                self._prints.append(picture_print(handle, key))
                self._seen.add(key)
        except InputError:
            return self._unlike(where)
        return key

    def _unlike(self, where: str) -> int:
        """A picture that cannot be read is near to none."""
        key = key_of("unreadable", self.rows, where)
        made = np.zeros(1, PICTURE_TYPE)
        made["key"], made["plain"] = key, True
        self._prints.append(made)
        return key

    def _write(self) -> None:
        if not self._chunk:
            return
        rows = np.zeros(len(self._chunk), row_type(self.settings.permutations))
        shown = []
        for place, (example, keys) in enumerate(self._chunk):
            print_row(rows, place, example, len(keys))
            shown += [(place, key) for key in keys]
        stem = Path(self._folder.name) / f"{len(self._stems):05}"
        write_arrays(stem, rows, shown, stacked(self._prints, PICTURE_TYPE))
        self._stems.append(stem)
        self._chunk, self._prints = [], []
