"""What training a policy takes of memory, from its parameters: an estimate, without activations."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from contextrl.trainer.room import checkpoint_size

_GB = 1e9


def memory_parts(skeleton: Any, args: Any, prompt_tokens: int) -> Iterator[tuple[str, float]]:
    """(what, bytes) on one process that shares nothing.

    Args:
        skeleton: the policy's modules in the dtype in which they train, adapter included.
        args: the trainer's.
        prompt_tokens: a long prompt's.
    """
    every = list(skeleton.parameters())
    trained = [weight for weight in every if weight.requires_grad]
    weights = _bytes(every)
    yield "weights", weights
    yield "gradients", _bytes(trained)
    yield "optimizer", checkpoint_size(skeleton, args).optimizer
    if len(trained) == len(every) and getattr(args, "beta", None):
        yield "reference model", weights
    text = skeleton.config.get_text_config()
    answer = int(getattr(args, "max_completion_length", 0) or 0)
    rows = int(args.per_device_train_batch_size)
    # Logits and their gradient, in float32 as the loss wants them.
    yield "logits", rows * (answer or prompt_tokens) * text.vocab_size * 4 * 2
    if answer:
        heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        positions = rows * (prompt_tokens + answer)
        yield "sampling's cache", 2 * positions * text.num_hidden_layers * heads * width * every[0].element_size()


def _bytes(weights: Iterable[Any]) -> int:
    return sum(weight.numel() * weight.element_size() for weight in weights)


def describe_memory(parts: Iterator[tuple[str, float]]) -> str:
    """`24.1 GB without activations (weights 8.0, ...); 80 GB on this GPU`."""
    listed = list(parts)
    total = sum(size for _, size in listed) / _GB
    each = ", ".join(f"{name} {size / _GB:.2g}" for name, size in listed)
    return f"about {total:.2g} GB on one process, without activations ({each}); {_here()}"


def _here() -> str:
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_properties(0).total_memory / _GB:.0f} GB on the GPU here"
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / _GB:.0f} GB on this machine"
