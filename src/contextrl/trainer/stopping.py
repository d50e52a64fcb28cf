"""Stopping a run whose judge is gone so that it can go on later: at the state before the rollout that failed."""

from __future__ import annotations

import random
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from accelerate.utils import gather_object

from contextrl.errors import InputError, ServiceError
from contextrl.records.verdict import Verdict
from contextrl.trainer.checkpoint_folders import MARKER
from contextrl.trainer.checkpoints import Checkpoints


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


@dataclass(frozen=True)
class Start:
    """The state before a rollout moved anything."""

    random: dict[str, Any]
    counted: dict[str, Any]


class Stopping:
    """Gives a rollout up in a way that the run can go on from.

    Args:
        trainer: whose state is put back and saved.
        checkpoints: where it is saved.
    """

    def __init__(self, trainer: Any, checkpoints: Checkpoints) -> None:
        self.trainer, self.checkpoints = trainer, checkpoints

    def start(self) -> Start:
        """Called before a rollout moves anything."""
        return Start(random_states(), deepcopy(self.trainer.checkpoint_state()))

    def stop(self, reason: str, start: Start, cause: BaseException | None = None, *, who: str = "judge") -> NoReturn:
        """Save a checkpoint that the run can continue from, and stop. Called by every process.

        Args:
            cause: what went wrong on this process.
            who: what is to be mended.

        Raises:
            InputError: the cause is one, the user's own code for instance; says how to go on.
            ServiceError: otherwise; says why and how to go on.
        """
        trainer = self.trainer
        step = trainer.state.global_step
        saved = (self.checkpoints.at(step) / MARKER).exists()
        # What went wrong on one process is what every process tells; whether to save is for the first to say.
        found = gather_object([(reason if cause is not None else "", saved)])
        reason, saved = next((told for told, _ in found if told), reason), found[0][1]
        set_random_states(start.random)
        trainer.restore_state(start.counted)
        # In the middle of an accumulation there is nothing to save: its gradients would be lost.
        at_boundary = trainer._step % max(trainer.current_gradient_accumulation_steps, 1) == 0
        if step and at_boundary and not saved:
            trainer._save_checkpoint(trainer.model, None)
        on = (
            f"The last checkpoint is {self.checkpoints.last() or 'none yet'}: mend the {who} and run again with "
            "--resume (in Python: train(resume_from_checkpoint=True))"
        )
        if isinstance(cause, InputError):
            fix = f"{cause.fix}. {on}" if cause.fix else on
            raise InputError(cause.expected, found=cause.found, where=cause.where, fix=fix) from cause
        error = ServiceError(f"{reason}. {on}")
        error.on_all = True
        raise error from cause


def failures_by_kind(verdicts: list[Verdict | None]) -> str:
    """`timeout 12, refusal 3 (timeout: no verdict within 600 s)`: counts, and one example of the most frequent kind."""
    failed = [verdict for verdict in verdicts if verdict is not None and verdict.error is not None]
    counts = Counter(verdict.error_kind for verdict in failed).most_common()
    if not counts:
        return "no reason given"
    example = next(verdict.error for verdict in failed if verdict.error_kind == counts[0][0])
    return ", ".join(f"{kind} {count}" for kind, count in counts) + f" ({example})"
