"""Stopping a run whose judge is gone so that it can go on later: at the state before the rollout that failed."""

from __future__ import annotations

import random
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch

from contextrl.errors import ServiceError
from contextrl.judge.types import Verdict
from contextrl.trainer.checkpoints import MARKER, SafeCheckpoints


def random_states() -> dict[str, Any]:
    """What sampling moves in this process."""
    states = {"python": random.getstate(), "numpy": np.random.get_state(), "cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def set_random_states(states: dict[str, Any]) -> None:
    """Take back what `random_states` gave."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state_all(states["cuda"])


class ResumableStops(SafeCheckpoints):
    """Mixin: remembers the state before each rollout and saves it as a checkpoint if the rollout must be given up."""

    args: Any
    state: Any
    model: Any
    _step: int
    current_gradient_accumulation_steps: int

    def _remember_start(self) -> None:
        """Called before a rollout moves anything."""
        self._start = (random_states(), deepcopy(self.checkpoint_state()))

    def _stop(self, reason: str) -> NoReturn:
        """Save a checkpoint that the run can continue from, and stop. Called by every process.

        Raises:
            ServiceError: says why and how to go on.
        """
        random_state, counted = self._start
        set_random_states(random_state)
        self.restore_state(counted)
        # In the middle of an accumulation there is nothing to save: its gradients would be lost.
        at_boundary = self._step % max(self.current_gradient_accumulation_steps, 1) == 0
        saved = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}" / MARKER
        if self.state.global_step and at_boundary and not saved.exists():
            self._save_checkpoint(self.model, None)
        raise ServiceError(
            f"{reason}. The last checkpoint is {self.last_checkpoint() or 'none yet'}: "
            "mend the judge and run again with --resume"
        )


def failures_by_kind(verdicts: list[Verdict | None]) -> str:
    """`timeout 12, refusal 3 (timeout: no verdict within 600 s)`: counts, and one example of the most frequent kind."""
    failed = [verdict for verdict in verdicts if verdict is not None and verdict.error is not None]
    counts = Counter(verdict.error_kind for verdict in failed).most_common()
    if not counts:
        return "no reason given"
    example = next(verdict.error for verdict in failed if verdict.error_kind == counts[0][0])
    return ", ".join(f"{kind} {count}" for kind, count in counts) + f" ({example})"
