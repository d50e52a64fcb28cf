"""Answers of a policy to examples: greedy decoding with transformers, in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig

from contextrl.policy.generation import own_settings_only
from contextrl.policy.processor import check_processor, pad_token_id
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example


@dataclass(frozen=True)
class Response:
    """Decoded text without special tokens; `truncated` if the length limit ended it."""

    text: str
    truncated: bool


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
    tokenizer = prompting.tokenizer
    eos = model.generation_config.eos_token_id
    stop = {tokenizer.eos_token_id, *(eos if isinstance(eos, list) else [eos])} - {None}
    padding = pad_token_id(tokenizer)
    assert padding is not None
    greedy = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=sorted(stop),
        pad_token_id=padding,
    )
    training = model.training
    model.eval()
    # Similar lengths side by side: a batch is as wide as its longest prompt.
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].question))
    responses: dict[int, Response] = {}
    try:
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            prompts = prompting.prompts([examples[i] for i in chosen])
            inputs = prompts.padded(padding).to(model.device)
            with own_settings_only(model):
                output = model.generate(**inputs.tensors, generation_config=greedy)
            completions = output[:, inputs.tensors["input_ids"].shape[1] :].tolist()
            for i, ids in zip(chosen, completions, strict=True):
                end = next((n for n, token in enumerate(ids) if token in stop), None)
                text = tokenizer.decode(ids[:end], skip_special_tokens=True)
                responses[i] = Response(text, truncated=end is None)
            if on_batch:
                on_batch(len(chosen))
    finally:
        model.train(training)
    return [responses[i] for i in range(len(examples))]
