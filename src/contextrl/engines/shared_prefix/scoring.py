"""Log-probabilities of completions with every prompt encoded once, equal to scoring each row by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from contextrl.engines.shared_prefix.attention import untouched_mask
from contextrl.engines.shared_prefix.packing import pack
from contextrl.engines.shared_prefix.prompts import EncodedPrompts


def score_packed(
    model: Any,
    encoded: EncodedPrompts,
    prompt_of: Sequence[int],
    completions: torch.Tensor,
    lengths: Sequence[int],
    *,
    blocks: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """One forward of the policy over prompts and completions.

    Args:
        model: possibly wrapped (DDP, FSDP, PEFT), with TRL's fused head, whose temperature applies.
        encoded: N prompts.
        prompt_of: [B] which prompt each completion continues.
        completions: [B, C] token ids, right-padded; lengths: [B] tokens of each.
        blocks: see `pack`.

    Returns:
        Log-probabilities and, where the head computes them, entropies: [B, C], 0 where there is no token.
    """
    packed = pack(encoded, prompt_of, completions, lengths, blocks=blocks)
    outputs = model(
        input_ids=packed.input_ids,
        attention_mask=untouched_mask(encoded.device),
        position_ids=packed.positions,
        shift_labels=packed.labels,
        fused_lm_head=True,
        shared_prefix=packed.prefix,
        **encoded.image_inputs(),
    )
    entropy = outputs.entropy
    return packed.unpack(outputs.log_probs), packed.unpack(entropy) if entropy is not None else None
