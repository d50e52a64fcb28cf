"""The general way: encode the prompts with a cache, repeat its rows, and go on as the model itself does.

For models whose layers see a prompt differently than `attention` does (sliding windows, image tokens that see each
other). It copies the prompt's keys and values for every sample, keeps gradients through the cache, and cannot be
combined with gradient checkpointing, which drops caches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import DynamicCache

from contextrl.engines.shared_prefix.generation import Samples
from contextrl.engines.shared_prefix.packing import IGNORED, real_tokens
from contextrl.engines.shared_prefix.prompts import EncodedPrompts
from contextrl.policy.prompts import Prompts


class RepeatedPrefix:
    """Prompts without their last tokens in a cache whose rows are B continuations.

    Args:
        model: possibly wrapped.
        encoded: N prompts of at least two tokens.
        prompt_of: [B] which prompt each continuation belongs to.
    """

    def __init__(self, model: Any, encoded: EncodedPrompts, prompt_of: Sequence[int]) -> None:
        self.model, self.device = model, encoded.device
        prompts = _without_last_token(encoded.prompts)
        inputs = prompts.padded(0).to(encoded.device).tensors
        mask = inputs["attention_mask"]
        self.cache = DynamicCache()
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        model(**inputs, position_ids=positions, past_key_values=self.cache, use_cache=True, logits_to_keep=1)
        rows = torch.tensor(list(prompt_of), device=encoded.device)
        self.cache.batch_select_indices(rows)
        self.mask = mask[rows]
        self.next_position = mask.sum(1)[rows]
        self.last_tokens = torch.tensor([encoded.prompts.ids[n][-1:] for n in prompt_of], device=encoded.device)
        # Models that ask for them in training want them for text too.
        self.token_types = [name for name in ("token_type_ids", "mm_token_type_ids") if name in prompts.per_token]

    def forward(self, ids: torch.Tensor, **kwargs: Any) -> Any:
        """The model's outputs after B continuations' tokens [B, Q]."""
        steps = torch.arange(ids.size(1), device=self.device)
        positions = self.next_position[:, None] + steps
        self.mask = torch.cat([self.mask, self.mask.new_ones(ids.shape)], dim=1)
        self.next_position = self.next_position + ids.size(1)
        return self.model(
            input_ids=ids,
            attention_mask=self.mask,
            position_ids=positions,
            past_key_values=self.cache,
            **{name: torch.zeros_like(ids) for name in self.token_types},
            **kwargs,
        )

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with continuations `rows` only."""
        self.cache.batch_select_indices(rows)
        self.mask, self.next_position = self.mask[rows], self.next_position[rows]


def _without_last_token(prompts: Prompts) -> Prompts:
    return Prompts(
        [ids[:-1] for ids in prompts.ids],
        {name: [along[:-1] for along in values] for name, values in prompts.per_token.items()},
        prompts.features,
        prompts.num_images,
    )


def score_repeated(
    model: Any, encoded: EncodedPrompts, prompt_of: Sequence[int], completions: torch.Tensor, lengths: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """As `score_packed`, in two forwards."""
    prefix = RepeatedPrefix(model, encoded, prompt_of)
    real = real_tokens(lengths, completions.size(1), encoded.device)
    outputs = prefix.forward(
        torch.cat([prefix.last_tokens, completions[:, :-1]], dim=1),
        shift_labels=completions.masked_fill(~real, IGNORED),
        fused_lm_head=True,
    )
    return outputs.log_probs, outputs.entropy


class RepeatedDecoder:
    """Decodes with the model's own attention over a repeated cache; no suffixes.

    Args:
        model: unwrapped.
    """

    def __init__(self, model: Any, samples: Samples) -> None:
        assert not any(samples.suffixes), "a suffix would leave holes that sliding windows count"
        self.model, self.samples = model, samples

    def start(self) -> torch.Tensor:
        self._prefix = RepeatedPrefix(self.model, self.samples.encoded, self.samples.prompt_of)
        return self._logits(self._prefix.last_tokens)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        return self._logits(tokens[:, None])

    def keep(self, rows: torch.Tensor) -> None:
        self._prefix.keep(rows)

    def _logits(self, ids: torch.Tensor) -> torch.Tensor:
        return self._prefix.forward(ids, use_cache=True, logits_to_keep=1).logits[:, -1]  # type: ignore[no-any-return]
