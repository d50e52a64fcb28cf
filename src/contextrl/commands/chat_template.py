"""The setting that a run's training and its evaluation read alike, found without importing a trainer."""

from __future__ import annotations

from typing import Any

from contextrl.commands.config import RunConfig
from contextrl.errors import InputError

#: A field of GRPOConfig that SFTConfig does not have; our prompts take it in both.
OURS_IN_SFT = "chat_template_kwargs"


def chat_template_kwargs(config: RunConfig) -> dict[str, Any]:
    """`train.chat_template_kwargs`, for every prompt of the policy.

    Raises:
        InputError: it is no mapping.
    """
    found = config.train.get(OURS_IN_SFT) or {}
    if not isinstance(found, dict):
        raise InputError("a mapping", found=repr(found), where=f"train.{OURS_IN_SFT}")
    return found
