"""The set on disk: Parquet shards that `contextrl train` reads as they are, a manifest and a data card.

The same candidates give the same bytes: there are no dates, and no names of machines.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from contextrl.building.candidates import Candidate
from contextrl.building.data_card import data_card
from contextrl.building.finish_settings import WritingSettings
from contextrl.building.pictures import STORED_NAME, PictureStore
from contextrl.building.pipeline import Counts, step_folder
from contextrl.building.step_files import FAILED
from contextrl.disk import writing
from contextrl.errors import ContextRLError, InputError, ServiceError
from contextrl.records.files import scratch_name, write_atomically
from contextrl.records.jsonl import read_objects

MANIFEST, CARD, REMOVED = "manifest.json", "README.md", "removed.jsonl"
_PICTURES = "pictures"
#: Rows of a row group: what a reader holds at once.
_GROUP = 64
_PACKAGES = ("contextrl", "pyarrow", "pillow", "numpy", "datasketch", "imagehash")
#: What a row is counted by, for the manifest and the card.
_COUNTED = ("source", "task", "answer_type", "right", "reference", "licence")
#: Characters of what is said of one row in the error that none is left.
_MOST_SAID = 600


@dataclass(frozen=True)
class BuildRecord:
    """What is told of how the set came about.

    Attributes:
        seed: of the build.
        recipe: its settings, without what is of one machine.
        steps: (name, counts), in order.
        folder: of the build, whose `steps/` hold what each step dropped; None: there is no list of what was removed.
    """

    seed: int = 0
    recipe: Mapping[str, Any] = field(default_factory=dict)
    steps: Sequence[tuple[str, Counts]] = ()
    folder: Path | None = None

    def dropped(self, place: int) -> Path:
        """Where a step's files are; beside them may be those of another recipe's steps."""
        assert self.folder is not None
        return step_folder(self.folder, place, self.steps[place][0])


def write_set(
    out: Path,
    candidates: Callable[[], Iterator[Candidate]],
    settings: WritingSettings,
    pictures: PictureStore,
    record: BuildRecord,
) -> dict[str, Any]:
    """Write a set: `train-00000.parquet`, ..., `manifest.json`, `README.md`, `removed.jsonl`, perhaps `pictures/`.

    The manifest comes last: a folder that has one is whole. What an earlier build left of these files is replaced.

    Args:
        candidates: in the order in which they are written; each has a reference solution.

    Returns:
        The manifest.

    Raises:
        InputError: there are none, one has no solution, or two have one id; nothing is written then.
        ServiceError: there are none, and requests to models have failed.
        DiskError: the disk would not take it.
    """
    counts, documents = _checked(candidates(), record)
    with suppress(FileExistsError), writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for path in (out / MANIFEST, *out.glob("train-*.parquet")):
            path.unlink(missing_ok=True)
    shards = _Shards(out, settings, pictures, documents=bool(documents["rows"]))
    for one in candidates():
        shards.put(one)
    shards.close()
    _forget_pictures(out / _PICTURES, shards.names if settings.pictures == "beside" else set())
    _write_removed(out / REMOVED, record)
    manifest = {
        "format": 1,
        "name": settings.name,
        "seed": record.seed,
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "rows": sum(counts["source"].values()),
        "counts": counts,
        "documents": documents,
        "pictures": {"how": settings.pictures, "shown": shards.shown, "files": len(shards.names)},
        "steps": [{"name": name, **asdict(step)} for name, step in record.steps],
        "recipe": record.recipe,
    }
    write_atomically(out / CARD, data_card(manifest, settings))
    names = [*shards.files, CARD, REMOVED]
    manifest["files"] = {name: {"sha256": _hash(out / name), "bytes": (out / name).stat().st_size} for name in names}
    write_atomically(out / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    return manifest


def _forget_pictures(folder: Path, names: Collection[str]) -> None:
    """Remove what earlier builds wrote there and this set does not show; files of others stay.

    Args:
        names: of the pictures that the set shows.
    """
    for inner in list(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else ():
        if inner.is_symlink() or not inner.is_dir():
            continue
        for path in list(inner.iterdir()):
            name = f"{inner.name}/{path.name}"
            # What a kill has left of one has a scratch name.
            stored = f"{inner.name}/{path.name.removeprefix('.').removesuffix('.partial')}"
            if name not in names and STORED_NAME.fullmatch(stored):
                with writing(path):
                    path.unlink()
        with suppress(OSError):  # not empty
            inner.rmdir()
    with suppress(OSError):
        folder.rmdir()


def _checked(candidates: Iterable[Candidate], record: BuildRecord) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    """How many rows there are of each kind, and how many have documents: `rows`, and `texts` in all."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
    documents = {"rows": 0, "texts": 0}
    seen = set[str]()
    for one in candidates:
        if not one.solution.strip():
            fix = "Keep the sources' own solutions, or have references sampled"
            raise InputError("a reference solution", found="none", where=f"candidate {one.id!r}", fix=fix)
        if one.id in seen:
            raise InputError("an id that no other candidate has", found=repr(one.id), where="the build's last step")
        seen.add(one.id)
        documents["rows"] += bool(one.documents)
        documents["texts"] += len(one.documents)
        for name in _COUNTED:
            value = getattr(one, name)
            counts[name]["" if value is None else str(value)] += 1
    if not seen:
        raise _nothing_left(record)
    return {name: dict(sorted(counter.items())) for name, counter in counts.items()}, documents


