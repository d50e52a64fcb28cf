"""What a run keeps beside its figures. Without torch: configurations read this."""

from __future__ import annotations

from pydantic import Field

from contextrl.settings import Section


class RecordSettings(Section):
    """What a run keeps to look at."""

    images: int | None = Field(2000, ge=0)
    """Most pictures of questions that are kept in the run directory, spread over the run; 0 keeps none, null all. A
    group without pictures keeps everything else."""
    max_side: int = Field(768, ge=32)
    """Longest side of a kept picture, in pixels: larger ones are scaled down."""
