"""What holds for every prompt of the policy."""

from __future__ import annotations

from pydantic import Field

from contextrl.settings import Section


class PromptSettings(Section):
    max_prompt_tokens: int = Field(4096, gt=0)
    """Longer prompts are refused before training."""
    system_prompt: str | None = Field(None, min_length=1)
    """Stands before every conversation with the policy, in training, stage 2 and evaluation; null leaves it to the
    model's chat template, which may have its own."""
