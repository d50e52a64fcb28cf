"""Where rows come from: a file, a folder of files, what datasets has saved, or the hub."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextrl.data.confinement import hub_cache
from contextrl.data.csv_rows import csv_rows
from contextrl.data.folders import builds_in, is_of, row_files, split_named
from contextrl.data.json_rows import json_rows
from contextrl.data.parquet_rows import BATCH_ROWS, columns_of, in_parts, parquet_rows, parquet_schema
from contextrl.data.raw_rows import RawRow, numbered
from contextrl.errors import InputError, ServiceError

#: Rows of a file, and in place of a wrong one what is wrong with it.
Rows = Iterator[RawRow | InputError]

FILE_SUFFIXES = (".jsonl", ".json", ".parquet", ".csv", ".tsv")
_SAVED = ("dataset_dict.json", "state.json", "dataset_info.json")
_HUB_ID = re.compile(r"[\w.-]+(?:/[\w.-]+)?(?::[\w.() +-]+)?")
_PACKED = {".gz": "gunzip", ".zip": "unzip", ".zst": "unzstd", ".bz2": "bunzip2", ".xz": "unxz", ".tar": "tar xf"}


@dataclass(frozen=True)
class Source:
    """What `data.train` or `data.eval` names.

    Attributes:
        spec: as the user wrote it.
        split: of a hub dataset, a saved dataset dictionary, a folder of files named by split, or an object in JSON
            with a list for each split. Other files have none.
        revision: commit, tag or branch of a hub dataset.
        limit: rows that are read at most; a hub dataset is then streamed.
        streaming: a hub dataset is streamed in any case.
        only: columns that are read, as `data.columns` names them, where a format can leave others out; None: all.
    """

    spec: str
    split: str = "train"
    revision: str | None = None
    limit: int | None = None
    streaming: bool = False
    only: tuple[str, ...] | None = None

    @property
    def path(self) -> Path:
        return Path(self.spec).expanduser()

    @property
    def is_pattern(self) -> bool:
        return any(character in self.spec for character in "*?[") and not self.path.exists()

    @property
    def is_hub(self) -> bool:
        return not (self.path.exists() or self.is_pattern)

    @property
    def folders(self) -> list[Path]:
        """Where its pictures may be."""
        return [hub_cache()] if self.is_hub else [self.top]

    @property
    def top(self) -> Path:
        """The folder that all files are in: of a pattern (`sets/*/rows.jsonl`) the innermost that is one."""
        if self.path.is_dir():
            return self.path
        if not self.is_pattern:
            return self.path.parent
        return _top_of(self.path)

    def rows(self) -> Rows:
        """Rows, not more than can be read without knowing their fields.

        Raises:
            InputError: nothing is there, or no such split.
            ServiceError: the hub cannot be reached.
        """
        if self.revision is not None and not self.is_hub:
            raise InputError(
                "a hub dataset, which has revisions", found=self.spec, where="data.revision", fix="Leave it out"
            )
        path = self.path
        if path.is_dir():
            if self._is_saved:
                return numbered(_saved_dataset(path, self.split, self.only), self.spec, path)
            return self._files(self.files())
        if self.is_pattern:
            return self._files(self.files())
        if path.is_file():
            return file_rows(path, self.spec, self.split, self.only)
        looks_like_path = (
            path.suffix in FILE_SUFFIXES or self.spec.startswith((".", "/", "~")) or self.spec.count("/") > 1
        )
        if looks_like_path or not _HUB_ID.fullmatch(self.spec):
            place = "" if path.is_absolute() else f"no such file in {Path.cwd()}"
            expected = "an existing file or folder, or a hub id (owner/name)"
            raise InputError(expected, found=place or "no such file", where=self.spec)
        return numbered(self._hub(), self.spec, None, self.spec.partition(":")[0].rpartition("/")[2])

    @property
    def _is_saved(self) -> bool:
        """Whether `datasets.save_to_disk` has written the folder; a copy from the hub may have a `state.json` too."""
        first, *both = (self.path / name for name in _SAVED)
        return first.is_file() or all(path.is_file() for path in both)

    def files(self) -> list[Path]:
        """The files that are read, in order; none of a hub dataset.

        Raises:
            InputError: a folder or a pattern has none, none of the split, or it is not clear which.
        """
        if self.is_hub:
            return []
        if self.path.is_dir() and self._is_saved:
            return sorted(path for path in self.path.rglob("*") if path.suffix in (".arrow", ".json"))
        if self.path.is_dir():
            return self._chosen(row_files(self.path, self.split))
        if not self.is_pattern:
            return [self.path]
        return self._chosen(matching(self.path))

    def schema(self) -> Any:
        """Arrow's schema, where the rows are in Parquet; None where nobody has written one down."""
        try:
            paths = self.files() or [self.path]
        except InputError:
            return None
        parquet = all(path.is_file() and path.suffix.lower() == ".parquet" for path in paths)
        return parquet_schema(paths) if parquet else None

    def _files(self, paths: Sequence[Path]) -> Rows:
        for path in paths:
            yield from file_rows(path, str(path), self.split, self.only)

    def _chosen(self, paths: list[Path]) -> list[Path]:
        """The files of one split; files that are all named by other splits are never mixed in."""
        if not paths:
            expected = "parquet, JSONL, JSON or CSV files, or a folder written by datasets.save_to_disk"
            builds = ", ".join(builds_in(self.path)[:3]) if self.path.is_dir() else ""
            found, fix = (f"only the builds {builds}", "Name one of them") if builds else ("none", "")
            raise InputError(expected, found=found, where=self.spec, fix=fix)
        labels = {path: self._label(path) for path in paths}
        named = {path: name for path in paths if (name := split_named(labels[path]))}
        chosen = [path for path in paths if is_of(labels[path], self.split)]
        if named and not chosen:
            found = ", ".join(sorted(set(named.values())))
            raise InputError(
                f"{_kind(paths)} files of split {self.split!r}", found=f"files of {found}", where=self.spec
            )
        if not named and len(paths) > 1 and paths[0].suffix != ".parquet" and not self.is_pattern:
            found = ", ".join(path.name for path in paths[:5])
            raise InputError("one file of rows, or files named by split", found=found, where=self.spec, fix="Name one")
        return chosen or paths

    def _label(self, path: Path) -> str:
        """What tells a file's split: its name, or that of the subfolder it is in (`train/metadata.jsonl`)."""
        nested = path.parent != self.top and not split_named(path.name)
        return path.parent.name if nested else path.name

    def _hub(self) -> Iterator[Mapping[str, object]]:
        datasets = importlib.import_module("datasets")
        name, _, config = self.spec.partition(":")
        options = {} if self.revision is None else {"revision": self.revision}
        try:
            dataset = datasets.load_dataset(
                name, config or None, split=self.split, streaming=self.streaming or self.limit is not None, **options
            )
        except ConnectionError as error:
            raise ServiceError(f"{self.spec}: the hub could not be reached: {str(error)[:200]}") from error
        except Exception as error:  # unknown dataset, configuration or split, no access: all the user's to change
            found = f"{type(error).__name__}: {str(error)[:200]}"
            expected = f"a hub dataset with a split {self.split!r}, or a file"
            if self.revision is not None:
                expected = f"a hub dataset with a revision {self.revision!r} and a split {self.split!r}"
            raise InputError(expected, found=found, where=self.spec) from error
        return undecoded_rows(_selected(dataset, self.only))


