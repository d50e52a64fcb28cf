"""Secrets of a configuration: a run's own config.yaml does not have them."""

from __future__ import annotations

from typing import Any

from contextrl.commands.config import RunConfig, settings_of_the_run
from contextrl.errors import InputError
from contextrl.records.secrets import HIDDEN, without_secrets
from contextrl.settings import flat_settings


def refuse_hidden(config: RunConfig) -> None:
    """Refuse to train with a secret that is hidden, as in the config.yaml of a run.

    Raises:
        InputError: names the keys.
    """
    hidden = [key for key, value in flat_settings(config.model_dump(mode="json")).items() if HIDDEN in str(value)]
    if hidden:
        raise InputError(
            "what is secret itself",
            found=f"{HIDDEN} in {', '.join(hidden)}",
            where=hidden[0],
            fix=f"A run's config.yaml holds no secrets: add --set {hidden[0]}=...",
        )


def written_settings(config: RunConfig) -> dict[str, Any]:
    """Dotted keys of what a resumed run must keep, as the run directory holds them."""
    return settings_of_the_run(without_secrets(config.model_dump(mode="json"), prose=False))
