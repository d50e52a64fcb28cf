"""What training a policy takes of memory, from its parameters: an estimate, without activations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import torch

#: Bytes that an optimizer keeps of each trained weight.
_OPTIMIZERS = {"adamw_8bit": 2, "adamw_bnb_8bit": 2, "paged_adamw_8bit": 2, "sgd": 0, "adafactor": 1, "lion_32bit": 4}
_ADAM = 8
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_GB = 1e9


def memory_parts(skeleton: Any, args: Any, dtype: str | None, prompt_tokens: int) -> Iterator[tuple[str, float]]:
    """(what, bytes) on one process that shares nothing.

    Args:
        skeleton: the policy's modules, adapter included.
        args: the trainer's.
        dtype: `model.dtype`.
        prompt_tokens: a long prompt's.
    """
    size = _BYTES.get(dtype or "float32", 2)
    weights = sum(weight.numel() for weight in skeleton.parameters())
    trained = sum(weight.numel() for weight in skeleton.parameters() if weight.requires_grad)
    whole = trained == weights
    yield "weights", weights * size
    yield "gradients", trained * (size if whole else 4)
    yield "optimizer", trained * _OPTIMIZERS.get(str(getattr(args.optim, "value", args.optim)), _ADAM)
    if whole and getattr(args, "beta", 0.0):
        yield "reference model", weights * size
    text = skeleton.config.get_text_config()
    answer = int(getattr(args, "max_completion_length", 0) or 0)
    rows = int(args.per_device_train_batch_size)
    # Logits and their gradient, in float32 as the loss wants them.
    yield "logits", rows * (answer or prompt_tokens) * text.vocab_size * 4 * 2
    if answer:
        heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        yield "sampling's cache", 2 * rows * (prompt_tokens + answer) * text.num_hidden_layers * heads * width * size


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
