"""Loading a policy and its processor: a folder (full weights or a LoRA adapter) or a hub id."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoProcessor, AutoTokenizer

from contextrl.errors import InputError
from contextrl.policy.processor import image_only

_TRUST = "Set model.trust_remote_code to true if you trust its code"
_MODEL_CONFIGS = Path(__file__).parent / "model_configs"
#: Of weights, as text: those that torch has, and the one that the weights have.
_DTYPES = ("bfloat16", "float16", "float32", "auto")
#: Parts of module names that only a vision tower has.
VISION_PARTS = frozenset({"visual", "vision_tower", "vision_model"})


def policy_config(path: str, *, trust_remote_code: bool = False) -> Any:
    """The transformers config of a policy.

    Args:
        trust_remote_code: run Python files that the model brings along; without it such a model is refused.

    Raises:
        InputError: there is no model at `path`, or one with code of its own.
    """
    try:
        return AutoConfig.from_pretrained(base_of(path) or path, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        raise InputError(
            "a folder with a transformers model, or a hub id",
            found=f"{path} ({_first_line(error)})",
            where="model.path",
            fix=_TRUST if _wants_code(error) else "",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _wants_code(error: Exception) -> bool:
    """Whether transformers refuses files because they bring code."""
    return "trust_remote_code" in str(error)


def load_policy(path: str, *, trainable: bool = False, **init_kwargs: Any) -> Any:
    """The policy with its own architecture, float32 unless `dtype` says otherwise; an adapter on its base.

    Code that a model brings along is not run unless `trust_remote_code=True` says so.

    Args:
        path: see `policy_config`.
        trainable: whether an adapter's weights are to be trained.
    """
    init_kwargs.setdefault("device_map", None)
    if base := base_of(path):
        from peft import PeftModel

        return PeftModel.from_pretrained(create_model_from_path(base, **init_kwargs), path, is_trainable=trainable)
    return create_model_from_path(path, **init_kwargs)


def create_model_from_path(path: str, **init_kwargs: Any) -> Any:
    """The model that TRL's function of this name makes, without its import where transformers knows the architecture.

    TRL takes seconds to import, which a command that trains nothing can do without.
    """
    config = AutoConfig.from_pretrained(path, trust_remote_code=init_kwargs.get("trust_remote_code", False))
    architecture = getattr(transformers, (config.architectures or [""])[0], None)
    dtype = init_kwargs.get("dtype", "float32")
    plain = dtype in _DTYPES if isinstance(dtype, str) else dtype is None or isinstance(dtype, torch.dtype)
    if architecture is None or not plain or init_kwargs.get("use_kernels"):
        from trl.trainer.utils import create_model_from_path as create

        return create(path, **init_kwargs)
    dtype = getattr(torch, dtype) if dtype in _DTYPES[:-1] else dtype
    return architecture.from_pretrained(path, **init_kwargs | {"dtype": dtype})


def shipped_config(path: str) -> Path | None:
    """Folder with the configuration files of a hub id that the shipped recipes name, without weights or vocabulary."""
    return _MODEL_CONFIGS / path if path in shipped_ids() else None


def shipped_ids() -> list[str]:
    """Hub ids whose configuration files are shipped."""
    return sorted(str(file.parent.relative_to(_MODEL_CONFIGS)) for file in _MODEL_CONFIGS.glob("*/*/config.json"))


def config_folder(path: str) -> Path | None:
    """The folder with a model's configuration that can be read without a network: itself, or the shipped one."""
    return Path(path) if Path(path).is_dir() else shipped_config(path)


def base_of(path: str) -> str | None:
    """The model under a LoRA adapter, None where `path` holds no adapter."""
    adapter = Path(path) / "adapter_config.json"
    if not adapter.is_file():
        return None
    return str(json.loads(adapter.read_text(encoding="utf-8"))["base_model_name_or_path"])


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model or an adapter."""
    return any((folder / name).is_file() for name in ("config.json", "adapter_config.json"))


def positions(config: Any) -> int:
    """Tokens that a model's language model has positions for; a very large number where nothing bounds them."""
    limit = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(limit) if limit else sys.maxsize


def has_vision(config: Any) -> bool:
    """Whether a model's configuration has a vision tower."""
    return any(getattr(config, name, None) is not None for name in ("vision_config", "vit_config", "visual"))


