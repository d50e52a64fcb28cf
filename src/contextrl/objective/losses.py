"""The losses by name."""

from __future__ import annotations

from collections.abc import Callable

from contextrl.objective.batch import LossBatch, LossResult, LossSettings
from contextrl.objective.dapo import dapo_loss
from contextrl.objective.grpo import grpo_loss

Loss = Callable[[LossBatch, LossSettings], LossResult]

#: What `train.loss_type` can name. A loss is a file of this package and a line here.
LOSSES: dict[str, Loss] = {"grpo": grpo_loss, "dapo": dapo_loss}
