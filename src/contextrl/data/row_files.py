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
from contextrl.data.json_rows import json_rows
from contextrl.data.parquet_rows import BATCH_ROWS, columns_of, in_parts, parquet_rows, parquet_schema
from contextrl.data.raw_rows import RawRow, numbered
from contextrl.errors import InputError, ServiceError

#: Rows of a file, and in place of a wrong one what is wrong with it.
Rows = Iterator[RawRow | InputError]

FILE_SUFFIXES = (".jsonl", ".json", ".parquet", ".csv", ".tsv")
_HUB_ID = re.compile(r"[\w.-]+(?:/[\w.-]+)?(?::[\w.() +-]+)?")
#: Files that say something of a set or a model; hubs keep them beside the rows.
_ABOUT = {
    *("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "manifest.json", "data_card.json"),
    *("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json"),
}
#: What a folder that `contextrl data build` writes has within.
BUILD_STEPS = ("build", "steps")
_SPLIT_NAME = re.compile(r"(train|validation|val|dev|test)(?![A-Za-z0-9])")
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
        if self.path.is_dir():
            return [self.path]
        return [hub_cache()] if self.is_hub else [self.path.parent]

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
            if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
                return numbered(_saved_dataset(path, self.split, self.only), self.spec, path)
            return self._files(_row_files(path))
        if self.is_pattern:
            return self._files(self._matching())
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

    def schema(self) -> Any:
        """Arrow's schema, where the rows are in Parquet; None where nobody has written one down."""
        try:
            if self.path.is_dir() or self.is_pattern:
                paths = self._chosen(_row_files(self.path) if self.path.is_dir() else self._matching())
            else:
                paths = [self.path]
        except InputError:
            return None
        parquet = all(path.is_file() and path.suffix.lower() == ".parquet" for path in paths)
        return parquet_schema(paths) if parquet else None

    def _matching(self) -> list[Path]:
        return sorted(self.path.parent.glob(self.path.name))

    def _files(self, paths: Sequence[Path]) -> Rows:
        for path in self._chosen(paths):
            yield from file_rows(path, str(path), self.split, self.only)

    def _chosen(self, paths: Sequence[Path]) -> Sequence[Path]:
        """The files of one split; files that are all named by other splits are never mixed in."""
        if not paths:
            expected = "parquet, JSONL, JSON or CSV files, or a folder written by datasets.save_to_disk"
            raise InputError(expected, found="none", where=self.spec)
        labels = {path: self._label(path) for path in paths}
        named = {path: match[1] for path in paths if (match := _SPLIT_NAME.match(labels[path]))}
        chosen = [path for path in paths if re.match(rf"{re.escape(self.split)}(?![A-Za-z0-9])", labels[path])]
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
        nested = self.path.is_dir() and path.parent != self.path and not _SPLIT_NAME.match(path.name)
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


def _kind(paths: Sequence[Path]) -> str:
    return paths[0].suffix.removeprefix(".")


def _row_files(folder: Path) -> list[Path]:
    """Files of rows in a folder, or if it has none in its subfolders: of one format, parquet before others.

    Files in subfolders that are named by split come before files in the folder that are not: a hub set's copy has its
    rows in `data/`, and beside that what is said of them.
    """
    own, inner = _of_one_format(folder, "*"), _of_one_format(folder, "*/*")
    by_split = [path for path in inner if _SPLIT_NAME.match(path.name) or _SPLIT_NAME.match(path.parent.name)]
    if by_split and not any(_SPLIT_NAME.match(path.name) for path in own):
        return inner
    return own or inner


def _of_one_format(folder: Path, pattern: str) -> list[Path]:
    for suffix in (".parquet", ".jsonl", ".json", ".csv", ".tsv"):
        if paths := [path for path in sorted(folder.glob(f"{pattern}{suffix}")) if may_hold_rows(path, folder)]:
            return paths
    return []


def may_hold_rows(path: Path, folder: Path) -> bool:
    """Whether a file within a folder is neither about a data set or model nor of a build that writes there."""
    within = [parent for parent in path.parents if parent.is_relative_to(folder) and parent != folder]
    return path.name not in _ABOUT and not any(parent.joinpath(*BUILD_STEPS).is_dir() for parent in within)


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