def load_processor(
    path: str,
    config: Any,
    max_pixels: int | None = None,
    min_pixels: int | None = None,
    *,
    trust_remote_code: bool = False,
) -> Any:
    """The processor of a vision-language model, the tokenizer of a text-only one.

    Args:
        trust_remote_code: see `policy_config`.
        max_pixels, min_pixels: see `limit_pixels`; by default what the processor's own files say.

    Raises:
        InputError: limits for a processor that has none; a processor with code of its own, or one that needs a package
            that is not installed.
    """
    try:
        processor = _own_processor(path, config, trust_remote_code)
    except (ImportError, OSError, ValueError) as error:
        lacks_torchvision = "torchvision" in str(error).lower() and importlib.util.find_spec("torchvision") is None
        if lacks_torchvision or isinstance(error, ImportError):
            raise InputError(
                "the packages that the model's processor needs",
                found="torchvision is not installed" if lacks_torchvision else _first_line(error),
                where="model.path",
                fix="Install torchvision in the version that belongs to your torch (pip install 'contextrl[gpu]')"
                if lacks_torchvision
                else "Install them",
            ) from error
        wants_code = _wants_code(error)
        raise InputError(
            "a processor without code of its own" if wants_code else "the files of a processor beside the model",
            found=_first_line(error),
            where="model.path",
            fix=_TRUST if wants_code else "Copy those of the model that it was trained from",
        ) from error
    # Older checkpoints have the chat template beside the tokenizer only.
    if getattr(processor, "chat_template", None) is None and getattr(processor, "tokenizer", None) is not None:
        processor.chat_template = processor.tokenizer.chat_template
    if max_pixels is not None or min_pixels is not None:
        limit_pixels(getattr(processor, "image_processor", None), max_pixels, min_pixels)
    return processor


def limit_pixels(image_processor: Any, max_pixels: int | None, min_pixels: int | None = None) -> None:
    """Scale larger pictures down to `max_pixels` and smaller ones up to `min_pixels`, in place.

    Raises:
        InputError: it has no such limits, or they leave no picture.
    """
    size = getattr(image_processor, "size", None) or {}
    shortest, longest = (size.get(name) if size else None for name in ("shortest_edge", "longest_edge"))
    # Where the edges are numbers of pixels, as Qwen's are, a patch has a size of its own.
    if shortest is None or longest is None or not hasattr(image_processor, "merge_size"):
        raise InputError(
            "a processor whose pictures have a limit of pixels, as Qwen-VL's",
            found="none" if image_processor is None else type(image_processor).__name__,
            where="model.max_pixels" if max_pixels is not None else "model.min_pixels",
            fix="Leave it out",
        )
    shortest, longest = min_pixels or shortest, max_pixels or longest
    patch = (image_processor.patch_size * image_processor.merge_size) ** 2
    if longest < max(shortest, patch):
        raise InputError(
            f"at least {max(shortest, patch)} pixels, the processor's smallest picture",
            found=str(longest),
            where="model.max_pixels",
            fix="Lower model.min_pixels" if min_pixels is not None else "",
        )
    image_processor.size = {"shortest_edge": shortest, "longest_edge": longest}


def _own_processor(path: str, config: Any, trust_remote_code: bool) -> Any:
    """As the policy's files describe it.

    transformers' processors ask for torchvision where they know videos too: without it, and for a folder that says
    nothing of videos, an image-only processor stands in.
    """
    if not has_vision(config):
        return AutoTokenizer.from_pretrained(path, padding_side="left", trust_remote_code=trust_remote_code)
    no_video = Path(path).is_dir() and not _knows_videos(Path(path))
    if no_video or importlib.util.find_spec("torchvision") is None:
        stand_in = image_only(config)
        if stand_in is not None:
            return stand_in.load(path)
    return AutoProcessor.from_pretrained(path, padding_side="left", trust_remote_code=trust_remote_code)


def _knows_videos(folder: Path) -> bool:
    if (folder / "video_preprocessor_config.json").exists():
        return True
    nested = folder / "processor_config.json"
    return nested.is_file() and "video_processor" in json.loads(nested.read_text(encoding="utf-8"))


def freeze_vision(model: Any) -> None:
    """Stop training the vision tower, adapters in it included.

    Raises:
        InputError: the model has none that we can find.
    """
    frozen = 0
    for name, parameter in model.named_parameters():
        if VISION_PARTS & set(name.split(".")):
            parameter.requires_grad_(False)
            frozen += 1
    if not frozen:
        raise InputError("a model with a vision tower", found=type(model).__name__, where="model.freeze_vision")
