"""Sums and conditions over the processes that train together; every collective question of ours is asked here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from accelerate.utils import gather, gather_object, reduce


class Processes:
    """Collective operations; every process calls each of them at the same place.

    Args:
        state: the trainer's accelerator, or accelerate's state of this process.
    """

    def __init__(self, state: Any) -> None:
        self.state = state

    @property
    def device(self) -> Any:
        """Where this process computes."""
        return self.state.device

    def any(self, here: bool) -> bool:
        """Whether a condition holds on any process."""
        return bool(self.largest([here])[0])

    def each(self, here: Any) -> list[Any]:
        """What every process has, in their order."""
        return list(gather_object([here]))

    def share_out(self, count: int) -> tuple[int, int]:
        """How much the processes before this one need, and all of them, where this one needs `count`."""
        every = gather(torch.tensor([count], device=self.device)).tolist()
        return sum(every[: self.state.process_index]), sum(every)

    def sums(self, values: Mapping[str, torch.Tensor | float]) -> dict[str, float]:
        """Sums over processes, in one collective call."""
        stacked = torch.stack(
            [torch.as_tensor(value).detach().to(self.device, torch.float64) for value in values.values()]
        )
        return dict(zip(values, reduce(stacked, reduction="sum").tolist(), strict=True))

    def largest(self, values: Sequence[int]) -> list[int]:
        """The largest of each value over processes, in one collective call."""
        every: torch.Tensor = gather(torch.tensor([[int(value) for value in values]], device=self.device))
        return [int(value) for value in every.amax(0).tolist()]
