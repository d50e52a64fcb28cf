"""What kind of thing somebody names as a model; torch is not imported."""

from __future__ import annotations

import re
from pathlib import Path

from contextrl.errors import InputError
from contextrl.plugins import MODELS

#: As huggingface_hub's validate_repo_id has it: `owner/name` or `name`.
_WORD = r"[A-Za-z0-9_]([\w.-]*[A-Za-z0-9_])?"
_HUB_ID = re.compile(rf"(?!.*(--|\.\.)){_WORD}(/{_WORD})?", re.ASCII)
_LONGEST = 96


def names_a_folder(name: str) -> bool:
    """Whether a name can be no hub id, so that a folder is meant, whether there is one or not."""
    return len(name) > _LONGEST or _HUB_ID.fullmatch(name) is None


def check_is_here(name: str) -> None:
    """Refuse a run or model that is on no disk of this machine.

    Raises:
        InputError: it is no folder, and no plug-in's policy.
    """
    if name not in MODELS and not Path(name).is_dir():
        raise InputError("a run, or a folder with a model or an adapter", found=f"no folder {name}", where="RUN")
