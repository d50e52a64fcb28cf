"""Reading a benchmark's rows, from the hub or a local copy, one at a time: pictures are never all in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from contextrl.data.confinement import is_inside
from contextrl.data.raw_rows import RawRow
from contextrl.data.row_files import FILE_SUFFIXES, Rows
from contextrl.data.row_files import Source as Place
from contextrl.errors import InputError, ServiceError
from contextrl.evaluation.benchmarks.benchmark import CONFIG, Benchmark
from contextrl.evaluation.benchmarks.items import Item


@dataclass
class Items:
    """A benchmark's questions; may be iterated any number of times, and is read anew each time.

    Attributes:
        benchmark: whose rows they are.
        data: a local copy, a file or a folder; None reads the hub.
        limit: so many questions, drawn by whole clusters; None is all.
        seed: of that draw.
        sick: after an iteration, what is wrong with rows that could not be read, by their place.
        by_position: after an iteration, the id of each row in order; None for one that is not scored or cannot be read.
    """

    benchmark: Benchmark
    data: Path | None = None
    limit: int | None = None
    seed: int = 0
    sick: dict[str, str] = field(default_factory=dict)
    by_position: list[str | None] = field(default_factory=list)
    _chosen: set[str] | None = None

    def __iter__(self) -> Iterator[Item]:
        if self.limit is not None and self._chosen is None:
            self._chosen = self._drawn(self.limit)
        for item in self.every():
            if self._chosen is None or item.id in self._chosen:
                yield item

    @cached_property
    def origin(self) -> str:
        """Where the questions come from, for what depends on them: a revision, or a local copy's content."""
        source = self.benchmark.source
        if self.data is None:
            return f"{source.hub}@{source.revision or 'main'}"
        if self.data.is_file():
            with self.data.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()[:16]
        return str(self.data.resolve())

    def without_pictures(self) -> Iterator[Item]:
        """The same questions; what a scorer needs."""
        for item in self:
            yield replace(item, images=())

    def _drawn(self, limit: int) -> set[str]:
        """Ids of the questions drawn: clusters in an order by seed, each whole but the last."""
        order = sorted(
            (hashlib.sha256(f"{self.seed} {item.cluster or item.id}".encode()).digest(), place, item.id)
            for place, item in enumerate(self.every())
        )
        return {identity for _, _, identity in order[:limit]}

    def every(self) -> Iterator[Item]:
        """Every row's question, drawn or not. What one row lacks stops no other."""
        self.sick, self.by_position = {}, []
        seen: dict[str, str] = {}
        none = True
        for position, (config, row) in enumerate(self._rows()):
            none = False
            try:
                if isinstance(row, InputError):
                    raise row
                item = self._item(row, config, position)
                if item is not None and item.id in seen:
                    raise InputError("a unique id", found=f"{item.id!r}, already of {seen[item.id]}", where=row.where)
            except InputError as error:
                where = row.where if isinstance(row, RawRow) else f"row {position + 1}"
                self.sick[where] = str(error)
                self.by_position.append(None)
                continue
            self.by_position.append(None if item is None else item.id)
            if item is None:
                continue
            seen[item.id] = row.where
            yield item
        if none:
            raise InputError("at least one row", found="none", where=self._place())

    def _item(self, row: RawRow, config: str | None, position: int) -> Item | None:
        item = self.benchmark.item({CONFIG: config, **row.columns}, position)
        if item is None or self.data is None:
            return item
        return _in_folder(item, row, self.data if self.data.is_dir() else self.data.parent)

    def _rows(self) -> Iterator[tuple[str | None, RawRow | InputError]]:
        """(configuration, row) of all configurations."""
        source = self.benchmark.source
        for config in source.configs:
            for row in self._of(config):
                yield config, row
            if self.data is not None and not self._by_config(config):
                return  # a local copy in one piece

    def _of(self, config: str | None) -> Rows:
        source = self.benchmark.source
        split = config if source.by_split and config is not None else source.split
        if self.data is not None:
            yield from Place(str(self._by_config(config) or self.data), split).rows()
            return
        spec = source.hub if config is None or source.by_split else f"{source.hub}:{config}"
        try:
            yield from Place(spec, split, source.revision).rows()
        except (InputError, ServiceError) as error:
            revision = source.revision or "the newest one"
            raise ServiceError(
                f"{self.benchmark.title}: {spec}, split {split}, revision {revision} could not be read: {error} "
                f"Download it where there is a network (hf download {source.hub} --repo-type dataset), "
                "and give the folder as --data DIR"
            ) from error

    def _by_config(self, config: str | None) -> Path | None:
        """The part of a local copy that is a configuration's; None where it is in one piece."""
        if self.data is None or config is None or not self.data.is_dir():
            return None
        source = self.benchmark.source
        if source.by_split and (self.data / "dataset_dict.json").is_file():
            return self.data
        names = [self.data / config, *(self.data / f"{config}{suffix}" for suffix in FILE_SUFFIXES)]
        if parts := [path for path in names if path.exists()]:
            return parts[0]
        begins = dict(zip(source.configs, source.files, strict=False)).get(config, config)
        # As the hub's repositories have them: several files of one split, often in a folder `data`.
        patterns = [self.data / f"{begins}-*.parquet", self.data / "data" / f"{begins}-*.parquet"]
        return next((pattern for pattern in patterns if any(pattern.parent.glob(pattern.name))), None)

    def _place(self) -> str:
        return str(self.data) if self.data is not None else self.benchmark.source.hub


def local_copy(data: Path | None, benchmark: Benchmark, *, alone: bool) -> Path | None:
    """Where a benchmark's rows are in what `--data` names: itself, or a part that has the benchmark's name.

    Args:
        alone: whether it is the only benchmark asked for.

    Raises:
        InputError: nothing is there, or one file is to serve several benchmarks.
    """
    if data is None:
        return None
    if not data.exists():
        raise InputError("a file or folder of rows", found="nothing there", where=f"--data {data}")
    if data.is_dir():
        names = [benchmark.name, benchmark.title, benchmark.source.hub.rpartition("/")[2]]
        for name in names:
            for path in (data / name, *(data / f"{name}{suffix}" for suffix in FILE_SUFFIXES)):
                if path.exists():
                    return path
    if alone:
        return data
    expected = f"a folder with a file or folder {benchmark.name} in it"
    raise InputError(expected, found="none", where=f"--data {data}", fix="Evaluate benchmarks one at a time")


def _in_folder(item: Item, row: RawRow, folder: Path) -> Item:
    """Pictures that are paths are relative to the rows' file, and inside the rows' folder.

    Raises:
        InputError: a row names a file elsewhere: rows come from strangers, and pictures are sent to a server.
    """
    base = row.base or folder
    images = tuple(base / image if isinstance(image, Path) else image for image in item.images)
    for image in images:
        if isinstance(image, Path) and not is_inside(image, [folder.resolve()]):
            raise InputError(f"a picture in {folder}", found=str(image), where=row.where)
    return replace(item, images=images)