def _nothing_left(record: BuildRecord) -> ContextRLError:
    """Which step has removed the last rows, and why."""
    place = next((place for place, (_, step) in enumerate(record.steps) if not step.given), None)
    if place is None or record.folder is None:
        return InputError("at least one row to write", found="none", where="the build's last step")
    name, step = record.steps[place]
    reasons = sorted(step.dropped.items(), key=lambda item: (-item[1], item[0]))
    found = "; ".join(f"{count:,} {reason}" for reason, count in reasons[:3])
    further = f"; {len(reasons) - 3} other reasons" if len(reasons) > 3 else ""
    removed = f"it removed all of {step.taken:,} ({found}{further})"
    fix = f"{_first_said(record.dropped(place))}Each row's reason is in {record.dropped(place)}/dropped-*.jsonl"
    if failed := step.notes.get(FAILED):
        # Exit code 3: who starts a build again after a while is right here.
        return ServiceError(
            f"the step {name}: {removed}, and {failed:,} requests to its models failed for good. {fix}. The same "
            "command asks them again."
        )
    return InputError("at least one row to write", found=f"none: {removed}", where=f"the step {name}", fix=fix)


def _dropped(folder: Path) -> Iterator[dict[str, Any]]:
    """What a step has dropped, in order: id, reason, detail."""
    for path in sorted(folder.glob("dropped-*.jsonl")):
        yield from read_objects(path)


def _first_said(dropped: Path) -> str:
    """What was said of one row, with its remedy; all rows may have the same fault."""
    said = str(next(_dropped(dropped), {}).get("detail") or "").strip().rstrip(".")
    return f"The first: {said[:_MOST_SAID]}. " if said else ""


