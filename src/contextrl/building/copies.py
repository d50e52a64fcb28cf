"""Where a source's rows are: a copy on this machine, or the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from contextrl.building.import_settings import ROWS, SourceSettings
from contextrl.building.sources.source import Source
from contextrl.data.folders import has_better_rows
from contextrl.data.row_files import FILE_SUFFIXES
from contextrl.data.row_files import Source as RowFiles
from contextrl.errors import InputError

#: Bytes of a file up to which all of it tells it from another; of a larger one so many at each end do, with its size.
_WHOLE, _ENDS = 2**28, 2**20


@dataclass(frozen=True)
class Place:
    """Where rows are read.

    Attributes:
        rows: a file, a folder or a hub set.
        copy: the file or folder on this machine; None: the hub.
    """

    rows: RowFiles
    copy: Path | None

    @property
    def folders(self) -> list[Path]:
        """Where its pictures may be."""
        return self.rows.folders

    def identity(self) -> Mapping[str, str]:
        """What tells a copy from another: the files that are read, their sizes and contents, of large ones both ends.

        Raises:
            InputError: there are none, or it is not clear which.
        """
        folder = self.rows.top if self.copy is None else self.copy.parent
        return {str(path.relative_to(folder)): _digest(path) for path in self.rows.files() if path.is_file()}

    def without_folder(self, text: str) -> str:
        """What is said of its rows, without the folder that they are in on this machine."""
        folder = self.rows.top if self.rows.is_pattern else self.copy and self.copy.parent
        return text if folder is None else text.replace(f"{folder}/", "")


def place_of(settings: SourceSettings, source: Source, local: Path | None) -> Place:
    """Where the rows of a source are.

    Args:
        local: a folder with copies of several.

    Raises:
        InputError: the copy that is named is not there, or the hub does not have all that is needed.
    """
    split = settings.split or source.split
    copy = _copy(settings, source, local)
    if copy is not None:
        return Place(RowFiles(str(copy), split), copy)
    revision = settings.revision or source.revision
    spec = f"{source.hub}:{source.config}" if source.config else source.hub
    if settings.kind == ROWS:
        rows = RowFiles(settings.path, split, revision, streaming=True)
        return Place(rows, None if rows.is_hub or rows.is_pattern else rows.path)
    if source.needs_copy:
        pinned = f"revision {revision or 'none pinned'}"
        raise InputError(
            f"a copy of {source.hub}, {pinned}: {source.needs_copy}",
            found="none",
            where=f"source {settings.unit}",
            fix=download(settings, source),
        )
    return Place(RowFiles(spec, split, revision, streaming=True), None)


def download(settings: SourceSettings, source: Source) -> str:
    """How a copy comes to be, and where the build looks for it."""
    revision, (hub, config) = settings.revision or source.revision, _hub_of(source)
    words = ["hf download", hub, "--repo-type dataset"]
    words += [f"--revision {revision}"] if revision else []
    words += [f"--include '{config}/*'"] if config else []
    words += [f"--local-dir COPIES/{hub}"]
    return f"Where the hub can be reached: {' '.join(words)}; then --local COPIES"


def _copy(settings: SourceSettings, source: Source, local: Path | None) -> Path | None:
    if settings.local is not None:
        path = Path(settings.local).expanduser()
        if not path.exists():
            where = f"source {settings.unit}, local"
            raise InputError("a file or folder", found=f"none at {path}", where=where)
        return _with_rows(path, source)
    if local is None or (settings.kind == ROWS and not RowFiles(settings.path).is_hub):
        return None
    return next((_with_rows(path, source) for path in _candidates(settings, source, local) if path.exists()), None)


def _candidates(settings: SourceSettings, source: Source, local: Path) -> Iterator[Path]:
    """By its name, then as `hf download --local-dir DIR/OWNER/NAME` leaves it."""
    for suffix in ("", *FILE_SUFFIXES):
        yield local / f"{settings.unit}{suffix}"
    hub, config = _hub_of(source)
    yield local / hub / config if config else local / hub


def _hub_of(source: Source) -> tuple[str, str]:
    """A set's id, and which of its configurations: `owner/name:config` of rows of one's own names both."""
    hub, _, config = source.hub.partition(":")
    return hub, source.config or config


def _with_rows(path: Path, source: Source) -> Path:
    """Of a folder that has no rows itself, the one within that has them, as the hub has it."""
    inner = path / source.rows_in
    return inner if source.rows_in and path.is_dir() and has_better_rows(inner, path) else path


def _digest(path: Path) -> str:
    found = path.stat()
    return _digest_of(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=4_096)
def _digest_of(path: Path, size: int, _changed: int) -> str:
    """Of a file as it was at a time: a build asks for it with each step."""
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= _WHOLE:
            while block := file.read(_ENDS):
                digest.update(block)
        else:
            digest.update(file.read(_ENDS))
            file.seek(size - _ENDS)
            digest.update(file.read(_ENDS))
    return digest.hexdigest()[:32]
