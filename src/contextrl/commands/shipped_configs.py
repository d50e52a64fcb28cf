"""The configurations that the package carries."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

from contextrl.errors import InputError, nearest_key

#: Also `configs/` in the repository.
CONFIGS = Path(__file__).parents[1] / "configs"
#: The file of a folder that its name alone stands for.
_FIRST = "contextrl"


def shipped_configs() -> dict[str, Path]:
    """Names, `miniature/grpo`, and their files."""
    return {str(path.relative_to(CONFIGS).with_suffix("")): path for path in sorted(CONFIGS.glob("*/*.yaml"))}


def shipped_config(name: str) -> Path:
    """The file of a name; a folder's name stands for its ContextRL run.

    Raises:
        InputError: there is none; it gives the nearest.
    """
    known = shipped_configs()
    name = name.removeprefix("configs/").removesuffix(".yaml")
    path = known.get(name) or known.get(f"{name}/{_FIRST}")
    if path is None:
        folders = list(dict.fromkeys(key.partition("/")[0] for key in known))
        hint = nearest_key(name, [*known, *folders])
        fix = f"See contextrl init --list; for rows of your own: contextrl init --data {name}"
        raise InputError("the name of a shipped configuration", found=f"{name!r}{hint}", where="init", fix=fix)
    return path


def what_it_is(path: Path) -> str:
    """The first sentence of a configuration's comment."""
    lines = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    comment = " ".join(line.lstrip("# ").strip() for line in lines)
    return re.split(r"(?<=\.)\s", comment, maxsplit=1)[0]
