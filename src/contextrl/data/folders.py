"""Which files of a folder hold rows: beside them are cards, configurations, and sets that builds have written there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from contextrl.data.hub_card import of_one_configuration
from contextrl.errors import InputError

#: Formats of rows; of a folder that has several the first is read.
FORMATS = (".parquet", ".jsonl", ".json", ".csv", ".tsv")
#: What programs write beside rows, a JSON object each.
_NO_ROWS = {
    *("dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "manifest.json", "data_card.json"),
    *("croissant.json", "package.json", "config.json", "adapter_config.json", "generation_config.json"),
    *("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json", "chat_template.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json"),
    *("trainer_state.json", "model.safetensors.index.json"),
}
_SPLIT_NAME = re.compile(r"(train|validation|val|dev|test)(?![A-Za-z0-9])")
_BUILD, _STEPS = "build", "steps"


def row_files(folder: Path, split: str) -> list[Path]:
    """Files of rows in a folder or in its subfolders, of one format.

    As on the hub, files of the split in subfolders (`data/train-00000-of-00001.parquet`, `train/metadata.jsonl`) and
    `data/*.parquet` are the rows, and what lies above them in a lesser format is not.

    Raises:
        InputError: there are rows in both that could be meant, or of several configurations of a hub set.
    """
    return of_one_configuration(_row_files(folder, split), folder, split)


def _row_files(folder: Path, split: str) -> list[Path]:
    top, inner = _of_one_format(_files_in(folder)), _files_below(folder)
    if not top or not inner:
        return top or _of_one_format(inner)
    wanted = _of_one_format(path for path in inner if _is_of_split(path, split) or _is_hub_data(path))
    if not wanted or any(is_of(path.name, split) for path in top):
        return top
    if all(split_named(path.name) for path in top) or _rank(wanted[0]) < _rank(top[0]):
        return [path for path in inner if path.suffix == wanted[0].suffix]
    raise InputError(
        "rows in one place",
        found=f"{top[0].name} and {wanted[0].relative_to(folder)}",
        where=str(folder),
        fix=f"Name {top[0]} or {wanted[0].parent}",
    )


def split_named(name: str) -> str:
    """The split that a name begins with; empty: none."""
    found = _SPLIT_NAME.match(name)
    return found[1] if found else ""


def is_of(name: str, split: str) -> bool:
    """Whether a name begins with a split's."""
    return re.match(rf"{re.escape(split)}(?![A-Za-z0-9])", name) is not None


def has_better_rows(inner: Path, folder: Path) -> bool:
    """Whether a folder within another has rows, and this has none or such of a lesser format."""
    within, above = _of_one_format(_files_in(inner)), _of_one_format(_files_in(folder))
    return bool(within) and (not above or _rank(within[0]) < _rank(above[0]))


def is_build(folder: Path) -> bool:
    """Whether a build writes here, or has: what is in it is no part of the folder around it."""
    whole = (folder / "manifest.json").is_file() and (folder / "removed.jsonl").is_file()
    return whole or (folder / _BUILD / _STEPS).is_dir()


def builds_in(folder: Path) -> list[str]:
    """Names of folders that are left out for being builds."""
    return sorted(path.name for path in _folders_in(folder) if is_build(path))


def _is_of_split(path: Path, split: str) -> bool:
    return is_of(path.name, split) or (is_of(path.parent.name, split) and not split_named(path.name))


def _is_hub_data(path: Path) -> bool:
    return path.parent.name == "data" and path.suffix == ".parquet" and not split_named(path.name)


def _rank(path: Path) -> int:
    return FORMATS.index(path.suffix)


def _of_one_format(paths: Iterable[Path]) -> list[Path]:
    found = list(paths)
    for suffix in FORMATS:
        if one := [path for path in found if path.suffix == suffix]:
            return one
    return []


def _files_in(folder: Path) -> list[Path]:
    """Files that may hold rows, by name: a folder may hold a million pictures beside them."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(FORMATS) and entry.is_file()]
    except OSError:
        return []
    return [folder / name for name in sorted(names) if not name.startswith(".") and name not in _NO_ROWS]


def _files_below(folder: Path) -> list[Path]:
    inner = (path for path in _folders_in(folder) if not is_build(path) and not _is_workshop(path))
    return [path for one in inner for path in _files_in(one)]


def _folders_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return []
    return [folder / name for name in sorted(names)]


def _is_workshop(folder: Path) -> bool:
    """Whether this is `build` of a set, with the set around it."""
    return folder.name == _BUILD and (folder / _STEPS).is_dir()
