"""Drawing tokens with a generator per sample, so that a sample does not depend on what is drawn beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from transformers import LogitsProcessor, StoppingCriteriaList
from transformers.generation import GenerationMode


def uniforms(seeds: Sequence[int], length: int, device: torch.device | str) -> torch.Tensor:
    """Numbers in [0, 1): [B, length] in float64, one per token, each row's from its own seed."""
    generator = torch.Generator()
    rows = [torch.rand(length, generator=generator.manual_seed(seed), dtype=torch.float64) for seed in seeds]
    return torch.stack(rows).to(device) if rows else torch.zeros(0, length, dtype=torch.float64, device=device)


def drawn(scores: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Tokens [B] of the distributions that scores [B, V] stand for: the inverse of their sums, at numbers [B].

    In float64: the sum over a vocabulary of 150,000 tokens in float32 would move small probabilities.
    """
    sums = torch.softmax(scores.double(), dim=-1).cumsum(-1)
    # Below the last sum, whatever rounding makes of it; a token without probability is never the first above.
    points = numbers.clamp(max=1 - 1e-12) * sums[:, -1]
    return torch.searchsorted(sums, points[:, None], right=True)[:, 0]


def unpadded(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Left-padded ids [B, P] in which a row's padding repeats its last token: nothing that the row does not say itself.

    Older releases of transformers (5.17) apply a repetition penalty to the token that pads, which is often the one that
    ends a sample: a row's distribution would depend on whether it stands beside a longer one.
    """
    return torch.where(attention_mask.bool(), input_ids, input_ids[:, -1:])


class OwnNumbers(LogitsProcessor):
    """Leaves of each row's distribution the token that its own random number draws: `generate` can draw no other.

    Args:
        numbers: [B, C], one per token.
        start: length of what comes before the first token.
    """

    def __init__(self, numbers: torch.Tensor, start: int) -> None:
        self.numbers, self.start = numbers, start

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores [B, V] with 0 for one token and minus infinity for all others."""
        tokens = drawn(scores, self.numbers[:, input_ids.size(1) - self.start])
        return torch.full_like(scores, float("-inf")).scatter(1, tokens[:, None], 0.0)


class Announced(StoppingCriteriaList):
    """Stopping criteria that say which rows have just ended; `generate` keeps all rows to the end.

    Args:
        criteria: `generate`'s own.
        start: length of what comes before the first token.
        ended: takes a row's number and its new tokens.
    """

    def __init__(self, criteria: StoppingCriteriaList, start: int, ended: Callable[[int, list[int]], None]) -> None:
        super().__init__(criteria)
        self.start, self.ended = start, ended
        self._told: set[int] = set()

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """[B] whether each row has ended."""
        done = super().__call__(input_ids, scores, **kwargs)
        for row in done.nonzero()[:, 0].tolist():
            if row not in self._told:
                self._told.add(row)
                self.ended(row, input_ids[row, self.start :].tolist())
        return done  # type: ignore[no-any-return]


def _sample(
    model: Any,
    input_ids: torch.Tensor,
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: Any,
    *,
    seeds: Sequence[int],
    ended: Callable[[int, list[int]], None] | None,
    **kwargs: Any,
) -> torch.Tensor:
    """Transformers' own sampling, after all that `generate` puts before it; a `custom_generate`."""
    room = stopping_criteria.max_length - input_ids.size(1)
    logits_processor.append(OwnNumbers(uniforms(seeds, room, input_ids.device), input_ids.size(1)))
    if ended is not None:
        stopping_criteria = Announced(stopping_criteria, input_ids.size(1), ended)
    # It asks the global generator all the same, which others go on from.
    with torch.random.fork_rng([] if input_ids.device.type == "cpu" else [input_ids.device]):
        sampled: torch.Tensor = model._sample(
            input_ids,
            logits_processor=logits_processor,
            stopping_criteria=stopping_criteria,
            generation_config=generation_config,
            **kwargs,
        )
    return sampled


@contextmanager
def own_numbers(
    model: Any, seeds: Sequence[int], ended: Callable[[int, list[int]], None] | None = None
) -> Iterator[None]:
    """Let a model's `generate` draw each row with its own seed, where it draws at all.

    Args:
        model: unwrapped, with or without adapters.
        ended: told of each row that has ended, with its new tokens, where it is drawn.
    """
    generate = model.generate

    def seeded(*args: Any, **kwargs: Any) -> Any:
        config = kwargs["generation_config"]
        draws = config.get_generation_mode() == GenerationMode.SAMPLE
        if config.repetition_penalty not in (None, 1.0):
            kwargs["input_ids"] = unpadded(kwargs["input_ids"], kwargs["attention_mask"])
        own = {"custom_generate": partial(_sample, seeds=seeds, ended=ended)} if draws else {}
        return generate(*args, **kwargs, **own)

    model.generate = seeded
    try:
        yield
    finally:
        del model.generate
