"""`--processor`: a processor's configuration files, of a folder, of a model that is shipped, or of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from contextrl.building.picture_tokens import TokenRule, token_rule
from contextrl.errors import InputError
from contextrl.records.jsonl import read_object

#: Whose rule it is where nobody says.
DEFAULT = "Qwen/Qwen3-VL-8B-Instruct"
_IMAGE, _WHOLE = "preprocessor_config.json", "processor_config.json"
_MOST = 1_000_000


def rule_of(processor: str = "") -> TokenRule:
    """How many tokens pictures have under a processor.

    Args:
        processor: a model's folder, `miniature`, or a hub id; empty: Qwen3-VL's.

    Raises:
        InputError: it is nowhere, or its tokens do not follow from sizes.
    """
    name = processor or DEFAULT
    files = {file: _read(name, file) for file in (_IMAGE, _WHOLE)}
    whole = files[_WHOLE] or {}
    inner = whole.get("image_processor")
    image: Mapping[str, Any] | None = files[_IMAGE] or (inner if isinstance(inner, Mapping) else None)
    if image is None:
        raise InputError(
            f"a model with a {_IMAGE}, or a hub id",
            found="no such file" if Path(name).is_dir() else f"{name!r}, which is neither here nor reachable",
            where="--processor",
            fix="Name the model's folder",
        )
    return token_rule(name if processor else f"{DEFAULT} (the default)", image, whole)


def _read(name: str, file: str) -> dict[str, Any] | None:
    path = _path(name, file)
    return read_object(path, _MOST) if path is not None and path.is_file() else None


def _path(name: str, file: str) -> Path | None:
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser() / file
    if name == "miniature":
        return Path(str(resources.files("contextrl.miniature"))) / "base_policy" / file
    shipped = Path(str(resources.files("contextrl.policy"))) / "model_configs"
    if name in {str(one.parent.relative_to(shipped)) for one in shipped.glob(f"*/*/{_IMAGE}")}:
        return shipped / name / file
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        return None
    try:
        return Path(import_module("huggingface_hub").hf_hub_download(name, file))
    except Exception:  # no network, no such model or file, no access: each is told by the caller as one
        return None
