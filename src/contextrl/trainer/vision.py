"""Image features of a rollout's rows, in the shape in which TRL scores them."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from contextrl.errors import InputError
from contextrl.rollout.prompts import Prompts


class VisionInputs:
    """Features of B prompt rows, moved to the device once.

    Args:
        prompts: B rows; rows of one group share their tensors until here.
        device: where the policy is.
    """

    #: What GRPOTrainer's scoring takes beside ids and masks.
    NAMES: ClassVar[tuple[str, ...]] = (
        "pixel_values",
        "image_grid_thw",
        "num_images",
        "pixel_attention_mask",
        "image_sizes",
        "token_type_ids",
        "mm_token_type_ids",
        "image_position_ids",
    )

    def __init__(self, prompts: Prompts, device: torch.device) -> None:
        self.per_token = prompts.per_token
        self.tensors: dict[str, Any] = {name: t.to(device) for name, t in prompts.image_tensors().items()}
        if unknown := set(self.tensors) - set(self.NAMES):
            raise InputError(
                f"a processor whose image features are among {', '.join(self.NAMES)}",
                found=", ".join(sorted(unknown)),
                where="model.path",
            )
        if self.tensors:
            self.tensors["num_images"] = prompts.num_images
        self.device = device

    def fields(self, prompt_width: int, completion_width: int) -> dict[str, Any]:
        """Features and per-token fields for sequences of prompt_width + completion_width tokens.

        Args:
            prompt_width: P, prompts left-padded; completion_width: C.
        """
        along = {
            name: torch.tensor(
                [[0] * (prompt_width - len(row)) + row + [0] * completion_width for row in rows],
                device=self.device,
            )
            for name, rows in self.per_token.items()
        }
        return {**self.tensors, **along}
