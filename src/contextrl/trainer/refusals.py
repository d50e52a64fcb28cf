"""What TRL or transformers would take and fail on later, with a traceback or in silence: refused before work starts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate import PartialState
from accelerate.utils import DistributedType
from peft import PeftConfig
from transformers import Trainer
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK, get_available_reporting_integrations
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.optimization import get_scheduler
from transformers.utils import is_flash_attn_2_available

from contextrl.errors import InputError, nearest_key
from contextrl.policy.processor import check_processor
from contextrl.trainer.adapters import check_adapter
from contextrl.trainer.vllm_settings import check_vllm

#: What a model is loaded in (TRL's names).
DTYPES = ("auto", "bfloat16", "float16", "float32")
#: Integrations whose package has another name.
_PACKAGES = {"azure_ml": "azureml-core", "flyte": "flytekit", "comet_ml": "comet-ml"}


def check_arguments(args: Any) -> None:
    """Packages that training would ask for are installed, the model can be loaded as told, and layers compiled.

    Args:
        args: TrainingArguments.

    Raises:
        InputError: names the setting.
    """
    _check_compiling(args)
    _check_optimizer(args)
    _check_scheduler(args)
    _check_trackers(args)
    _check_loading(getattr(args, "model_init_kwargs", None) or {})


def _check_compiling(args: Any) -> None:
    if not getattr(args, "compile_layers", False):
        return
    kind = PartialState().distributed_type
    whole = kind in (DistributedType.NO, DistributedType.MULTI_GPU)
    if args.device.type != "cuda" or not whole:
        raise InputError(
            "a GPU, whose process holds the whole model",
            found=f"the device {args.device.type}" if args.device.type != "cuda" else kind.value,
            where="train.compile_layers",
            fix="Set it to false",
        )


def _check_optimizer(args: Any) -> None:
    try:
        Trainer.get_optimizer_cls_and_kwargs(args)
    except ImportError as error:
        raise _unusable("an optimizer whose package is installed", args, error) from error
    except (ValueError, RuntimeError) as error:
        # Some need the model itself, and look for their package first.
        if "pass a model" not in str(error):
            raise _unusable("an optimizer that can be used here", args, error) from error


def _unusable(expected: str, args: Any, error: Exception) -> InputError:
    name = getattr(args.optim, "value", args.optim)
    reason = " ".join(str(error).split())
    return InputError(expected, found=f"{name} ({reason})", where="train.optim", fix="Install it, or use adamw_torch")


def _check_scheduler(args: Any) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=args.learning_rate)
    own = getattr(args, "lr_scheduler_kwargs", None) or {}
    name = getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)
    if name in ("greedy", "reduce_lr_on_plateau"):
        return  # these want an evaluation, which the arguments themselves check
    try:
        get_scheduler(name, optimizer, num_warmup_steps=1, num_training_steps=2, scheduler_specific_kwargs=own)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"train.lr_scheduler_kwargs that {name} takes",
            found=f"{own or 'none'} ({error})",
            where="train.lr_scheduler_type",
            fix="Set train.lr_scheduler_kwargs, or use another train.lr_scheduler_type",
        ) from error


def _check_trackers(args: Any) -> None:
    named = args.report_to or []
    available = {*get_available_reporting_integrations(), "none", "all", *(["flyte"] if _installed("flytekit") else [])}
    for tracker in [named] if isinstance(named, str) else named:
        if tracker in available:
            continue
        if tracker not in INTEGRATION_TO_CALLBACK:
            known = sorted(INTEGRATION_TO_CALLBACK)
            raise InputError(
                f"a tracker that transformers knows ({', '.join(known)}), or none",
                found=f"{tracker!r}{nearest_key(tracker, known)}",
                where="train.report_to",
            )
        raise InputError(
            "a tracker that is installed",
            found=f"{tracker}, which is not",
            where="train.report_to",
            fix=f"Install it (pip install {_PACKAGES.get(tracker, tracker)}), or set train.report_to to none",
        )


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _check_loading(kwargs: dict[str, Any]) -> None:
    for name in ("dtype", "torch_dtype"):
        value = kwargs.get(name)
        if value is not None and not isinstance(value, torch.dtype) and value not in DTYPES:
            raise InputError(
                " or ".join(DTYPES),
                found=f"{value!r}{nearest_key(str(value), DTYPES)}",
                where=f"train.model_init_kwargs, {name}",
            )
    attention = kwargs.get("attn_implementation")
    if not isinstance(attention, str) or "/" in attention:
        return  # a kernel of the hub, or one per part of the model
    known = sorted({"eager", *ALL_ATTENTION_FUNCTIONS})
    if attention not in known:
        found = f"{attention!r}{nearest_key(attention, known)}"
    elif attention == "flash_attention_2" and not (is_flash_attn_2_available() or _installed("kernels")):
        found = f"{attention}, whose package (flash-attn) is not installed"
    else:
        return
    raise InputError(
        "an attention that is installed, such as sdpa or eager",
        found=found,
        where="train.model_init_kwargs, attn_implementation",
        fix="Use sdpa, or leave it out",
    )


def check_run(model: Any, config: Any, args: Any, processor: Any, peft_config: PeftConfig | None = None) -> None:
    """Everything of a trainer's arguments that can be known before it is built, and before it writes anything.

    Args:
        model: policy, or its path or hub id.
        config: its transformers config.
        args: TrainingArguments.
        processor: processor or tokenizer.
        peft_config: adapters to train.

    Raises:
        InputError: names the setting.
    """
    check_arguments(args)
    check_vllm(args, config)
    check_processor(processor)
    _check_moving_reference(model, args, peft_config)
    check_adapter(model, architecture(model, config), config, args, peft_config)


def _check_moving_reference(model: Any, args: Any, peft_config: PeftConfig | None) -> None:
    if not getattr(args, "sync_ref_model", False):
        return
    adapters = peft_config is not None or hasattr(model, "peft_config")
    if adapters or not args.beta:
        raise InputError(
            "a reference model to move with the policy",
            found="adapters, whose reference is the base" if adapters else "train.beta: 0, which needs no reference",
            where="train.sync_ref_model",
            fix="Leave it out",
        )


def architecture(model: Any, config: Any) -> Any:
    """The class of a policy, or of what its path names; None if transformers does not have it.

    Args:
        model: policy, with or without adapters, or its path or hub id.
        config: its transformers config.
    """
    if isinstance(model, str):
        return getattr(transformers, (config.architectures or [""])[0], None)
    return type(model.get_base_model() if hasattr(model, "get_base_model") else model)


def check_checkpoint(args: Any, checkpoint: str | Path | None) -> None:
    """A run that goes on from `checkpoint` has all the state that it had there.

    Raises:
        InputError: the checkpoint holds weights only, or a reference model that has moved is not in it.
    """
    if not checkpoint:
        return
    missing = {
        "save_only_model": "the optimizer's state",
        "sync_ref_model": "the reference model, which has moved since the start",
    }
    for name, state in missing.items():
        if getattr(args, name, False):
            raise InputError(
                "a run whose checkpoints hold all of its state",
                found=f"train.{name}: {Path(str(checkpoint)).name} lacks {state}, so that the run would diverge unseen",
                where="--resume",
                fix=f"Start a run from the checkpoint (model.path: {checkpoint}), or anew without train.{name}",
            )
