"""Metrics of an optimizer step that are means over its tokens or forwards, however these were cut up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from transformers import TrainerCallback

from contextrl.engines.processes import Processes
from contextrl.objective.batch import TokenSum


class StepSums(TrainerCallback):
    """Adds up over a step's micro-batches and their parts, then over processes, and only then divides.

    Means of each would depend on how many parts and processes there are: they have unequally many tokens.

    Args:
        processes: that train together; all of them add the same names.
        metrics: GRPOTrainer's, name to values since the last log line.
    """

    def __init__(self, processes: Processes, metrics: defaultdict[str, list[float]]) -> None:
        self.processes, self.metrics = processes, metrics
        self._sums: dict[str, TokenSum] = {}

    def add(self, sums: Mapping[str, TokenSum]) -> None:
        """What one forward has counted; nothing is waited for."""
        for name, one in sums.items():
            total, count = one.total.detach().double(), one.count.detach().double()
            before = self._sums.get(name)
            self._sums[name] = TokenSum(total, count) if before is None else before.plus(total, count)

    def count(self, name: str, here: bool) -> None:
        """One forward, of which the metric is the share in which something holds."""
        self.add({name: TokenSum(torch.tensor(float(here)), torch.tensor(1.0))})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Before Trainer logs; collective."""
        sums, self._sums = self._sums, {}
        append_means(self.processes, sums, self.metrics)


def append_means(
    processes: Processes, sums: Mapping[str, TokenSum], metrics: defaultdict[str, list[float]]
) -> dict[str, tuple[float, float]]:
    """Append total / count over all processes to metrics; what nobody counted is NaN, which logs leave out. Collective.

    Returns:
        (total, count) over all processes.
    """
    if not sums:
        return {}
    totals = processes.sums({name: s.total for name, s in sums.items()} | {f"#{n}": s.count for n, s in sums.items()})
    reduced = {name: (totals[name], totals[f"#{name}"]) for name in sums}
    for name, (total, count) in reduced.items():
        metrics[name].append(total / count if count else float("nan"))
    return reduced
