"""Answers of a policy to examples with transformers, in batches: greedy, or sampled with a generator per row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from contextrl.policy.drawing import own_numbers
from contextrl.policy.generation import own_settings_only
from contextrl.policy.processor import check_processor, pad_token_id
from contextrl.policy.prompting import Prompting
from contextrl.policy.prompts import Prompts
from contextrl.records.example import Example


@dataclass(frozen=True)
class Response:
    """Decoded text without special tokens; `truncated` if the length limit ended it; `tokens` with its end token."""

    text: str
    truncated: bool
    tokens: int = 0


@dataclass(frozen=True)
class Draws:
    """How each row of a batch is sampled.

    Attributes:
        temperature: above 0.
        seeds: a row's own: what it says does not depend on what is sampled beside it.
        top_p: nucleus; None is all.
        top_k: None, 0 and -1 are all.
    """

    temperature: float
    seeds: Sequence[int]
    top_p: float | None = None
    top_k: int | None = None


class PresencePenalty(LogitsProcessor):
    """Lowers the scores of tokens that a completion has already, once, as OpenAI's API and vLLM do.

    Args:
        penalty: what is taken off, before temperature.
        start: length of what comes before the first token of the completions.
    """

    def __init__(self, penalty: float, start: int) -> None:
        self.penalty, self.start = penalty, start

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores [B, V]."""
        present = torch.zeros_like(scores).scatter(1, input_ids[:, self.start :], 1.0)
        return scores - self.penalty * present


@torch.no_grad()
def generate_greedy(
    model: Any,
    prompting: Prompting,
    examples: Sequence[Example],
    *,
    max_new_tokens: int,
    batch_size: int = 128,
    on_batch: Callable[[int], None] | None = None,
) -> list[Response]:
    """Greedy answers to `examples`, in order. Draws no random numbers, so a run that evaluates trains the same.

    Args:
        model: an unwrapped transformers model; its training mode is restored.
        prompting: the same as in training.
        on_batch: told how many examples each finished batch held.

    Raises:
        InputError: the processor cannot render or pad prompts.
    """
    check_processor(prompting.processor)
    # Similar lengths side by side: a batch is as wide as its longest prompt.
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].question))
    responses: dict[int, Response] = {}
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        prompts = prompting.prompts([examples[i] for i in chosen])
        batch = generate_batch(model, prompting.tokenizer, prompts, max_new_tokens=max_new_tokens)
        responses |= zip(chosen, batch, strict=True)
        if on_batch:
            on_batch(len(chosen))
    return [responses[i] for i in range(len(examples))]


@torch.no_grad()
def generate_batch(
    model: Any,
    tokenizer: Any,
    prompts: Prompts,
    *,
    max_new_tokens: int,
    draws: Draws | None = None,
    presence_penalty: float = 0.0,
) -> list[Response]:
    """One completion of each prompt, in order; greedy without `draws`.

    Args:
        model: as for `generate_greedy`.
    """
    stop = end_tokens(model, tokenizer)
    padding = pad_token_id(tokenizer)
    assert padding is not None
    settings: dict[str, Any] = {"do_sample": False}
    if draws is not None:
        settings = {
            "do_sample": True,
            "temperature": draws.temperature,
            "top_p": 1.0 if draws.top_p is None else draws.top_p,
            "top_k": max(draws.top_k or 0, 0),
        }
    config = GenerationConfig(
        max_new_tokens=max_new_tokens, eos_token_id=sorted(stop), pad_token_id=padding, **settings
    )
    inputs = prompts.padded(padding).to(model.device)
    width = inputs.tensors["input_ids"].shape[1]
    processors = LogitsProcessorList([PresencePenalty(presence_penalty, width)] if presence_penalty else [])
    training = model.training
    model.eval()
    try:
        with own_settings_only(model), own_numbers(model, draws.seeds) if draws else nullcontext():
            output = model.generate(**inputs.tensors, generation_config=config, logits_processor=processors)
    finally:
        model.train(training)
    return [response_of(ids, stop, tokenizer) for ids in output[:, width:].tolist()]


def end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Tokens that end a completion."""
    eos = model.generation_config.eos_token_id
    return {tokenizer.eos_token_id, *(eos if isinstance(eos, list) else [eos])} - {None}


def response_of(ids: Sequence[int], stop: set[int], tokenizer: Any) -> Response:
    """The text of token ids up to the first of `stop`; truncated where there is none."""
    end = next((n for n, token in enumerate(ids) if token in stop), None)
    text = tokenizer.decode(ids[:end], skip_special_tokens=True)
    return Response(text, truncated=end is None, tokens=len(ids) if end is None else end + 1)
