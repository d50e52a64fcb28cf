"""LoRA adapters as a configuration names them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from contextrl.errors import InputError, nearest_key
from contextrl.policy.loading import VISION_PARTS, base_of

#: In place of peft's `target_modules`: every linear layer of the language model, and none of the vision tower, of what
#: joins the two, or of the head.
LANGUAGE_LINEAR = "language-linear"
#: What `lora: true` means. Rank and scale are those of peft's and TRL's own examples.
DEFAULT_LORA: Mapping[str, Any] = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": LANGUAGE_LINEAR}
#: Parts of module names outside the language model.
_OUTSIDE = sorted({*VISION_PARTS, "vision", "multi_modal_projector", "connector", "lm_head"})


def check_lora(setting: bool | Mapping[str, Any] | None) -> None:
    """Refuse unknown fields before anything is loaded.

    Raises:
        InputError: with the nearest field of peft's LoraConfig.
    """
    if not isinstance(setting, Mapping):
        return
    from peft import LoraConfig

    known = [field.name for field in dataclasses.fields(LoraConfig)]
    for key in setting:
        if key not in known:
            raise InputError(
                "a field of peft's LoraConfig", found=f"{key}{nearest_key(key, known)}", where="model.lora"
            )


def lora_config(setting: bool | Mapping[str, Any] | None, model: Any) -> Any:
    """peft's LoraConfig, None where all weights train.

    Args:
        setting: `model.lora`: True, fields of LoraConfig, or None.
        model: whose modules are targeted.

    Raises:
        InputError: peft refuses a field's value.
    """
    if setting is None or setting is False:
        return None
    from peft import LoraConfig

    fields = dict(DEFAULT_LORA if setting is True else setting)
    if fields.get("target_modules") == LANGUAGE_LINEAR:
        fields["target_modules"] = language_linear(model)
    try:
        return LoraConfig(**fields)
    except (TypeError, ValueError) as error:
        raise InputError("values that peft accepts", found=str(error), where="model.lora") from error


def saved_lora(path: str) -> Any:
    """LoraConfig of an adapter's folder, which is trained on; None where there is no LoRA adapter."""
    if base_of(path) is None:
        return None
    from peft import LoraConfig, PeftConfig

    saved = PeftConfig.from_pretrained(path)
    if not isinstance(saved, LoraConfig):
        return None
    saved.inference_mode = False
    return saved


def language_linear(model: Any) -> str:
    """A pattern of the language model's linear layers, as peft matches it against whole module names.

    Raises:
        InputError: there are none that we can tell from the vision tower's.
    """
    import torch

    leaves = sorted(
        {
            name.rpartition(".")[2]
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and not set(name.split(".")) & set(_OUTSIDE)
        }
    )
    if not leaves:
        raise InputError(
            "a language model with linear layers",
            found=type(model).__name__,
            where="model.lora",
            fix="Name target_modules in model.lora",
        )
    outside = "|".join(map(re.escape, _OUTSIDE))
    return rf"(?!(?:.*\.)?(?:{outside})(?:\.|$)).*?({'|'.join(map(re.escape, leaves))})"
