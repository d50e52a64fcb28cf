"""The card of a hub set: a folder that is a copy of one may hold several configurations, which are never mixed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from contextrl.errors import InputError

_CARD, _MOST = "README.md", 2**20
_FRONT = re.compile(r"\A\ufeff?---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
#: What the hub reads where nobody names a configuration.
_DEFAULT = "default"


@dataclass(frozen=True)
class Configuration:
    """One of several sets of rows in a folder.

    Attributes:
        name: as its card says.
        patterns: of its files, below the folder: (split, or empty for any; pattern). Empty: the card does not say.
    """

    name: str
    patterns: Sequence[tuple[str, str]]

    def files(self, paths: Sequence[Path], folder: Path, split: str) -> list[Path]:
        """Of these, the ones that it has for a split."""
        wanted = [pattern for own, pattern in self.patterns if own in ("", split)]
        return [path for path in paths if any(_matches(path.relative_to(folder), one) for one in wanted)]


def of_one_configuration(paths: Sequence[Path], folder: Path, split: str) -> list[Path]:
    """Files of rows of the configuration that is meant; all of them where the folder's card names none of them.

    Raises:
        InputError: it names several whose files differ, and none as the one that is read by default.
    """
    found = configurations(folder)
    with_rows = {one.name: own for one in found if (own := one.files(paths, folder, split))}
    if not with_rows:
        return list(paths)
    first = with_rows.get(_DEFAULT) or next(iter(with_rows.values()))
    if _DEFAULT in with_rows or all(own == first for own in with_rows.values()):
        return first
    raise InputError(
        "one of its configurations",
        found=", ".join(with_rows),
        where=str(folder),
        fix=f"Name the folder or the files of one, such as {first[0] if len(first) == 1 else first[0].parent}",
    )


def configurations(folder: Path) -> list[Configuration]:
    """What the folder's card says; empty where there is none, or it cannot be read. The default one is named so."""
    try:
        with (folder / _CARD).open(encoding="utf-8", errors="replace") as file:
            front = _FRONT.match(file.read(_MOST))
        card = yaml.safe_load(front[1]) if front else None
    except (OSError, yaml.YAMLError, RecursionError, ValueError):
        return []
    listed = card.get("configs") if isinstance(card, dict) else None
    found = [_read(one) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [one for one in found if one.name]


def _read(entry: dict[Any, Any]) -> Configuration:
    name = _DEFAULT if entry.get("default") is True else str(entry.get("config_name") or "")
    inner = str(entry.get("data_dir") or "").strip("/")
    listed = entry.get("data_files")
    patterns: list[tuple[str, str]] = []
    for one in listed if isinstance(listed, list) else [listed]:
        if isinstance(one, dict):
            paths = one.get("path")
            patterns += [(str(one.get("split") or ""), str(path)) for path in _listed(paths)]
        elif one is not None:
            patterns.append(("", str(one)))
    if not patterns and inner:
        patterns = [("", "*")]
    return Configuration(name, [(split, f"{inner}/{pattern}" if inner else pattern) for split, pattern in patterns])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _matches(path: Path, pattern: str) -> bool:
    """As the hub's patterns do, of which `**` is any depth; what lies elsewhere matches none."""
    return fnmatchcase(path.as_posix(), str(PurePosixPath(pattern)).replace("**/", "*"))
