"""Whether the disk has room for a run, found out before anything is paid for it."""

from __future__ import annotations

import resource
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftModel

from contextrl.disk import free_bytes, sized
from contextrl.errors import InputError

#: Tensors of a parameter's shape that an optimizer keeps, by how `train.optim` begins. Of others we know nothing and
#: count nothing: a run that would fit is never refused.
_STATES = {"adamw": 2, "adam": 2, "lion": 1, "paged_adamw": 2, "paged_lion": 1, "ademamix": 3, "rmsprop": 1}
#: Bytes of a state where they are not the parameter's own.
_QUANTIZED = {"8bit": 1.0, "4bit": 0.5}
#: What DeepSpeed keeps in float32 for each trained parameter, in bytes: a copy and two moments.
_DEEPSPEED = 12
#: Tokenizer, settings, states of random numbers, records of some steps.
_REST = 1_000_000


@dataclass(frozen=True)
class CheckpointSize:
    """What one checkpoint takes at least, in bytes."""

    weights: int
    optimizer: int

    @property
    def total(self) -> int:
        return self.weights + self.optimizer


def checkpoint_size(model: Any, args: Any, *, deepspeed: bool = False) -> CheckpointSize:
    """From the model's own tensors: all of them, or with adapters those that are trained.

    Args:
        args: TrainingArguments; `optim` and `save_only_model` decide on the optimizer's part.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    saved: Iterable[Any] = trained if isinstance(model, PeftModel) else model.parameters()
    weights = sum(_numel(p) * p.element_size() for p in saved)
    if args.save_only_model:
        return CheckpointSize(weights, 0)
    if deepspeed:
        return CheckpointSize(weights, sum(_numel(p) * _DEEPSPEED for p in trained))
    optim = str(getattr(args.optim, "value", args.optim))
    states = next((count for name, count in _STATES.items() if optim.startswith(name)), 0)
    quantized = next((size for name, size in _QUANTIZED.items() if name in optim), None)
    optimizer = sum(states * _numel(p) * (p.element_size() if quantized is None else quantized) for p in trained)
    return CheckpointSize(weights, int(optimizer))


def size_for(trainer: Any) -> CheckpointSize:
    """`checkpoint_size` of what a Trainer trains."""
    return checkpoint_size(trainer.model, trainer.args, deepspeed=trainer.is_deepspeed_enabled)


def _numel(parameter: Any) -> int:
    """Of the whole tensor, where DeepSpeed has parted it too."""
    return int(getattr(parameter, "ds_numel", parameter.numel()))


def room_needed(size: CheckpointSize, args: Any, *, done: int = 0) -> int:
    """Bytes that a run writes at least: one checkpoint and the model at its end; 0 where nothing is left to train.

    Args:
        args: TrainingArguments.
        done: the step from which it goes on.
    """
    if 0 < args.max_steps <= done:
        return 0
    return (size.total if args.save_strategy != "no" else 0) + size.weights + _REST


def check_room(folder: Path, size: CheckpointSize, args: Any, *, done: int = 0, reclaimed: int = 0) -> str | None:
    """Refuse a run whose first checkpoint and model cannot fit.

    Args:
        folder: the run directory, there or not.
        args, done: see `room_needed`.
        reclaimed: bytes that will be free once the run begins.

    Returns:
        What to warn of: room for one checkpoint, but not for all that will be kept at once.

    Raises:
        InputError: there is no room, or files of that size are not allowed.
    """
    needed, free = room_needed(size, args, done=done), free_bytes(folder) + reclaimed
    saves = args.save_strategy != "no"
    if free < needed:
        checkpoint = f"a checkpoint (weights {sized(size.weights)}, optimizer {sized(size.optimizer)}) and "
        raise InputError(
            f"{sized(needed)} of free space for {checkpoint if saves else ''}the model",
            found=sized(free),
            where=str(folder),
            fix="Make room, or change run_dir",
        )
    largest, (limit, _) = max(size.weights, size.optimizer * saves), resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY and limit < largest < needed:
        raise InputError(
            f"leave to write files of {sized(largest)}, as a checkpoint has",
            found=f"a limit of {sized(limit)}",
            where=str(folder),
            fix="Raise the limit (`ulimit -f`)",
        )
    kept = _kept_at_once(args) if saves and not done else 1
    if kept == 1 or kept * size.total + size.weights <= free:
        return None
    return (
        f"{folder}: {sized(free)} free, but the run keeps {kept} checkpoints of {sized(size.total)}, and the model. "
        "Set train.save_total_limit, or a larger train.save_steps"
    )


def _kept_at_once(args: Any) -> int:
    """Checkpoints that are there at the same time, at most; 1 where the run's length is not known yet."""
    if args.max_steps <= 0 or args.save_strategy != "steps" or args.save_steps < 1:
        return 1
    saves: int = -(-args.max_steps // int(args.save_steps))
    # The new one is written before the oldest goes.
    return min(saves, int(args.save_total_limit) + 1) if args.save_total_limit else saves
