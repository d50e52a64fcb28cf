"""Prompts of a rollout as a model reads them: token ids, positions and image features, one per example."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from contextrl.policy.prompts import Prompts


@dataclass(frozen=True)
class EncodedPrompts:
    """N prompts on the model's device.

    Attributes:
        prompts: ids and image features.
        positions: per prompt, its tokens' positions: [p], or [3, p] where positions follow the image (M-RoPE).
        device: where forwards run.
    """

    prompts: Prompts
    positions: list[torch.Tensor]
    device: torch.device

    def __len__(self) -> int:
        return len(self.positions)

    def select(self, rows: Sequence[int]) -> EncodedPrompts:
        """Prompts `rows`, in that order."""
        return EncodedPrompts(self.prompts.select(rows), [self.positions[row] for row in rows], self.device)

    def image_inputs(self) -> dict[str, torch.Tensor]:
        """Image features of all prompts, each image once."""
        return {name: tensor.to(self.device) for name, tensor in self.prompts.image_tensors().items()}


def encode_prompts(model: Any, prompts: Prompts, device: torch.device) -> EncodedPrompts:
    """Positions of N prompts as the model would compute them, unless the prompts have theirs already.

    Args:
        model: unwrapped, without adapters.
    """
    if len(prompts.positions) == len(prompts.ids):
        return EncodedPrompts(prompts, prompts.positions, device)
    backbone = model.base_model
    if not hasattr(backbone, "get_rope_index"):
        return EncodedPrompts(prompts, [torch.arange(len(ids)) for ids in prompts.ids], device)
    accepted = inspect.signature(backbone.get_rope_index).parameters
    positions = []
    for n, ids in enumerate(prompts.ids):
        along = {name: torch.tensor([values[n]]) for name, values in prompts.per_token.items() if name in accepted}
        if "mm_token_type_ids" in accepted:
            along.setdefault("mm_token_type_ids", torch.zeros(1, len(ids), dtype=torch.long))
        features = {name: tensor for name, tensor in prompts.features[n].items() if name in accepted}
        position_ids, _ = backbone.get_rope_index(input_ids=torch.tensor([ids]), **along, **features)
        positions.append(position_ids[:, 0])
    return EncodedPrompts(prompts, positions, device)
