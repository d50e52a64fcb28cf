"""The settings of rollouts by vLLM (`train.use_vllm`, `train.vllm_...`), refused by name where they make no sense."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

import torch

from contextrl.engines.vllm.settings import SAMPLING_OPTIONS, needed_length
from contextrl.errors import InputError, nearest_key

#: Fields of one mode that the other ignores.
_SERVER = ("vllm_server_base_url", "vllm_server_host", "vllm_server_port", "vllm_server_timeout", "vllm_group_port")
_COLOCATED = (
    "vllm_gpu_memory_utilization",
    "vllm_tensor_parallel_size",
    "vllm_enable_sleep_mode",
    "vllm_model_impl",
    "vllm_max_model_length",
)
#: Of `generation_kwargs`: settings of their own.
_OWN_SETTINGS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repetition_penalty",
    "max_tokens": "max_completion_length",
    "max_new_tokens": "max_completion_length",
    "max_length": "max_completion_length",
    "n": "num_generations",
    "num_return_sequences": "num_generations",
}
_MODES = ("sequence_mask", "sequence_truncate", "token_mask", "token_truncate")


@contextmanager
def without_vllm(args: Any) -> Iterator[None]:
    """For GRPOTrainer, which would build an engine that is set up otherwise, and send it weights a second time."""
    uses, args.use_vllm = args.use_vllm, False
    try:
        yield
    finally:
        args.use_vllm = uses


@contextmanager
def corrected(trainer: Any) -> Iterator[None]:
    """While GRPOTrainer scores samples of vLLM: it corrects for what vLLM samples from, and believes weights sent."""
    trainer.use_vllm, trainer._last_loaded_step = trainer.args.use_vllm, trainer.state.global_step
    try:
        yield
    finally:
        trainer.use_vllm = False


def check_vllm_arguments(args: Any) -> None:
    """What can be told from the settings alone.

    Args:
        args: GRPOConfig.

    Raises:
        InputError: names the setting.
    """
    given = {f.name: getattr(args, f.name) for f in fields(args) if f.name.startswith("vllm_")}
    changed = [f.name for f in fields(args) if f.name in given and given[f.name] != f.default]
    if not args.use_vllm:
        if changed:
            raise _refused(
                "no settings of vLLM without it", changed[0], given[changed[0]], "Set train.use_vllm to true"
            )
        return
    if args.vllm_structured_outputs_regex is not None:
        raise _refused(
            "responses that are sampled freely: log-probabilities under a grammar are not the policy's",
            "vllm_structured_outputs_regex",
            args.vllm_structured_outputs_regex,
            "Remove it",
        )
    if given.get("vllm_importance_sampling_cap") is not None:
        fix = "Use train.vllm_importance_sampling_clip_max"
        raise _refused("nothing: TRL has given it up", "vllm_importance_sampling_cap", "a value", fix)
    if args.vllm_mode not in ("colocate", "server"):
        found = f"{args.vllm_mode!r}{nearest_key(str(args.vllm_mode), ('colocate', 'server'))}"
        raise InputError("colocate or server", found=found, where="train.vllm_mode")
    unused = [name for name in changed if name in (_COLOCATED if args.vllm_mode == "server" else _SERVER)]
    if unused:
        what = "what `vllm serve` is told instead" if args.vllm_mode == "server" else "no server's settings"
        fix = "Remove it" if args.vllm_mode == "server" else "Remove it, or set train.vllm_mode to server"
        raise _refused(f"{what} with train.vllm_mode {args.vllm_mode}", unused[0], given[unused[0]], fix)
    _check_ranges(args)
    _check_address(args)
    _check_sampling(args)


def _refused(expected: str, name: str, value: Any, fix: str) -> InputError:
    return InputError(expected, found=repr(value), where=f"train.{name}", fix=fix)


def _check_ranges(args: Any) -> None:
    share, parallel = args.vllm_gpu_memory_utilization, args.vllm_tensor_parallel_size
    if not _is_number(share) or not 0 < share <= 1:
        raise InputError("a share of a GPU's memory", found=repr(share), where="train.vllm_gpu_memory_utilization")
    processes = max(1, args.world_size)
    if not isinstance(parallel, int) or parallel < 1 or processes % parallel:
        raise InputError(
            f"a number of processes that share one vLLM and divides all {processes}",
            found=repr(parallel),
            where="train.vllm_tensor_parallel_size",
            fix="Start as many processes, or set it to 1",
        )
    if args.vllm_model_impl not in ("vllm", "transformers", "auto"):
        raise InputError("vllm, transformers or auto", found=repr(args.vllm_model_impl), where="train.vllm_model_impl")
    for name in ("vllm_server_port", "vllm_group_port"):
        if not 0 < getattr(args, name) < 65536:
            raise InputError("a port", found=repr(getattr(args, name)), where=f"train.{name}")
    if not _is_number(args.vllm_server_timeout) or args.vllm_server_timeout < 0:
        found = repr(args.vllm_server_timeout)
        raise InputError("seconds, 0 or more", found=found, where="train.vllm_server_timeout")
    if args.vllm_importance_sampling_mode not in _MODES:
        found = repr(args.vllm_importance_sampling_mode)
        raise InputError(" or ".join(_MODES), found=found, where="train.vllm_importance_sampling_mode")
    low, high = args.vllm_importance_sampling_clip_min, args.vllm_importance_sampling_clip_max
    for value, name in ((low, "min"), (high, "max")):
        if value is not None and (not _is_number(value) or value < 0 or (name == "max" and value == 0)):
            where = f"train.vllm_importance_sampling_clip_{name}"
            raise InputError("a ratio of probabilities, above 0", found=repr(value), where=where)
    if low is not None and high is not None and low > high:
        where = "train.vllm_importance_sampling_clip_min"
        raise InputError(f"at most vllm_importance_sampling_clip_max = {high}", found=repr(low), where=where)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _check_address(args: Any) -> None:
    url = args.vllm_server_base_url
    if args.vllm_mode != "server" or url is None:
        return
    parts = urlsplit(str(url))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        found = f"{parts.scheme or 'no scheme'}://{parts.hostname or ''}" if parts.hostname else "no host"
        raise InputError(
            "an address like http://127.0.0.1:8000, without a name or password",
            found=found,
            where="train.vllm_server_base_url",
        )


def _check_sampling(args: Any) -> None:
    if args.cache_implementation is not None:
        fix = "Remove it: vLLM has a cache of its own"
        raise _refused("nothing with train.use_vllm", "cache_implementation", args.cache_implementation, fix)
    given = args.generation_kwargs or {}
    if not isinstance(given, Mapping):
        raise InputError("a mapping of sampling options", found=repr(given), where="train.generation_kwargs")
    for name in given:
        where = f"train.generation_kwargs, {name}"
        if name == "seed":
            raise InputError(
                "no seed: every sample has one of its own, made from the run's, the step, the row and its number; with "
                "one seed for all, a group's samples would be equal",
                found=repr(given[name]),
                where=where,
                fix="Remove it, and set the run's seed",
            )
        if name in _OWN_SETTINGS:
            raise InputError(
                "its own setting",
                found=f"it among others: {given[name]!r}",
                where=where,
                fix=f"Set train.{_OWN_SETTINGS[name]}",
            )
        if name not in SAMPLING_OPTIONS:
            raise InputError(
                f"an option that vLLM knows too ({', '.join(SAMPLING_OPTIONS)})",
                found=f"{name}{nearest_key(str(name), SAMPLING_OPTIONS)}".removesuffix(
                    f" (known: {', '.join(SAMPLING_OPTIONS)})"
                ),
                where=where,
                fix="Remove it, or set train.use_vllm to false",
            )


def check_vllm(args: Any, config: Any) -> None:
    """What needs the machine or the policy: that vLLM is there, and that contexts fit into it.

    Args:
        args: TrainingArguments; those without `use_vllm` pass.
        config: the policy's transformers config.

    Raises:
        InputError: names the setting.
    """
    if not getattr(args, "use_vllm", False):
        return
    if importlib.util.find_spec("vllm") is None:
        raise InputError(
            "vLLM",
            found="it is not installed",
            where="train.use_vllm",
            fix="Install it (pip install contextrl[vllm]), or set train.use_vllm to false",
        )
    needed, given = needed_length(args, config), args.vllm_max_model_length
    if given is not None and given < needed:
        stage2 = f", stage2.max_context_tokens {args.stage2.max_context_tokens}" if args.stage2.in_use else ""
        raise InputError(
            f"at least {needed} tokens, the longest context with its completion (data.max_prompt_tokens "
            f"{args.prompts.max_prompt_tokens}{stage2}, max_completion_length {args.max_completion_length})",
            found=str(given),
            where="train.vllm_max_model_length",
            fix="Leave it out, or lower those",
        )
    if args.vllm_enable_sleep_mode and (args.use_cpu or not torch.cuda.is_available()):
        fix = "Remove it"
        raise _refused("a GPU, whose memory sleep mode gives back", "vllm_enable_sleep_mode", True, fix)
    if getattr(config, "quantization_config", None) is not None:
        raise InputError(
            "a policy whose weights are not quantized: vLLM is sent them after every update",
            found=type(config.quantization_config).__name__,
            where="model.path",
            fix="Set train.use_vllm to false",
        )
