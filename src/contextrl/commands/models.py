"""The policy that a configuration names: a plug-in's, a folder or a hub id."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from contextrl.errors import InputError
from contextrl.plugins import MODELS
from contextrl.policy.loading import has_vision, policy_config


def policy_folder(path: str, console: Console | None = None) -> str:
    """`path`, or the folder of a plug-in's policy, which is made first if it is not there."""
    return str(MODELS[path](console)) if path in MODELS else path


def sees_images(path: str) -> bool:
    """Whether a policy has a vision tower. A plug-in's has, so that it need not be made to be asked."""
    return path in MODELS or has_vision(model_config(path))


def model_config(path: str) -> Any:
    """The transformers config of a policy.

    Raises:
        InputError: there is no model at `path`.
    """
    try:
        return policy_config(path)
    except InputError as error:
        names = ", ".join(f"`{name}`" for name in MODELS)
        raise InputError(f"{names}, {error.expected}", found=error.found, where=error.where) from error
