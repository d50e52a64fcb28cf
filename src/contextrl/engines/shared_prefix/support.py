"""Which way of sharing a model and its settings allow, and why not a better one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from transformers import GenerationConfig
from transformers.generation import GenerationMode

from contextrl.engines.shared_prefix.attention import PREFIX, REPLACEABLE

#: `packed`: our attention (`attention`). `repeated`: the model's own over a repeated cache. `separate`: not at all.
Way = Literal["packed", "repeated", "separate"]


@dataclass(frozen=True)
class Support:
    """The way that is possible; `reason` says what is lost, empty for `packed`."""

    way: Way
    reason: str = ""


def underlying(model: Any) -> Any:
    """The transformers model under adapters."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def supported_way(model: Any, *, checkpointing: bool, processes: int) -> Support:
    """What a model's structure allows; whether it then computes the same is for a probe to see.

    Args:
        model: unwrapped, with or without adapters.
        checkpointing: gradients are checkpointed.
        processes: that train together.
    """
    adapters = getattr(model, "peft_config", None) or {}
    if any(config.is_prompt_learning for config in adapters.values()):
        return Support("separate", "its adapter puts learned tokens before the prompt")
    base = underlying(model)
    obstacle = _own_attention(base)
    if obstacle is None:
        return Support("packed")
    if hasattr(base.base_model, "get_rope_index"):
        return Support("separate", f"{obstacle}, and its positions follow the image")
    if _has_recurrent_layers(base):
        return Support("separate", f"{obstacle}, and no cache of keys and values holds all its states")
    if checkpointing:
        return Support("separate", f"{obstacle}, and gradient checkpointing keeps no cache to repeat")
    if processes > 1:
        return Support("separate", f"{obstacle}, and a cache with gradients is for one process only")
    return Support("repeated", obstacle)


def _own_attention(model: Any) -> str | None:
    """What forbids replacing a model's attention by causal attention of ours."""
    config = model.config.get_text_config()
    implementation = (config._attn_implementation or "eager").removeprefix(PREFIX)
    layer_types = getattr(config, "layer_types", None)
    kinds = sorted(set(layer_types or ()) - {"full_attention"})
    if implementation not in REPLACEABLE:
        return f"its attention is {implementation}, not {' or '.join(REPLACEABLE)}"
    if not getattr(model, "_supports_attention_backend", False):
        return "its attention is not behind transformers' interface"
    if kinds:
        return f"it has layers of {', '.join(kinds)}"
    if layer_types is None and getattr(config, "sliding_window", None):
        return "its attention has a sliding window"
    if getattr(config, "attention_dropout", 0.0):
        return "its attention has dropout"
    if getattr(config, "attn_logit_softcapping", None) is not None:
        return "its attention caps scores"
    if not any(getattr(module, "config", None) is config for module in model.modules() if hasattr(module, "layer_idx")):
        return "its attention layers do not share the text model's config"
    return None


def _has_recurrent_layers(model: Any) -> bool:
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ())
    return bool(kinds - {"full_attention", "sliding_attention", "chunked_attention"})


def why_not_sampled(config: GenerationConfig) -> str | None:
    """What in generation settings our decoding loop does not do."""
    if config.get_generation_mode() not in (GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE):
        return f"generation is {config.get_generation_mode().value}"
    plain = {"num_return_sequences": 1, "guidance_scale": 1.0, "stop_strings": None, "cache_implementation": "dynamic"}
    for name, value in plain.items():
        setting = getattr(config, name, None)
        if setting is not None and setting != value:
            return f"generation has {name} {setting}"
    return None
