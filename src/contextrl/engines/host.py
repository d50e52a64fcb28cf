"""What engines need of a trainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class PolicyHost(Protocol):
    """A GRPOTrainer as engines see it; names are TRL's. `model_wrapped` changes when training begins."""

    args: Any
    accelerator: Any
    model: Any
    model_wrapped: Any
    ref_model: Any
    generation_config: Any
    generation_kwargs: dict[str, Any]
    eos_token_ids: Sequence[int]
    temperature: float
    top_p: float
    top_k: int
    min_p: float | None
    repetition_penalty: float
    max_completion_length: int
    processing_class: Any
    examples: Sequence[Any]
    state: Any
    _metrics: Any
    _tokenizer: Any
    _dist: Any

    def _generate_single_turn(
        self, prompt_ids: list[list[int]], images: None, multimodal_fields: dict[str, Any], num_generations: int
    ) -> tuple[list[list[int]], Any]:
        """Token ids sampled after each prompt, and the engine's log-probabilities where it gives them."""
        ...
