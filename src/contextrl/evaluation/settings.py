"""When a run is evaluated and on how much: the `eval` section of a run's YAML, `evaluation` of ContextRLConfig."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from contextrl.settings import Section


class EvaluationSettings(Section):
    every: int | Literal["epoch"] = 0
    """Evaluate every so many steps or after every epoch, and before and after training; 0 only before and after."""
    best: bool = False
    """Go back to the best of the epochs' checkpoints at the end, by process accuracy on `examples` (answer accuracy
    where nobody looks at the process); needs `every: epoch` and `train.save_strategy: epoch`."""
    examples: int = Field(200, gt=0)
    """Examples of the evaluations on the way."""
    final_examples: int = Field(1000, gt=0)
    """Examples of the evaluations before and after training."""
    batch_size: int = Field(128, gt=0)
    """Prompts generated at once."""
    max_new_tokens: int | None = Field(None, gt=0)
    """Longest answer; by default train.max_completion_length, or 256 where there is none."""

    @property
    def most(self) -> int:
        """Rows of the largest evaluation."""
        return max(self.examples, self.final_examples)

    @field_validator("every")
    @classmethod
    def _not_negative(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 0:
            raise ValueError("expected a number of steps, 0 or `epoch`")
        return value
