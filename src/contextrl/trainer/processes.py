"""Sums and conditions over the processes that train together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch


class Processes:
    """Collective operations; every process calls each of them at the same place.

    Args:
        accelerator: of the trainer.
    """

    def __init__(self, accelerator: Any) -> None:
        self.accelerator = accelerator

    def any(self, here: bool) -> bool:
        """Whether a condition holds on any process."""
        flag = torch.tensor(float(here), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, reduction="sum") > 0)

    def share_out(self, count: int) -> tuple[int, int]:
        """How much the processes before this one need, and all of them, where this one needs `count`."""
        every = self.accelerator.gather(torch.tensor([count], device=self.accelerator.device)).tolist()
        return sum(every[: self.accelerator.process_index]), sum(every)

    def sums(self, values: Mapping[str, torch.Tensor | float]) -> dict[str, float]:
        """Sums over processes, in one collective call."""
        device = self.accelerator.device
        stacked = torch.stack([torch.as_tensor(value).detach().to(device, torch.float64) for value in values.values()])
        return dict(zip(values, self.accelerator.reduce(stacked, reduction="sum").tolist(), strict=True))

    def largest(self, values: Sequence[int]) -> list[int]:
        """The largest of each value over processes, in one collective call."""
        here = torch.tensor([list(values)], device=self.accelerator.device)
        every: torch.Tensor = self.accelerator.gather(here)
        return [int(value) for value in every.amax(0).tolist()]
