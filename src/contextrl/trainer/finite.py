"""No optimizer step on gradients that are not finite: they would spread into every weight."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from contextrl.errors import NonFiniteLossError


class FiniteGradients(TrainerCallback):
    """Raises NonFiniteLossError before the optimizer step. A loss can be finite where its gradient is not.

    Args:
        names: what is in the batch, for the message.
        last_checkpoint: the newest complete checkpoint.
    """

    def __init__(self, names: Callable[[], list[str]], last_checkpoint: Callable[[], Path | None]) -> None:
        self.names, self.last_checkpoint = names, last_checkpoint

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:  # noqa: ARG002
        if args.fp16:
            return  # the gradient scaler skips such steps itself
        bad = [n for n, p in model.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
        if bad:
            rows = ", ".join(self.names())
            raise NonFiniteLossError(
                f"the gradient of {bad[0]} ({len(bad)} parameters in all) is not finite at step {state.global_step + 1}"
                f"{f'; groups in the batch: {rows}' if rows else ''}. The last good checkpoint is "
                f"{self.last_checkpoint() or 'none yet'}: start from it (model.path) with a lower train.learning_rate"
            )