def matching(pattern: Path) -> list[Path]:
    """The files that a pattern means, in order."""
    top = _top_of(pattern)
    return sorted(path for path in top.glob(str(pattern.relative_to(top))) if path.is_file())


def _top_of(pattern: Path) -> Path:
    return next(parent for parent in pattern.parents if parent.is_dir())


def _kind(paths: Sequence[Path]) -> str:
    return paths[0].suffix.removeprefix(".")


def file_rows(path: Path, spec: str, split: str = "train", only: tuple[str, ...] | None = None) -> Rows:
    """Rows of one file.

    Args:
        only: see `Source`.

    Raises:
        InputError: it is empty, or of no format that is read.
    """
    if path.stat().st_size == 0:
        raise InputError("at least one row", found="an empty file", where=spec, fix="Write it again, or name another")
    readers: dict[str, Callable[[], Rows]] = {
        ".jsonl": lambda: json_rows(path, spec, split),
        ".json": lambda: json_rows(path, spec, split),
        ".parquet": lambda: numbered(parquet_rows(path, spec, only), spec, path.parent),
        ".csv": lambda: csv_rows(path, spec),
        ".tsv": lambda: csv_rows(path, spec),
    }
    if path.suffix.lower() not in readers:
        fix = f"Unpack it: {_PACKED[path.suffix]} {path.name}" if path.suffix in _PACKED else ""
        raise InputError(f"a file ending in {', '.join(FILE_SUFFIXES)}", found=path.name, where=spec, fix=fix)
    return readers[path.suffix.lower()]()


def _saved_dataset(path: Path, split: str, only: tuple[str, ...] | None) -> Iterator[Mapping[str, object]]:
    datasets = importlib.import_module("datasets")
    try:
        dataset = datasets.load_from_disk(str(path))
    except Exception as error:
        found = f"{type(error).__name__}: {str(error)[:160]}"
        raise InputError("a folder written by datasets.save_to_disk", found=found, where=str(path)) from error
    if isinstance(dataset, datasets.DatasetDict):
        if split not in dataset:
            raise InputError(f"a split named {split!r}", found=", ".join(dataset), where=str(path))
        dataset = dataset[split]
    return undecoded_rows(_selected(dataset, only))


def _selected(dataset: Any, only: tuple[str, ...] | None) -> Any:
    """A dataset without other columns; with all of them where there are none of these, as rows must be left."""
    names = dataset.column_names if only is not None else None
    chosen = columns_of(only or (), names) if names else []
    return dataset.select_columns(chosen) if chosen else dataset


def undecoded_rows(dataset: Any) -> Iterator[Mapping[str, object]]:
    """Iterate rows with images as `{"bytes", "path"}`."""
    if hasattr(dataset, "decode"):  # streamed
        yield from dataset.decode(False)
        return
    rows = dataset.with_format("arrow")
    start = 0
    while start < len(dataset):
        batch = rows[start : start + BATCH_ROWS]
        for part in in_parts(batch):
            yield from part.to_pylist()
        start += BATCH_ROWS
