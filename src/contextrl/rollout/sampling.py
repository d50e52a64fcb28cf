"""Engines sample token ids; what the method works with are completions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from contextrl.policy.prompts import Prompts
from contextrl.rollout.groups import Completion

#: Told of a sample as soon as it has ended: its place among what is drawn, and its ids. Called while others are drawn.
Ended = Callable[[int, list[int]], None]


@dataclass(frozen=True)
class Draws:
    """B samples that are to be drawn.

    Attributes:
        prompt_of: [B] which of the prompts that were read each sample continues.
        suffixes: [B] tokens that stand between prompt and sample; empty for the prompt alone.
        seeds: [B] of each sample's own random numbers. Those of samples of one prompt follow one another, so that an
            engine that draws several samples per request can be told the first.
        ended: who wants to be told of samples; an engine that only knows at the end need not tell, and tells of none
            twice. What it is told of a sample are the tokens that `sample` returns for it.
    """

    prompt_of: Sequence[int]
    suffixes: Sequence[Sequence[int]]
    seeds: Sequence[int]
    ended: Ended | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.prompt_of)


@dataclass(frozen=True)
class Sampled:
    """What an engine has drawn.

    Attributes:
        ids: token ids [B], each up to and including its end token.
        logps: [B] log-probabilities of these tokens under the distribution that they were drawn from; None where the
            engine does not tell, because it computes as the trainer does.
    """

    ids: list[list[int]]
    logps: list[list[float]] | None = None


class Reading(Protocol):
    """N prompts that an engine has read. What it keeps of them serves every sample after them, and goes with it."""

    @property
    def prompts(self) -> Prompts:
        """What it has read, with positions where the engine computes them."""
        ...

    def sample(self, draws: Draws) -> Sampled:
        """Draw what is asked for, in its order."""
        ...


class Engine(Protocol):
    """A way of sampling. Generation is collective: with several processes, all sample or none."""

    def read(self, prompts: Prompts) -> Reading:
        """Take up the prompts of one rollout; there may be none here while other processes have some."""
        ...


class Completions:
    """From sampled token ids to completions, for one tokenizer.

    Args:
        tokenizer: the policy's.
        end_ids: tokens that end a completion; one that ends otherwise is truncated.
        placeholders: image tokens, which no completion may hold: scoring would look for an image that is not there.
    """

    def __init__(self, tokenizer: Any, end_ids: Collection[int], placeholders: Collection[int]) -> None:
        self.tokenizer, self.end_ids, self.placeholders = tokenizer, end_ids, placeholders

    def of(self, sampled: Sampled) -> list[Completion]:
        """One completion per list of ids."""
        kept = [self._cut_at_placeholder(ids) for ids in sampled.ids]
        texts = self.tokenizer.batch_decode(kept, skip_special_tokens=True)
        every = [None] * len(kept) if sampled.logps is None else sampled.logps
        return [
            Completion(
                tuple(ids),
                text,
                truncated=ids != whole or ids[-1] not in self.end_ids,
                # An end token that stands where nothing was left was not drawn.
                logps=None if logps is None or ids != whole[: len(ids)] else tuple(logps[: len(ids)]),
            )
            for ids, whole, text, logps in zip(kept, sampled.ids, texts, every, strict=True)
        ]

    def _cut_at_placeholder(self, ids: list[int]) -> list[int]:
        """End a completion before a sampled image token.

        Sampling suppresses these tokens; an engine that does not must not break the run. What is left is truncated,
        so never a positive. GRPOTrainer reads every completion's last token, so an empty one becomes an end token.
        """
        end = next((n for n, token in enumerate(ids) if token in self.placeholders), len(ids))
        return ids[:end] or [self.tokenizer.eos_token_id]
