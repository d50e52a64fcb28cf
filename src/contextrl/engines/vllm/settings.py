"""How vLLM is set up and asked: from a trainer's settings, its model and its processor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from contextrl.engines.host import PolicyHost
from contextrl.policy.loading import has_vision, positions

#: What `train.generation_kwargs` may hold: what vLLM's SamplingParams has under the same name and meaning, and the
#: tokens that are never sampled, which transformers calls so.
SAMPLING_OPTIONS = (
    "allowed_token_ids",
    "bad_words",
    "frequency_penalty",
    "logit_bias",
    "min_tokens",
    "presence_penalty",
    "suppress_tokens",
)
#: Added to the logits of tokens that must not be sampled. Finite, because a server is asked in JSON.
NEVER = -1e4


@dataclass(frozen=True)
class VLLMSettings:
    """What an engine of its own needs to know of the policy.

    Attributes:
        path: folder or hub id of the policy's base: vLLM reads architecture, tokenizer and processor there.
        dtype: torch's name of what it computes in.
        max_model_length: most tokens of a prompt and what is sampled after it.
        images: most images of a prompt; None for a policy that reads none.
        image_token: what stands for an image's features in token ids; None for a policy that reads none.
        processor_options: how the trainer's processor scales images, where it differs from the folder's files.
    """

    path: str
    dtype: str
    max_model_length: int
    images: int | None
    image_token: int | None
    processor_options: Mapping[str, Any]

    @staticmethod
    def of(host: PolicyHost) -> VLLMSettings:
        """From a trainer whose model is loaded."""
        model = host.accelerator.unwrap_model(host.model)
        vision = has_vision(model.config)
        return VLLMSettings(
            path=str(model.name_or_path),
            dtype=engine_dtype(model, host.args),
            max_model_length=host.args.vllm_max_model_length or needed_length(host.args, model.config),
            images=max((len(example.images) for example in host.examples), default=0) if vision else None,
            image_token=image_token(model.config),
            processor_options=processor_options(host.processing_class) if vision else {},
        )


def image_token(config: Any) -> int | None:
    """The id of what stands for an image's features in a policy's token ids; None for a policy that reads none."""
    token = getattr(config, "image_token_id", None)
    return int(token) if has_vision(config) and token is not None else None


def needed_length(args: Any, config: Any) -> int:
    """Tokens that a context may reach: the longest prompt or conversation of stage 2, and a completion.

    Args:
        args: ContextRLConfig.
        config: the policy's transformers config, whose positions bound it; None if it is not known.
    """
    longest: int = max(args.prompts.max_prompt_tokens, args.stage2.max_context_tokens if args.stage2.in_use else 0)
    wanted = longest + int(args.max_completion_length)
    return wanted if config is None else min(wanted, positions(config))


def engine_dtype(model: Any, args: Any) -> str:
    """What the trainer computes in: that of autocast, or that of the weights."""
    if args.bf16:
        return "bfloat16"
    if args.fp16:
        return "float16"
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    return str(dtype).removeprefix("torch.")


def processor_options(processor: Any) -> dict[str, Any]:
    """Limits of pixels as the trainer's processor has them: the files that vLLM reads may say otherwise."""
    size = getattr(getattr(processor, "image_processor", None), "size", None) or {}
    size = dict(size) if isinstance(size, Mapping) else {name: getattr(size, name, None) for name in _EDGES}
    edges = {name: size.get(name) for name in _EDGES}
    # As numbers of pixels, which is what Qwen's processors mean by these names.
    if None in edges.values() or not hasattr(processor.image_processor, "merge_size"):
        return {}
    return {"size": edges}


_EDGES = ("shortest_edge", "longest_edge")


def sampling_options(host: PolicyHost) -> dict[str, Any]:
    """SamplingParams of every request of a run, by their names; `n` and `seed` are the request's own.

    End tokens are the trainer's and no others, so that what counts as truncated is the same as without vLLM.
    """
    given = dict(host.args.generation_kwargs or {})
    unwanted = {*(given.pop("suppress_tokens", None) or ()), *(host.generation_kwargs.get("suppress_tokens") or ())}
    bias = {int(token): float(value) for token, value in (given.pop("logit_bias", None) or {}).items()}
    return {
        **given,
        "temperature": host.temperature,
        "top_p": host.top_p,
        "top_k": max(host.top_k or 0, 0),
        "min_p": host.min_p or 0.0,
        "repetition_penalty": host.repetition_penalty,
        "max_tokens": host.max_completion_length,
        "logprobs": 0,
        "ignore_eos": True,
        "stop_token_ids": [int(token) for token in host.eos_token_ids],
        "detokenize": bool(given.get("bad_words")),
        "skip_special_tokens": False,
        "logit_bias": bias | {int(token): NEVER for token in sorted(unwanted)},
    }


def plain_options(options: Mapping[str, Any], max_tokens: int) -> dict[str, Any]:
    """The same without what cuts or bends the distribution, so that its log-probabilities are the trainer's too."""
    bent = ("allowed_token_ids", "bad_words", "frequency_penalty", "presence_penalty", "min_tokens")
    kept = {name: value for name, value in options.items() if name not in bent}
    bias = {token: value for token, value in options["logit_bias"].items() if value == NEVER}
    plain = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "logit_bias": bias}
    return kept | plain | {"max_tokens": max_tokens}