class _Shards:
    """Parquet files, one after another; each has its name when it is whole.

    Args:
        documents: whether there is a column of them.
    """

    def __init__(self, out: Path, settings: WritingSettings, pictures: PictureStore, *, documents: bool) -> None:
        self.out, self.settings, self.pictures, self.documents = out, settings, pictures, documents
        self.files, self.names, self.shown = list[str](), set[str](), 0
        self._group: list[dict[str, Any]] = []
        self._writer: Any = None
        self._file: Any = None
        self._rows = self._bytes = self._group_bytes = 0
        self._arrow: Any = importlib.import_module("pyarrow")
        self._parquet: Any = importlib.import_module("pyarrow.parquet")

    def put(self, one: Candidate) -> None:
        images = [self._picture(name) for name in one.images]
        size = sum(len(image["bytes"]) for image in images if isinstance(image, dict))
        if self._rows and (
            self._rows >= self.settings.shard_rows or self._bytes + size > self.settings.shard_mb * 1_000_000
        ):
            self._close_shard()
        self._group.append(_row(one, images))
        self._rows += 1
        self._bytes += size
        self._group_bytes += size
        if len(self._group) >= _GROUP or self._group_bytes > 32_000_000:
            self._write_group()

    def close(self) -> None:
        """Finish the last shard."""
        if self._rows:
            self._close_shard()

    def _picture(self, name: str) -> Any:
        path = self.pictures.path(name)
        self.shown += 1
        self.names.add(name)
        if self.settings.pictures == "embedded":
            return {"bytes": path.read_bytes(), "path": path.name}
        copy = self.out / _PICTURES / name
        if not copy.is_file() or copy.stat().st_size != path.stat().st_size:
            with writing(copy):
                copy.parent.mkdir(parents=True, exist_ok=True)
                partial = copy.with_name(scratch_name(copy.name))
                shutil.copyfile(path, partial)
                partial.replace(copy)
        return f"{_PICTURES}/{name}"

    def _write_group(self) -> None:
        if not self._group:
            return
        schema = _schema(self._arrow, self.settings, documents=self.documents)
        path = self.out / scratch_name(f"train-{len(self.files):05}.parquet")
        with writing(path):
            if self._writer is None:
                # Opened here: pyarrow takes no path with characters that the locale cannot spell.
                self._file = path.open("wb")
                self._writer = self._parquet.ParquetWriter(self._file, schema, compression="zstd")
            self._writer.write_table(self._arrow.Table.from_pylist(self._group, schema=schema))
        self._group, self._group_bytes = [], 0

    def _close_shard(self) -> None:
        self._write_group()
        name = f"train-{len(self.files):05}.parquet"
        with writing(self.out / name):
            self._writer.close()
            self._file.close()
            (self.out / scratch_name(name)).replace(self.out / name)
        self.files.append(name)
        self._writer, self._rows, self._bytes = None, 0, 0


def _row(one: Candidate, images: list[Any]) -> dict[str, Any]:
    return {
        "id": one.id,
        "question": one.question,
        "images": images,
        "solution": one.solution,
        "answer": one.answer,
        "answer_type": one.answer_type,
        "tolerance": None if one.tolerance is None else str(one.tolerance),
        "task": one.task,
        "source": one.source,
        "image_ids": [Path(name).stem for name in one.images],
        "documents": list(one.documents),
        "licence": one.licence,
        "reference": one.reference,
        "tried": one.tried,
        "right": one.right,
        "language": one.language,
        "ratings": json.dumps(dict(one.ratings), sort_keys=True, ensure_ascii=False),
        "origin": json.dumps(dict(one.origin), sort_keys=True, ensure_ascii=False, default=str),
    }


def _schema(arrow: Any, settings: WritingSettings, *, documents: bool) -> Any:
    """Columns; what the hub's viewer needs to show embedded pictures stands beside them."""
    embedded = settings.pictures == "embedded"
    image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())]) if embedded else arrow.string()
    texts = ("id", "question", "solution", "answer", "answer_type", "tolerance", "task", "source")
    more = ("licence", "reference", "language", "ratings", "origin")
    columns = [(name, arrow.string()) for name in texts]
    columns.insert(2, ("images", arrow.list_(image)))
    lists = ("image_ids", "documents") if documents else ("image_ids",)
    columns += [(name, arrow.list_(arrow.string())) for name in lists]
    columns += [(name, arrow.string()) for name in more[:2]]
    columns += [("tried", arrow.int64()), ("right", arrow.int64())]
    columns += [(name, arrow.string()) for name in more[2:]]
    string = {"dtype": "string", "_type": "Value"}
    features: dict[str, Any] = {name: string for name, _ in columns}
    features |= {name: {"dtype": "int64", "_type": "Value"} for name in ("tried", "right")}
    features["images"] = {"feature": {"_type": "Image"} if embedded else string, "_type": "List"}
    features |= {name: {"feature": string, "_type": "List"} for name in lists}
    return arrow.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _write_removed(path: Path, record: BuildRecord) -> None:
    """All that any step dropped, a line each: step, id, reason, detail (the partner of a duplicate)."""
    partial = path.with_name(scratch_name(path.name))
    with writing(path):
        with partial.open("w", encoding="utf-8", errors="replace") as file:
            for place, (step, _) in enumerate(record.steps):
                for line in _dropped(record.dropped(place)) if record.folder else ():
                    file.write(json.dumps({"step": step, **line}, ensure_ascii=False, sort_keys=True) + "\n")
        partial.replace(path)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
