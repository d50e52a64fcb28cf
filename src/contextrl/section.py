"""The base of every section of a run's YAML."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Unknown keys are refused; values are checked again when they are set."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)
