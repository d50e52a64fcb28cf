"""The policy that a configuration names: a plug-in's, a folder or a hub id."""

from __future__ import annotations

from typing import Any

from contextrl.errors import InputError
from contextrl.plugins import MODELS
from contextrl.policy.loading import policy_config


def policy_folder(path: str) -> str:
    """`path`, or the folder of a plug-in's policy."""
    return str(MODELS.get(path, path))


def model_config(path: str, *, trust_remote_code: bool = False) -> Any:
    """The transformers config of a policy; see `policy_config`.

    Raises:
        InputError: there is no model at `path`.
    """
    try:
        return policy_config(path, trust_remote_code=trust_remote_code)
    except InputError as error:
        names = ", ".join(f"`{name}`" for name in MODELS)
        raise InputError(f"{names}, {error.expected}", found=error.found, where=error.where, fix=error.fix) from error
