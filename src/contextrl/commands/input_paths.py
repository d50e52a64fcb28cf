"""What a path is relative to: the file that names it.

- In a YAML file the inputs (`data.train`, `data.eval`, `model.path`, `judge.prompts`) are relative to that file's
  folder. Where nothing is there, but in the working directory, that is taken, and one line says so.
- So is code (`judge.path`, `rewards[].path`): a module that lies in that folder; and the folder of a learned judge.
- `configs/...` that is in neither place is the file that the package ships: copies of its configurations name them.
- `--set` and other options are relative to the working directory, and so is what a run writes (`run_dir`).
- Pictures in a file of rows are relative to that file's folder.

What is found becomes absolute, so that a run's own config.yaml serves from any working directory; names, hub ids and
what is nowhere stay as they are written.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contextrl.commands.shipped_configs import CONFIGS
from contextrl.commands.user_code import code_path
from contextrl.data.row_files import matching
from contextrl.plugins import DATA, MODELS
from contextrl.settings import CODE_PATH, INPUT_PATH, Section, section_in

_log = logging.getLogger("contextrl")
_PATTERN = "*?["


def with_input_paths(
    tree: Mapping[str, Any], section: type[Section], folder: Path, *, source: str = "", prefix: str = ""
) -> dict[str, Any]:
    """Settings whose inputs are absolute where they are found.

    Args:
        tree: of the section, as a file or the command line has it; what is of a wrong type stays.
        folder: of the file that names them.
        source: that file, for what is said; empty says nothing.
        prefix: the section's own name and a dot.
    """
    placed: dict[str, Any] = {}
    for key, value in tree.items():
        field = section.model_fields.get(key)
        placed[key] = value
        if field is None:
            continue
        inner, name = section_in(field.annotation), f"{prefix}{key}"
        if isinstance(value, str) and INPUT_PATH in field.metadata:
            placed[key] = input_path(value, folder, source=source, key=name)
        elif isinstance(value, str) and CODE_PATH in field.metadata:
            # A judge may be a folder instead.
            placed[key] = (
                code_path(value, folder) if ":" in value else input_path(value, folder, source=source, key=name)
            )
        elif inner is not None and isinstance(value, Mapping):
            placed[key] = with_input_paths(value, inner, folder, source=source, prefix=f"{name}.")
        elif inner is not None and isinstance(value, list):
            placed[key] = [
                with_input_paths(part, inner, folder, source=source, prefix=f"{name}[{n}].")
                if isinstance(part, Mapping)
                else part
                for n, part in enumerate(value)
            ]
    return placed


def without_folders(tree: Mapping[str, Any], section: type[Section]) -> dict[str, Any]:
    """Dumped settings whose inputs are named by their last part: what is published says nothing of one machine."""
    named: dict[str, Any] = {}
    for key, value in tree.items():
        field = section.model_fields.get(key)
        inner = None if field is None else section_in(field.annotation)
        named[key] = value
        if field is not None and isinstance(value, str) and INPUT_PATH in field.metadata and os.path.isabs(value):
            named[key] = os.path.basename(value.rstrip("/"))
        elif inner is not None and isinstance(value, Mapping):
            named[key] = without_folders(value, inner)
        elif inner is not None and isinstance(value, list):
            named[key] = [without_folders(part, inner) if isinstance(part, Mapping) else part for part in value]
    return named


def input_path(value: str, folder: Path, *, source: str = "", key: str = "") -> str:
    """The absolute path that is meant, or `value` where it names nothing here.

    Args:
        key: the setting, for what is said.
    """
    if not value or value.partition(":")[0] in (*DATA, *MODELS):
        return value
    path = Path(os.path.expanduser(value))
    if path.is_absolute():
        return str(path)
    beside, here = (Path(os.path.abspath(place / path)) for place in (folder, Path.cwd()))
    if _is_there(beside):
        if source and beside != here and _is_there(here) and not _same(beside, here):
            _log.warning("%s: %s is the one beside %s, not the one in the working directory", key, value, source)
        return str(beside)
    shipped = CONFIGS / value.removeprefix("configs/")
    if value.startswith("configs/") and _is_there(shipped) and (not _is_there(here) or _same(shipped, here)):
        return str(shipped)
    if not _is_there(here):
        return value
    if source:
        _log.warning("%s: %s is not beside %s; it is taken from the working directory", key, value, source)
    return str(here)


def _is_there(path: Path) -> bool:
    try:
        return path.exists() or (any(c in str(path) for c in _PATTERN) and bool(matching(path)))
    except (OSError, ValueError):
        return False


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)
