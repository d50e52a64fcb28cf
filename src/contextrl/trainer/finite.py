"""No optimizer step on gradients that are not finite: they would spread into every weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from contextrl.errors import NonFiniteLossError


def non_finite(what: str, step: int, last_checkpoint: Path | None, rows: Sequence[str] = ()) -> NonFiniteLossError:
    """The error for `what` at optimizer step `step`; `rows` are the groups of the batch, where they are known."""
    named = f"; groups in the batch: {', '.join(rows)}" if rows else ""
    look = "look at these rows, or start" if rows else "start"
    return NonFiniteLossError(
        f"{what} at step {step}{named}. The last good checkpoint is {last_checkpoint or 'none yet'}: "
        f"{look} from it (model.path) with a lower train.learning_rate"
    )


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
        finite = {n: torch.isfinite(p.grad).all() for n, p in model.named_parameters() if p.grad is not None}
        # One look at the device for all parameters, not one for each.
        if not finite or torch.stack(list(finite.values())).all():
            return
        bad = [name for name, flag in finite.items() if not flag]
        what = f"the gradient of {bad[0]} ({len(bad)} parameters in all) is not finite"
        raise non_finite(what, state.global_step + 1, self.last_checkpoint(), self.names())
