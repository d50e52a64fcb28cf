"""A policy on no device: its parameters can be counted and its modules named without memory for its weights."""

from __future__ import annotations

from typing import Any

import torch
from peft import PeftConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

from contextrl.policy.loading import has_vision


def skeleton(config: Any, *, trust_remote_code: bool = False) -> Any:
    """A model's modules on the meta device.

    Args:
        config: its transformers config.
        trust_remote_code: run Python files that the model brings along.
    """
    kind = AutoModelForImageTextToText if has_vision(config) else AutoModelForCausalLM
    with torch.device("meta"):
        return kind.from_config(config, trust_remote_code=trust_remote_code)


def in_dtype(model: Any, wanted: str | None) -> Any:
    """The model in the dtype in which it trains: `model.dtype`, by default float32; `auto` is its checkpoint's own."""
    dtype = model.config.dtype if wanted == "auto" else getattr(torch, wanted or "float32")
    return model.to(dtype or torch.float32)


def with_adapter(model: Any, adapter: PeftConfig) -> Any:
    """The model with an adapter's modules, on the meta device too."""
    # Other beginnings compute on the weights, which are not there.
    adapter.init_lora_weights = True
    with torch.device("meta"):
        return get_peft_model(model, adapter)
