"""What training a policy takes of memory on one process, as `contextrl check` tells it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import torch

from contextrl.commands.config import RunConfig
from contextrl.commands.planned_run import Asked, run_of
from contextrl.planning.assumptions import Assumptions
from contextrl.planning.gpus import Gpu
from contextrl.planning.memory import memory
from contextrl.planning.probing import model_shape
from contextrl.planning.run import Lengths
from contextrl.trainer.room import checkpoint_size

_GB = 1e9


def describe_memory(skeleton: Any, config: RunConfig, args: Any, prompt_tokens: int, picture_tokens: int) -> str:
    """`about 24.1 GB on one process (weights 8.0, ...); 80 GB on the GPU here`.

    Args:
        skeleton: the policy's modules in the dtype in which they train, adapter included.
        args: the trainer's.
        prompt_tokens, picture_tokens: a long prompt's, and those of them that are pictures.

    Raises:
        InputError: the model's code cannot be looked at without weights.
    """
    autocast = bool(args.bf16)
    shape = model_shape(skeleton, config.model.path, autocast=autocast)
    answer = float(config.max_new_tokens if config.method == "sft" else args.max_completion_length)
    patches = float(picture_tokens * shape.merge)
    lengths = Lengths(prompt_tokens, prompt_tokens, patches, patches, answer, answer, True)
    here, name = _here()
    asked = Asked(Gpu(name, here, 1.0, 1.0, 1.0, ""))
    assumed = replace(Assumptions(), workspace=0.0)
    optimizer = float(checkpoint_size(skeleton, args).optimizer)
    run = run_of(config, args, shape, optimizer, lengths, asked, assumed, (1, "ddp"), autocast=autocast)
    found = memory(run)
    each = ", ".join(f"{part} {size / _GB:.2g}" for part, size in found.parts.items())
    return f"about {found.peak / _GB:.2g} GB on one process ({each}); {here / _GB:.0f} GB {name}"


def _here() -> tuple[float, str]:
    if torch.cuda.is_available():
        return float(torch.cuda.get_device_properties(0).total_memory), "on the GPU here"
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")), "on this machine"
