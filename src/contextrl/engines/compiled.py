"""Decoder layers compiled where rows are scored and learned from; sampling, a token at a time, stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from contextrl.engines.shared_prefix.support import underlying

Compile = Callable[[Callable[..., Any]], Callable[..., Any]]
#: Rows have other lengths in every micro-batch.
_COMPILER = partial(torch.compile, dynamic=True)


def compile_layers(model: Any, compiler: Compile = _COMPILER) -> None:
    """Let every decoder layer of a model run compiled in forwards that fill no cache.

    The old and the new log-probabilities of a row then come from the same kernels, as they do without it.

    Args:
        model: possibly with an adapter; not yet wrapped for several processes.
        compiler: of a layer's call.
    """
    for layer in underlying(model).get_decoder().layers:
        # What `nn.Module.compile` sets, behind a choice; gradient checkpointing repeats the same choice.
        layer._compiled_call_impl = partial(_call, layer, compiler(layer._call_impl))


def _call(layer: nn.Module, compiled: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return (compiled if kwargs.get("past_key_values") is None else layer._call_impl)(*args, **kwargs)
