"""Reading examples from files, saved datasets and the hub, with errors that name the row and the field."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

from PIL import Image

from contextrl.answers import parse_tolerance
from contextrl.data.confinement import check_confined, hub_cache
from contextrl.data.images import image_from_bytes
from contextrl.errors import InputError, ServiceError
from contextrl.records.example import ANSWER_TYPES, TASKS, AnswerType, Example, ImageHandle, Task
from contextrl.records.jsonl import json_lines, parse_json

_FILE_SUFFIXES = (".jsonl", ".json", ".parquet")
_HUB_ID = re.compile(r"[\w.-]+(?:/[\w.-]+)?(?::[\w.() +-]+)?")
_SPLIT_NAME = re.compile(r"(train|validation|val|dev|test)(?![A-Za-z0-9])")
_IMAGE_MARKER = re.compile(r"[ \t]*<image>[ \t]*\n?", re.IGNORECASE)
_FIELDS = ("id", "question", "images", "solution", "answer", "answer_type", "task", "source", "image_ids", "tolerance")


class _Row(NamedTuple):
    """A raw row: its place (`file.jsonl, line 3`), the id it gets if it has none, the folder of its paths."""

    where: str
    default_id: str
    base: Path | None
    columns: Mapping[str, object]


def load_examples(
    spec: str, *, split: str = "train", limit: int | None = None, allow_outside: bool = False
) -> list[Example]:
    """Load examples from wherever `spec` points.

    Args:
        spec: a `.jsonl`, `.json` (a list of rows) or `.parquet` file; a folder of parquet files or a glob
            pattern; a folder written by `datasets.save_to_disk`; or a hub id, `owner/name[:config]`.
        split: which split of a saved dataset dictionary, a hub dataset or a folder of parquet files named by
            split. Single files have none.
        limit: load only the first rows; a hub dataset is then streamed.
        allow_outside: take pictures from anywhere; by default from the folder of the file, or of the hub's cache, only.

    Returns:
        At least one example. Image paths are relative to the folder of the file and stay paths, not decoded.

    Raises:
        InputError: nothing is there, or a row is wrong; it names file, row (1-based; in JSONL the line) and
            field.
        ServiceError: the hub cannot be reached.
    """
    if limit is not None and limit < 1:
        raise InputError("a positive number of rows", found=str(limit), where="limit")
    rows = _rows_of(spec, split, limit)
    examples = _examples(rows if limit is None else islice(rows, limit))
    if not examples:
        raise InputError("at least one row", found="an empty dataset", where=spec)
    if not allow_outside:
        check_confined(examples, _folders_of(spec), where=spec)
    return examples


def _folders_of(spec: str) -> list[Path]:
    """Where the pictures of a source may be."""
    path = Path(spec).expanduser()
    if path.is_dir():
        return [path]
    return [path.parent] if path.is_file() or any(char in spec for char in "*?[") else [hub_cache()]


def rows_to_examples(rows: Iterable[Mapping[str, object]], *, where: str, base: Path | None) -> list[Example]:
    """Build examples from rows with the columns of `Example`.

    Args:
        rows: `question, images, solution, answer` are needed; `id` (default: stem of `where`, row number),
            `answer_type` (text), `task` (reasoning), `source`, `image_ids`, `tolerance` are optional; others are
            ignored. An image is a path, a PIL image, or the `{"bytes": ..., "path": ...}` of datasets.
        where: how errors name the rows: a file or dataset.
        base: the folder that image paths are relative to; None leaves them as they are.

    Raises:
        InputError: naming `where`, the row (1-based) and the field.
    """
    return _examples(_numbered(rows, where, base))


def row_to_example(columns: Mapping[str, object], *, where: str, default_id: str, base: Path | None) -> Example:
    """Build one example; see `rows_to_examples`.

    Args:
        where: how errors name the row: file and line.
        default_id: its id if it has none.
    """
    return _example(_Row(where, default_id, base, columns))


def _numbered(
    rows: Iterable[Mapping[str, object]], where: str, base: Path | None, stem: str | None = None
) -> Iterator[_Row]:
    stem = Path(where).stem if stem is None else stem
    for number, columns in enumerate(rows, start=1):
        yield _Row(f"{where}, row {number}", f"{stem}-{number}", base, columns)


# --- where rows come from -------------------------------------------------------------------------


def _rows_of(spec: str, split: str, limit: int | None) -> Iterator[_Row]:
    path = Path(spec).expanduser()
    if path.is_dir():
        if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
            return _numbered(_saved_dataset(path, split), spec, path)
        return _parquet_files(sorted(path.glob("*.parquet")), spec, split)
    if any(char in spec for char in "*?["):
        return _parquet_files(sorted(path.parent.glob(path.name)), spec, split)
    if path.is_file():
        return _file_rows(path, spec)
    looks_like_path = path.suffix in _FILE_SUFFIXES or spec.startswith((".", "/", "~")) or spec.count("/") > 1
    if looks_like_path or not _HUB_ID.fullmatch(spec):
        raise InputError("an existing file or folder, or a hub id (owner/name)", found="no such file", where=spec)
    return _numbered(_hub_dataset(spec, split, limit), spec, None, spec.partition(":")[0].rpartition("/")[2])


def _file_rows(path: Path, spec: str) -> Iterator[_Row]:
    if path.stat().st_size == 0:
        raise InputError("at least one row", found="an empty file", where=spec)
    if path.suffix == ".jsonl":
        return _jsonl_rows(path, spec)
    if path.suffix == ".json":
        return _numbered(_json_rows(path, spec), spec, path.parent)
    if path.suffix == ".parquet":
        return _numbered(_parquet_rows(path, spec), spec, path.parent)
    raise InputError(f"a file ending in {', '.join(_FILE_SUFFIXES)}", found=path.name, where=spec)


def file_objects(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """(place, raw row) of a JSONL, JSON or Parquet file, for rows that are no examples.

    Raises:
        InputError: as `load_examples`, but for the fields.
    """
    for row in _file_rows(path, str(path)):
        yield row.where, row.columns


def _jsonl_rows(path: Path, spec: str) -> Iterator[_Row]:
    for number, columns in jsonl_objects(path, spec):
        yield _Row(f"{spec}, line {number}", f"{path.stem}-{number}", path.parent, columns)


def jsonl_objects(path: Path, spec: str) -> Iterator[tuple[int, dict[str, object]]]:
    """(line number, object) of a JSON lines file; empty lines are passed over.

    Raises:
        InputError: a line is no JSON object, naming it.
    """
    for line in json_lines(path):
        where = f"{spec}, line {line.number}"
        columns = _checked(line.value, line.problem, where)
        if not isinstance(columns, dict):
            raise InputError("a JSON object", found=_describe(columns), where=where)
        yield line.number, columns


def _json_rows(path: Path, spec: str) -> Iterator[Mapping[str, object]]:
    rows = _checked(*parse_json(path.read_bytes().removeprefix(b"\xef\xbb\xbf")), spec)
    if not isinstance(rows, list):
        fix = "One object per line is JSONL: name the file .jsonl"
        raise InputError("a JSON list of rows", found=_describe(rows), where=spec, fix=fix)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise InputError("a JSON object", found=_describe(row), where=f"{spec}, row {number}")
        yield row


def _checked(value: Any, problem: tuple[str, str] | None, where: str) -> object:
    """A parsed value, or the error that says why there is none."""
    if problem is not None:
        raise InputError(problem[0], found=problem[1], where=where)
    return cast(object, value)


def _parquet_files(paths: list[Path], spec: str, split: str) -> Iterator[_Row]:
    """Chain the files of one split; files that are all named by other splits are never mixed in."""
    if not paths:
        found = "none"
        raise InputError("parquet files, or a folder written by datasets.save_to_disk", found=found, where=spec)
    named = {path: match[1] for path in paths if (match := _SPLIT_NAME.match(path.name))}
    chosen = [path for path in paths if re.match(rf"{re.escape(split)}(?![A-Za-z0-9])", path.name)]
    if named and not chosen:
        found = ", ".join(sorted(set(named.values())))
        raise InputError(f"parquet files of split {split!r}", found=f"files of {found}", where=spec)
    for path in chosen or paths:
        yield from _numbered(_parquet_rows(path, str(path)), str(path), path.parent)


def _parquet_rows(path: Path, where: str) -> Iterator[Mapping[str, object]]:
    try:
        file = importlib.import_module("pyarrow.parquet").ParquetFile(path)
    except Exception as error:  # pyarrow's own exceptions have no common base below Exception
        raise InputError("a parquet file", found=str(error)[:160], where=where) from error
    for batch in file.iter_batches(batch_size=256):
        yield from batch.to_pylist()


def _saved_dataset(path: Path, split: str) -> Iterator[Mapping[str, object]]:
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
    return undecoded_rows(dataset)


def _hub_dataset(spec: str, split: str, limit: int | None) -> Iterator[Mapping[str, object]]:
    datasets = importlib.import_module("datasets")
    name, _, config = spec.partition(":")
    try:
        dataset = datasets.load_dataset(name, config or None, split=split, streaming=limit is not None)
    except ConnectionError as error:
        raise ServiceError(f"{spec}: the hub could not be reached: {str(error)[:200]}") from error
    except Exception as error:  # unknown dataset, configuration or split, no access: all the user's to change
        found = f"{type(error).__name__}: {str(error)[:200]}"
        raise InputError(f"a hub dataset with a split {split!r}, or a file", found=found, where=spec) from error
    return undecoded_rows(dataset)


def undecoded_rows(dataset: Any) -> Iterator[Mapping[str, object]]:
    """Iterate rows with images as `{"bytes", "path"}`."""
    if hasattr(dataset, "decode"):  # streamed
        yield from dataset.decode(False)
        return
    for batch in dataset.with_format("arrow").iter(batch_size=256):
        yield from batch.to_pylist()


# --- from a row to an example ---------------------------------------------------------------------


def _examples(rows: Iterable[_Row]) -> list[Example]:
    examples: list[Example] = []
    first_seen: dict[str, str] = {}
    for row in rows:
        example = _example(row)
        if example.id in first_seen:
            found = f"{example.id!r}, already the id of {first_seen[example.id]}"
            raise InputError("a unique id", found=found, where=f"{row.where}, field 'id'")
        first_seen[example.id] = row.where
        examples.append(example)
    return examples


def _example(row: _Row) -> Example:
    images = tuple(_image(row, index, value) for index, value in enumerate(_list(row, "images")))
    image_ids = tuple(str(value) for value in _list(row, "image_ids")) if "image_ids" in row.columns else ()
    if image_ids and len(image_ids) != len(images):
        found = f"{len(image_ids)} ids for {len(images)} images"
        raise InputError("one id for each image", found=found, where=f"{row.where}, field 'image_ids'")
    question = _IMAGE_MARKER.sub(" ", _text(row, "question")).strip()
    if not question:
        raise InputError("a question", found="only <image> markers", where=f"{row.where}, field 'question'")
    return Example(
        id=_id(row),
        question=question,
        solution=_text(row, "solution"),
        answer=_text(row, "answer"),
        answer_type=cast(AnswerType, _one_of(row, "answer_type", ANSWER_TYPES, default="text")),
        task=cast(Task, _one_of(row, "task", TASKS, default="reasoning")),
        images=images,
        source=_text(row, "source") if row.columns.get("source") else "",
        image_ids=image_ids,
        tolerance=_tolerance(row),
    )


def _tolerance(row: _Row) -> float | str | None:
    value: Any = row.columns.get("tolerance")
    try:
        parse_tolerance(value)
    except ValueError:
        expected = 'a number that is not negative, or text relative to the answer such as "1%"'
        raise InputError(expected, found=_describe(value), where=f"{row.where}, field 'tolerance'") from None
    return cast("float | str | None", value)


def _field(row: _Row, field: str) -> object:
    if field not in row.columns:
        near = difflib.get_close_matches(field, [str(key) for key in row.columns if key not in _FIELDS], n=1)
        fix = "A row without images says so: images: []" if field == "images" else ""
        fix = f"Rename {near[0]!r} to {field!r}" if near else fix
        columns = ", ".join(str(key) for key in row.columns) or "none"
        found = f"the fields {columns[:200]}"
        raise InputError(f"a field {field!r}", found=found, where=row.where, fix=fix)
    return row.columns[field]


def _text(row: _Row, field: str) -> str:
    value, where = _field(row, field), f"{row.where}, field {field!r}"
    if not isinstance(value, str):
        fix = "Put it in quotes" if isinstance(value, int | float) else ""
        raise InputError("text", found=_describe(value), where=where, fix=fix)
    if not value.strip():
        raise InputError("text", found="an empty string", where=where)
    return value.strip()


def _id(row: _Row) -> str:
    value = row.columns.get("id")
    if value is None:
        return row.default_id
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(row, "id")


def _one_of(row: _Row, field: str, allowed: tuple[str, ...], *, default: str) -> str:
    if row.columns.get(field) is None:
        return default
    value = _text(row, field)
    if value in allowed:
        return value
    near = difflib.get_close_matches(value.lower(), allowed, n=1, cutoff=0.4)
    raise InputError(
        f"one of {', '.join(allowed)}",
        found=repr(value),
        where=f"{row.where}, field {field!r}",
        fix=f"Did you mean {near[0]!r}?" if near else "",
    )


def _list(row: _Row, field: str) -> list[object]:
    value = _field(row, field)
    if isinstance(value, list | tuple):
        return list(value)
    fix = "A row without images says so: images: []" if value is None else "Put it in a list"
    raise InputError("a list", found=_describe(value), where=f"{row.where}, field {field!r}", fix=fix)


def _image(row: _Row, index: int, value: object) -> ImageHandle:
    where = f"{row.where}, field 'images[{index}]'"
    if isinstance(value, Image.Image):
        return value
    if isinstance(value, Mapping):
        if isinstance(data := value.get("bytes"), bytes):
            return image_from_bytes(data, where=where)
        value = value.get("path")
    if isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise InputError("an image: a path, a PIL image, or bytes", found=_describe(value), where=where)
    if re.match(r"https?://|data:", value):
        fix = "Download the image and give its path"
        raise InputError("a local path", found=value[:60], where=where, fix=fix)
    path = Path(value)
    return path if row.base is None else row.base / path


def _describe(value: object) -> str:
    """Name a JSON value the way its author would."""
    names: dict[type, str] = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "text",
    }
    names |= {dict: "an object", list: "a list"}
    name = names.get(type(value), type(value).__name__)
    return name if value is None or isinstance(value, dict | list) else f"{name} ({str(value)[:60]!r})"
