"""The configurations that the package carries, and what starts them on a cluster."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

from contextrl.errors import InputError, nearest_key

#: Also `configs/` in the repository.
CONFIGS = Path(__file__).parents[1] / "configs"
#: The file of a folder that its name alone stands for.
_FIRST = "contextrl"
#: Folders of files that are no run's settings: accelerate's, servers, batch systems, recipes of data sets.
_FILES = ("accelerate", "judge", "cluster", "data")


def shipped_configs() -> dict[str, Path]:
    """Names of runs, `miniature/grpo`, and their files."""
    runs = [path for path in CONFIGS.rglob("*.yaml") if path.relative_to(CONFIGS).parts[0] not in _FILES]
    return {str(path.relative_to(CONFIGS).with_suffix("")): path for path in sorted(runs)}


def shipped_files() -> dict[str, Path]:
    """Names, `judge/fleet.sh`, of what is beside runs, and the files."""
    files = [path for folder in _FILES for path in sorted((CONFIGS / folder).iterdir()) if path.is_file()]
    return {str(path.relative_to(CONFIGS)): path for path in files}


def shipped_config(name: str) -> Path:
    """The file of a name; a folder's name stands for its ContextRL run.

    Raises:
        InputError: there is none; it gives the nearest.
    """
    runs, files = shipped_configs(), shipped_files()
    name = name.removeprefix("configs/")
    for file in (name, f"{name}.yaml"):
        if file in files:
            return files[file]
    name = name.removesuffix(".yaml")
    path = runs.get(name) or runs.get(f"{name}/{_FIRST}") or runs.get(f"{name}/{_FIRST}-lora")
    if path is None:
        folders = list(dict.fromkeys(key.partition("/")[0] for key in runs))
        hint = nearest_key(name, [*runs, *folders, *files])
        fix = f"See contextrl init --list; for rows of your own: contextrl init --data {name}"
        raise InputError("the name of a shipped configuration", found=f"{name!r}{hint}", where="init", fix=fix)
    return path


def what_it_is(path: Path) -> str:
    """The first sentence of a file's comment."""
    lines = path.read_text(encoding="utf-8").removeprefix("#!/usr/bin/env bash\n").splitlines()
    comment = " ".join(line.lstrip("# ").strip() for line in takewhile(lambda line: line.startswith("#"), lines))
    return re.split(r"(?<=\.)\s", comment, maxsplit=1)[0]
