"""Adapters that peft or TRL would refuse with a traceback, or train wrongly in silence."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, inject_adapter_in_model

from contextrl.errors import InputError
from contextrl.policy.loading import VISION_PARTS

#: Initialisations of LoRA that move a part of the base's weights into the adapter.
_MOVES_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


def check_adapter(model: Any, kind: Any, config: Any, args: Any, peft_config: PeftConfig | None) -> None:
    """Adapters fit the model, leave the reference what it was, and get gradients.

    Args:
        model: policy, or its path or hub id.
        kind, config: its class, None if it is not transformers' own, and its transformers config.
        args: TrainingArguments.
        peft_config: adapters to add; None where there are none, or the policy brings its own.

    Raises:
        InputError: names the setting.
    """
    own = list((getattr(model, "peft_config", None) or {}).values())
    if peft_config is not None:
        _check_not_nested(model, bool(own))
    for adapter in own if peft_config is None else [peft_config]:
        _check_reference(adapter, args)
    if peft_config is not None:
        modules = _adapted_modules(kind, config, peft_config)
    else:
        named = model.named_parameters() if own else ()
        modules = [name for name, parameter in named if parameter.requires_grad]
    _check_gradients(modules, args)


def _check_not_nested(model: Any, has_adapters: bool) -> None:
    if has_adapters or (isinstance(model, str) and (Path(model) / "adapter_config.json").is_file()):
        raise InputError(
            "a policy without adapters",
            found="an adapter on its base",
            where="model.lora",
            fix="Leave model.lora out to train the adapter that is there, or merge it first (contextrl export --merge)",
        )


def _check_reference(adapter: PeftConfig, args: Any) -> None:
    """With adapters, the reference is the base with them switched off: it must be what the policy starts from."""
    initial = str(getattr(adapter, "init_lora_weights", "")).lower()
    if getattr(args, "beta", 0.0) and initial.startswith(_MOVES_THE_BASE):
        raise InputError(
            "adapters that leave the base as it is where train.beta is above 0",
            found=f"init_lora_weights: {initial}, with which the base alone is not the reference model, "
            f"and train.beta: {args.beta:g}",
            where="model.lora.init_lora_weights",
            fix="Leave init_lora_weights out, or set train.beta to 0",
        )


def _adapted_modules(kind: Any, config: Any, peft_config: PeftConfig) -> list[str]:
    """Names of parameters that adapters would add, found on a copy of the model without weights."""
    if kind is None or peft_config.is_prompt_learning:
        return []
    probe = copy.deepcopy(peft_config)
    if isinstance(probe, LoraConfig):
        probe.init_lora_weights = True  # others compute on the weights that are not there
    try:
        with torch.device("meta"):
            empty = kind(copy.deepcopy(config))
    except Exception:  # a model's own code may not be made for this
        return []
    before = {name for name, _ in empty.named_parameters()}
    try:
        inject_adapter_in_model(probe, empty)
    except (ValueError, TypeError, NotImplementedError, AttributeError) as error:
        raise InputError(
            f"adapters for modules of {kind.__name__}",
            found=" ".join(str(error).split()),
            where="model.lora",
            fix=f"Set model.lora to true, or its target_modules, for example to {_linear_names(empty)}",
        ) from error
    return [name for name, parameter in empty.named_parameters() if name not in before and parameter.requires_grad]


def _linear_names(model: Any) -> str:
    """The language model's linear layers by their last names, as `target_modules` takes them."""
    head = model.get_output_embeddings()
    names = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head and not VISION_PARTS & set(name.split("."))
    }
    return f"[{', '.join(sorted(names))}]" if 0 < len(names) <= 12 else "all-linear"


def _check_gradients(modules: list[str], args: Any) -> None:
    """Reentrant checkpointing gives no gradients to what follows inputs without any, as images are."""
    if not args.gradient_checkpointing:
        return
    zero3 = getattr(getattr(args, "deepspeed_plugin", None), "zero_stage", 0) == 3
    reentrant = bool((args.gradient_checkpointing_kwargs or {}).get("use_reentrant"))
    vision = [name for name in modules if VISION_PARTS & set(name.split("."))]
    if not vision or not (reentrant or zero3):
        return
    found = "use_reentrant: true" if reentrant else "ZeRO-3, which checkpoints adapters so"
    raise InputError(
        "gradient checkpointing that reaches the vision tower's adapters",
        found=f"{found}, under which they stay as they are",
        where="train.gradient_checkpointing_kwargs",
        fix="Leave use_reentrant out, or adapt the language model only (model.lora.target_modules)"
        if reentrant
        else "Adapt the language model only (model.lora.target_modules), or set train.gradient_checkpointing to false",
    )
