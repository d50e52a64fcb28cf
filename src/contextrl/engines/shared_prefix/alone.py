"""Many samples of a model that nobody trains: each prompt is read once for all of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig

from contextrl.engines.shared_prefix.attention import install
from contextrl.engines.shared_prefix.generation import Samples, SharedDecoder, generate
from contextrl.engines.shared_prefix.prompts import EncodedPrompts, encode_prompts
from contextrl.engines.shared_prefix.support import supported_way, underlying, why_not_sampled
from contextrl.policy.generation import own_settings_only
from contextrl.policy.prompts import Prompts

#: Most that a log-probability of a first token may differ from the plain way's, in nats.
_TOLERANCE = 0.01


class PromptSampler:
    """Samples over shared prefixes.

    Args:
        model: an unwrapped model, of a structure that `supported_way` calls packed.
        config: as for `generate`, one sequence per row.
    """

    def __init__(self, model: Any, config: GenerationConfig) -> None:
        self.model, self.config = model, config
        install(underlying(model).config.get_text_config())

    @classmethod
    def of(cls, model: Any, config: GenerationConfig) -> PromptSampler | None:
        """None where the model's structure or the settings do not allow it."""
        if supported_way(model, checkpointing=False, processes=1).way != "packed" or why_not_sampled(config):
            return None
        return cls(model, config)

    @torch.no_grad()
    def sample(self, prompts: Prompts, prompt_of: Sequence[int], seeds: Sequence[int]) -> list[list[int]]:
        """Token ids of B samples, each up to and including its end token.

        Args:
            prompts: N of them.
            prompt_of, seeds: [B] which prompt each sample continues, and of its own random numbers.
        """
        samples = Samples(self._encoded(prompts), prompt_of, [[]] * len(prompt_of), seeds=seeds)
        decoder = SharedDecoder(self.model, samples, self.config.max_new_tokens)
        with own_settings_only(self.model):
            return generate(self.model, samples, decoder, self.config, self.config.pad_token_id)

    @torch.no_grad()
    def agrees(self, prompts: Prompts) -> bool:
        """Whether first tokens have the probabilities that they have when the model reads each prompt itself."""
        every = list(range(len(prompts.ids)))
        samples = Samples(self._encoded(prompts), every, [[]] * len(every))
        shared = SharedDecoder(self.model, samples, 1).start().log_softmax(-1)
        inputs = prompts.padded(self.config.pad_token_id).to(self.model.device).tensors
        plain = self.model(**inputs, logits_to_keep=1).logits[:, -1].log_softmax(-1)
        likely = plain > -10
        return bool((shared - plain)[likely].abs().max() < _TOLERANCE)

    def _encoded(self, prompts: Prompts) -> EncodedPrompts:
        return encode_prompts(underlying(self.model), prompts, self.model.device)
