"""Image features of a rollout's rows, in the shape in which a policy is scored on them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch

from contextrl.errors import InputError
from contextrl.policy.prompts import Prompts

#: Features that take part in attention token by token: sampling and scoring would have to extend them.
_ALONG_COMPLETIONS = ("cross_attention_mask",)


class VisionInputs:
    """Features of B prompt rows; rows of one group share their tensors until a model needs them side by side.

    Args:
        prompts: B rows.
        device: where the policy is.
    """

    def __init__(self, prompts: Prompts, device: torch.device) -> None:
        self.prompts, self.device = prompts, device

    def fields(self, prompt_width: int, completion_width: int, rows: Sequence[int] | None = None) -> dict[str, Any]:
        """What GRPOTrainer's scoring takes beside ids and masks: `inputs` and the number of images of each row.

        Args:
            prompt_width: P, prompts left-padded; completion_width: C.
            rows: which of the B rows; all by default.
        """
        prompts = self.prompts if rows is None else self.prompts.select(rows)
        fields: dict[str, Any] = VisionInputs(prompts, self.device).inputs(prompt_width, completion_width)
        return fields | ({"num_images": prompts.num_images} if any(prompts.features) else {})

    def inputs(self, prompt_width: int, completion_width: int) -> dict[str, torch.Tensor]:
        """What a model's forward takes beside ids and masks, for sequences of P + C tokens."""
        inputs = {name: t.to(self.device) for name, t in self.prompts.image_tensors().items()}
        for name, along in self.prompts.per_token.items():
            padded = [[0] * (prompt_width - len(row)) + row + [0] * completion_width for row in along]
            inputs[name] = torch.tensor(padded, device=self.device)
        return inputs


def check_features(kind: Any, config: Any, prompts: Prompts) -> None:
    """Refuse a model that cannot be scored on what its processor gives.

    Args:
        kind, config: the model's class, None if it is unknown, and its config.
        prompts: with and without images, if there are any.

    Raises:
        InputError: features that the model does not take; images that the chat template leaves out.
    """
    given = {name for row in prompts.features for name in row} | set(prompts.per_token)
    taken = given if kind is None else set(inspect.signature(kind.forward).parameters)
    if unknown := sorted(given - (taken - set(_ALONG_COMPLETIONS))):
        raise InputError(
            f"image features that {kind.__name__ if kind else 'the policy'} can be trained on",
            found=", ".join(unknown),
            where="model.path",
            fix="Models of this family are not supported",
        )
    token = getattr(config, "image_token_id", None)
    for ids, images in zip(prompts.ids, prompts.num_images, strict=True):
        if images and token is not None and token not in ids:
            raise InputError(
                "a chat template that shows a message's images",
                found=f"no image token ({token}) in a prompt with images",
                where="model.path",
                fix="Use the chat template of the model's vision-language version",
            )
