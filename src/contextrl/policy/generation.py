"""What a checkpoint's `generation_config.json` says of sampling stays out of ours; saved models keep it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import GenerationConfig

from contextrl.launchers import rank

logger = logging.getLogger("contextrl.policy")

#: Tokens that are a model's own, whatever is asked of it.
_KEPT = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
#: How it is computed or handed over, and who wrote it: nothing that a distribution depends on.
_TECHNICAL = (
    "_from_model_config",
    "cache_config",
    "cache_implementation",
    "compile_config",
    "disable_compile",
    "max_cache_len",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "prefill_chunk_size",
    "return_dict_in_generate",
    "transformers_version",
    "use_cache",
)
#: Models whose settings have been named.
_named: set[str] = set()


def ignored_settings(config: GenerationConfig) -> list[str]:
    """Names of a checkpoint's settings that would change what is sampled."""
    defaults = GenerationConfig._get_default_generation_params()
    return sorted(
        name
        for name, value in config.to_dict().items()
        if name not in (*_KEPT, *_TECHNICAL) and value is not None and value != defaults.get(name)
    )


@contextmanager
def own_settings_only(model: Any) -> Iterator[None]:
    """Let `generate` see what it is given and the model's end tokens; `generate` would fill in the checkpoint's rest.

    What is ignored is said once per model.

    Args:
        model: unwrapped, with or without adapters; it has its settings back afterwards.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    checkpoint = base.generation_config
    name = str(base.config._name_or_path or type(base).__name__)
    ignored = ignored_settings(checkpoint)
    if ignored and name not in _named and rank() == 0:
        _named.add(name)
        logger.warning(
            "generation_config.json of %s is ignored in sampling and evaluation: %s. To sample with them, set "
            "train.generation_kwargs; saved models keep the file.",
            name,
            ", ".join(ignored),
        )
    base.generation_config = GenerationConfig(**{kept: getattr(checkpoint, kept, None) for kept in _KEPT})
    try:
        yield
    finally:
        base.generation_config = checkpoint
