"""Image features of a rollout's rows, in the shape in which TRL scores them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from contextrl.errors import InputError
from contextrl.policy.prompts import Prompts


class VisionInputs:
    """Features of B prompt rows; rows of one group share their tensors until a model needs them side by side.

    Args:
        prompts: B rows.
        device: where the policy is.

    Raises:
        InputError: the processor gives features that GRPOTrainer does not score.
    """

    #: Features that a prompt without images does not have.
    OF_IMAGES: ClassVar[tuple[str, ...]] = (
        "pixel_values",
        "image_grid_thw",
        "num_images",
        "pixel_attention_mask",
        "image_sizes",
        "image_position_ids",
    )
    #: What GRPOTrainer's scoring takes beside ids and masks.
    NAMES: ClassVar[tuple[str, ...]] = (*OF_IMAGES, "token_type_ids", "mm_token_type_ids")

    def __init__(self, prompts: Prompts, device: torch.device) -> None:
        self.prompts, self.device = prompts, device
        names = {name for row in prompts.features for name in row}
        if unknown := names - set(self.NAMES):
            raise InputError(
                f"a processor whose image features are among {', '.join(self.NAMES)}",
                found=", ".join(sorted(unknown)),
                where="model.path",
            )

    def fields(self, prompt_width: int, completion_width: int, rows: Sequence[int] | None = None) -> dict[str, Any]:
        """Features and per-token fields for sequences of prompt_width + completion_width tokens.

        Args:
            prompt_width: P, prompts left-padded; completion_width: C.
            rows: which of the B rows; all by default.
        """
        prompts = self.prompts if rows is None else self.prompts.select(rows)
        fields: dict[str, Any] = {name: t.to(self.device) for name, t in prompts.image_tensors().items()}
        if fields:
            fields["num_images"] = prompts.num_images
        for name, along in prompts.per_token.items():
            padded = [[0] * (prompt_width - len(row)) + row + [0] * completion_width for row in along]
            fields[name] = torch.tensor(padded, device=self.device)
        return fields
