"""Log-probabilities of completions row by row, as GRPOTrainer computes them, for every family of models.

GRPOTrainer's own scoring knows the image features of some families only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from contextrl.engines.shared_prefix.packing import IGNORED, real_tokens
from contextrl.engines.shared_prefix.prompts import EncodedPrompts
from contextrl.policy.vision import VisionInputs


def score_separate(
    model: Any,
    encoded: EncodedPrompts,
    prompt_of: Sequence[int],
    completions: torch.Tensor,
    lengths: Sequence[int],
    pad_token_id: int,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """As `score_packed`, a row per completion: its prompt at the left, itself at the right."""
    prompts = encoded.prompts.select(prompt_of)
    inputs = prompts.padded(pad_token_id).to(encoded.device).tensors
    width, longest = inputs["input_ids"].size(1), completions.size(1)
    real = real_tokens(lengths, longest, encoded.device)
    labels = inputs["input_ids"].new_full((len(prompt_of), width), IGNORED)
    outputs = model(
        input_ids=torch.cat([inputs["input_ids"], completions], dim=1),
        attention_mask=torch.cat([inputs["attention_mask"], real.long()], dim=1),
        labels=torch.cat([labels, completions.masked_fill(~real, IGNORED)], dim=1),
        fused_lm_head=True,
        **VisionInputs(prompts, encoded.device).inputs(width, longest),
    )
    entropy = outputs.entropy
    return outputs.log_probs[:, -longest:], entropy[:, -longest:] if entropy is not None else None
