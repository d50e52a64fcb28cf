"""A process that a launcher has started beside others: it joins them, or training is refused."""

from __future__ import annotations

import atexit
import gc
import os
import time
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

from contextrl.errors import InputError, LostProcessError
from contextrl.launchers import processes_started

#: What torch.distributed needs beside WORLD_SIZE.
_PLACES = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
#: How gloo, NCCL and torch's store say that a process is not there any more, or does not answer.
_LOST = (
    "connection closed by peer",
    "connection reset by peer",
    "broken pipe",
    "timed out waiting",
    "timed out after",
    "remote process exited",
    "nccl communicator was aborted",
    "socket timeout",
    "connection was likely closed",
    "recvvalue failed",
    "sendbytes failed",
    "recv, or receive timeout",
)


def prepare_to_join(*, use_cpu: bool) -> None:
    """Called before a trainer's arguments set up their devices: accelerate then finds the other processes.

    Without an accelerator it finds them only where it is told that it works on a CPU.

    Args:
        use_cpu: as in TrainingArguments.

    Raises:
        InputError: the launcher has not said where the others are, or there are fewer GPUs than processes.
    """
    if (count := processes_started()) < 2:
        return
    missing = [name for name in _PLACES if not os.environ.get(name)]
    if os.environ.get("WORLD_SIZE") and missing:
        raise InputError(
            "what a launcher says to each process",
            found=f"WORLD_SIZE={count} without {', '.join(missing)}",
            where="the environment",
            fix="Start with torchrun, accelerate launch or launch.processes, or unset WORLD_SIZE",
        )
    if not torch.accelerator.is_available():
        if not _is_told("ACCELERATE_USE_DEEPSPEED"):
            os.environ.setdefault("ACCELERATE_USE_CPU", "true")
        return
    here, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.accelerator.device_count()
    if here > gpus and not (use_cpu or _is_told("ACCELERATE_USE_CPU")):
        raise InputError(
            "a GPU for every process",
            found=f"{here} processes and {gpus} GPU{'s' * (gpus != 1)} on this machine",
            where="launch.processes",
            fix=f"Start {gpus} of them, or set train.use_cpu",
        )


def check_joined(args: Any) -> None:
    """Whatever a launcher has started works on one run.

    Args:
        args: TrainingArguments, whose devices are set up.

    Raises:
        InputError: this process is alone, or does not share the model out as it was told to.
    """
    count, found = processes_started(), int(args.world_size)
    if found != count:
        raise InputError(
            f"one run of {count} processes, as many as were started",
            found=f"{found} in this one: each would train a run of its own, in the same folder",
            where="the launcher",
            fix=_how_to_join(),
        )
    if count > 1 and args.ddp_find_unused_parameters is None:
        # Trainer leaves it off with checkpointed gradients: a vision tower that saw nothing would then end the run.
        reentrant = args.gradient_checkpointing and (args.gradient_checkpointing_kwargs or {}).get("use_reentrant")
        args.ddp_find_unused_parameters = not reentrant
    share_out_on_cpu()
    kind = PartialState().distributed_type
    for name, wanted in (("FSDP", DistributedType.FSDP), ("DEEPSPEED", DistributedType.DEEPSPEED)):
        if _is_told(f"ACCELERATE_USE_{name}") and kind == DistributedType.MULTI_CPU:
            raise InputError(
                f"an accelerator, which accelerate shares a model out on with {wanted.value}",
                found="a CPU, where it would be left out and every process hold the whole model",
                where="launch.accelerate",
                fix="Leave launch.accelerate out on a CPU",
            )


def _how_to_join() -> str:
    if _is_told("ACCELERATE_USE_DEEPSPEED") and not torch.accelerator.is_available():
        return "Without an accelerator DeepSpeed is told how processes speak: set train.ddp_backend to gloo"
    return "Leave train.ddp_backend and ACCELERATE_* to the launcher, or start one process"


def share_out_on_cpu() -> None:
    """FSDP2 on a CPU, which accelerate has but does not look for there: it counts accelerators only."""
    state = PartialState._shared_state
    if state.get("distributed_type") != DistributedType.MULTI_CPU or not _is_told("ACCELERATE_USE_FSDP"):
        return
    plugin = FullyShardedDataParallelPlugin()
    if plugin.fsdp_version == 2:
        # What AcceleratorState takes over when a trainer is built.
        state.update(distributed_type=DistributedType.FSDP, fsdp_plugin=plugin)


def _is_told(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true", "yes")


def lost_process(error: BaseException) -> LostProcessError | None:
    """What to tell where an operation over all processes failed because one of them is gone; None for other errors."""
    if not (isinstance(error, RuntimeError) and torch.distributed.is_initialized()):
        return None
    if not isinstance(error, torch.distributed.DistError) and not any(sign in str(error).lower() for sign in _LOST):
        return None
    return LostProcessError("another process of this run has ended, or does not answer")


def leave(trainer: Any = None) -> None:
    """The run is over for every process: part in good order.

    Args:
        trainer: its engine's own process groups are ended first, where it has an engine.
    """
    if (engines := getattr(trainer, "engines", None)) is not None:
        engines.close()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        atexit.register(_end_threads)


def _end_threads() -> None:
    """What a process does last: gloo's threads end while there is an interpreter.

    Whatever wraps the model holds its process group, and the group its threads. One of them that lets go of a tensor
    while the interpreter is taken down ends the process with SIGABRT, and a launcher then reports as failed a run that
    is whole (pytorch/pytorch#190489).
    """
    gc.collect()
    # FSDP2's groups stay in torch's own caches; a thread has let go of what it did long before this is over.
    time.sleep(0.1)
