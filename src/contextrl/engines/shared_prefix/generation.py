"""Sampling with every prompt encoded once: transformers' `generate` with a decoding loop of ours.

`generate` prepares temperature, top-k, top-p, min-p, penalties and stopping criteria as always, and hands them to
`decode`, so that the distribution is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from accelerate import PartialState
from torch.nn.functional import pad
from transformers import GenerationConfig
from transformers.cache_utils import DynamicCache
from transformers.generation import logits_process

from contextrl.engines.processes import Processes
from contextrl.engines.shared_prefix.attention import untouched_mask
from contextrl.engines.shared_prefix.decoding import CausalPrefix, OwnStates, PrefixStates, SharedDecoding
from contextrl.engines.shared_prefix.prompts import EncodedPrompts
from contextrl.policy.drawing import drawn, uniforms, unpadded
from contextrl.policy.prompts import left_pad


@dataclass(frozen=True)
class Samples:
    """What to sample: B continuations of N prompts.

    Attributes:
        encoded: the prompts.
        prompt_of: [B] which prompt each sample continues.
        suffixes: [B] tokens that stand between the prompt and the sample; empty lists for the prompt alone.
        states: the prompts' prefixes where an earlier call has left them.
        seeds: [B] of each sample's own random numbers; may be left out where nothing is drawn.
    """

    encoded: EncodedPrompts
    prompt_of: Sequence[int]
    suffixes: Sequence[Sequence[int]]
    states: PrefixStates | None = None
    seeds: Sequence[int] = ()


class Decoder(Protocol):
    """A model that is asked for the next token of many samples."""

    def start(self) -> torch.Tensor:
        """Logits [B, V] of the first tokens."""
        ...

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits [B, V] after each sample's next token [B]."""
        ...

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with samples `rows` only."""
        ...


@torch.no_grad()
def generate(
    model: Any,
    samples: Samples,
    decoder: Decoder,
    config: GenerationConfig,
    pad_token_id: int,
    *,
    synced: bool = False,
    ended: Callable[[int, list[int]], None] | None = None,
) -> list[list[int]]:
    """Tokens of B samples, each up to and including its stop token.

    Args:
        model: unwrapped.
        decoder: computes the logits.
        config: as for `generate`; one sequence per row, no beams.
        synced: parameters are sharded over processes, so that all must step until the last has ended.
        ended: told of each sample that has ended, with its tokens, while others go on.
    """
    ids = [
        [*samples.encoded.prompts.ids[n], *extra] for n, extra in zip(samples.prompt_of, samples.suffixes, strict=True)
    ]
    contexts = left_pad(ids, pad_token_id).to(samples.encoded.device)
    lengths = torch.tensor([len(row) for row in ids], device=contexts.device)
    columns = torch.arange(contexts.size(1), device=contexts.device)
    mask = (columns >= contexts.size(1) - lengths[:, None]).long()
    state = _Decoding(decoder, synced, samples.seeds, ended)
    model.generate(
        input_ids=unpadded(contexts, mask),
        attention_mask=mask,
        generation_config=config,
        custom_generate=decode,
        decoding=state,
    )
    return state.tokens()


@dataclass
class _Decoding:
    """A decoding under way, and what came of it."""

    decoder: Decoder
    synced: bool
    seeds: Sequence[int]
    ended: Callable[[int, list[int]], None] | None = None
    sampled: torch.Tensor | None = None
    counts: torch.Tensor | None = None

    def tokens(self) -> list[list[int]]:
        assert self.sampled is not None
        assert self.counts is not None
        return [row[:count] for row, count in zip(self.sampled.tolist(), self.counts.tolist(), strict=True)]


def decode(
    model: Any,  # noqa: ARG001
    input_ids: torch.Tensor,
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: GenerationConfig,
    decoding: _Decoding,
    **_: Any,
) -> torch.Tensor:
    """The loop: samples that have ended leave the batch. A `custom_generate` of transformers."""
    batch, start = input_ids.shape
    room = stopping_criteria.max_length - start
    sequences = torch.cat([input_ids, input_ids.new_zeros(batch, room)], dim=1)
    counts = torch.full((batch,), room, device=input_ids.device)
    alive = torch.arange(batch, device=input_ids.device)
    score = _Scorer(logits_processor, batch)
    numbers = uniforms(decoding.seeds, room, input_ids.device)
    logits = decoding.decoder.start()
    for end in range(start + 1, start + room + 1):
        scores = score(sequences[:, : end - 1], alive, logits.float())
        if generation_config.do_sample:
            tokens = drawn(scores, numbers[alive, end - start - 1])
        else:
            tokens = scores.argmax(-1)
        sequences[alive, end - 1] = tokens
        ended = stopping_criteria(sequences[alive, :end], scores)
        if decoding.ended is not None:
            # Its count says whether a sample has ended before, and goes on for other processes' sake.
            for row in alive[ended & (counts[alive] == room)].tolist():
                decoding.ended(row, sequences[row, start:end].tolist())
        # Clamped, not set: a sample that goes on for other processes' sake has ended before.
        counts[alive[ended]] = counts[alive[ended]].clamp(max=end - start)
        if not _any_alive(not bool(ended.all()), decoding.synced):
            break
        if bool(ended.any()):
            rows = (~ended).nonzero()[:, 0]
            # With nothing left here, other processes still need the forwards of one sample.
            rows = rows if rows.numel() else ended.nonzero()[:1, 0]
            alive, tokens = alive[rows], tokens[rows]
            decoding.decoder.keep(rows)
        logits = decoding.decoder.step(tokens)
    decoding.sampled, decoding.counts = sequences[:, start:], counts
    return sequences


class _Scorer:
    """Applies `generate`'s processors to the samples that are left."""

    #: Processors that treat every row by itself; others may hold something for each row of the whole batch.
    ROW_BY_ROW = (
        logits_process.TemperatureLogitsWarper,
        logits_process.TopKLogitsWarper,
        logits_process.TopPLogitsWarper,
        logits_process.MinPLogitsWarper,
        logits_process.SuppressTokensLogitsProcessor,
        logits_process.MinNewTokensLengthLogitsProcessor,
    )

    def __init__(self, processors: Any, batch: int) -> None:
        self.processors, self.batch = processors, batch
        self.row_by_row = all(isinstance(processor, self.ROW_BY_ROW) for processor in processors)

    def __call__(self, sequences: torch.Tensor, alive: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Scores [b, V] of samples `alive` [b] among `sequences` [B, T]."""
        if alive.numel() == self.batch:
            return self.processors(sequences, logits)  # type: ignore[no-any-return]
        if self.row_by_row:
            return self.processors(sequences[alive], logits)  # type: ignore[no-any-return]
        every = logits.new_zeros(self.batch, logits.size(1))
        every[alive] = logits
        return self.processors(sequences, every)[alive]  # type: ignore[no-any-return]


def _any_alive(here: bool, synced: bool) -> bool:
    return Processes(PartialState()).any(here) if synced else here


class SharedDecoder:
    """Decodes over shared prefixes (`decoding`).

    Args:
        model: unwrapped, with attention installed.
        new_tokens: the longest sample.
    """

    def __init__(self, model: Any, samples: Samples, new_tokens: int) -> None:
        self.model, self.samples = model, samples
        self.prompt_of = list(samples.prompt_of)
        longest = max(map(len, samples.suffixes)) + 1
        self._own = OwnStates(longest + new_tokens)
        self.states = samples.states
        self._prefix: PrefixStates | None = None
        self._padding: torch.Tensor | None = None
        self._next = torch.empty(0)
        self._shared: SharedDecoding | None = None

    def start(self) -> torch.Tensor:
        if self.states is None:
            self.states = encode_prefixes(self.model, self.samples.encoded)
        self._prefix = self.states
        encoded, device = self.samples.encoded, self.samples.encoded.device
        # A sample's own tokens begin with its prompt's last one and stand at the right, so that all go on together.
        own = [
            [encoded.prompts.ids[n][-1], *extra] for n, extra in zip(self.prompt_of, self.samples.suffixes, strict=True)
        ]
        ids = left_pad(own, 0).to(device)
        lengths = torch.tensor([len(tokens) for tokens in own], device=device)[:, None]
        steps = torch.arange(ids.size(1), device=device) - (ids.size(1) - lengths)
        first = torch.stack([encoded.positions[n][..., -1] for n in self.prompt_of]).to(device)  # [B] or [B, 3]
        positions = (first[..., None] + (steps if first.ndim == 1 else steps[:, None])).clamp(min=0)
        self._padding = steps < 0 if bool((steps < 0).any()) else None
        self._next = positions[..., -1:] + 1
        return self._forward(ids, positions)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        logits = self._forward(tokens[:, None], self._next)
        self._next = self._next + 1
        return logits

    def keep(self, rows: torch.Tensor) -> None:
        assert self._prefix is not None
        self.prompt_of = [self.prompt_of[sample] for sample in rows.tolist()]
        self._own.keep(rows)
        self._next = self._next[rows]
        self._padding = self._padding[rows] if self._padding is not None else None
        self._shared = None
        needed = sorted(set(self.prompt_of))
        # Prefixes that nobody needs are dropped when they are many: dropping copies the others.
        if len(needed) <= 0.75 * self._prefix.lengths.numel():
            self._prefix = self._prefix.select(torch.tensor(needed, device=rows.device))
            place = {n: new for new, n in enumerate(needed)}
            self.prompt_of = [place[n] for n in self.prompt_of]

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Logits [B, V] after tokens [B, Q] at positions [B, Q] or [B, 3, Q]."""
        assert self._prefix is not None
        if self._shared is None:
            self._shared = SharedDecoding.build(self._prefix, self.prompt_of)
        outputs = self.model(
            input_ids=ids,
            attention_mask=untouched_mask(ids.device),
            position_ids=positions if positions.ndim == 2 else positions.transpose(0, 1),
            past_key_values=self._own,
            use_cache=True,
            logits_to_keep=1,
            shared_prefix=replace(self._shared, own_hidden=self._own_hidden(ids.size(1))),
        )
        self._own.length += ids.size(1)
        return outputs.logits[:, -1]  # type: ignore[no-any-return]

    def _own_hidden(self, tokens: int) -> torch.Tensor | None:
        """[B or 1, 1, Q, T]: which of a sample's own tokens the new ones do not see; None: they see all."""
        total, device = self._own.length + tokens, self.samples.encoded.device
        later = torch.ones(tokens, total, dtype=torch.bool, device=device).triu(self._own.length + 1)
        if self._padding is None:
            return later[None, None] if tokens > 1 else None
        padding = pad(self._padding, (0, total - self._padding.size(1)))
        return padding[:, None, None] | later


def encode_prefixes(model: Any, encoded: EncodedPrompts) -> PrefixStates:
    """Forward all prompts but their last tokens; each image is seen once."""
    prefixes = [torch.tensor(ids[:-1]) for ids in encoded.prompts.ids]
    width = max(map(len, prefixes))
    ids = torch.stack([pad(prefix, (0, width - len(prefix))) for prefix in prefixes]).to(encoded.device)
    positions = torch.stack([pad(p[..., :-1], (0, width + 1 - p.size(-1))) for p in encoded.positions])
    cache = DynamicCache()
    model(
        input_ids=ids,
        attention_mask=untouched_mask(encoded.device),
        position_ids=positions.to(encoded.device).movedim(0, -2),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
        shared_prefix=CausalPrefix(),
        **encoded.image_inputs(),
    )
    return PrefixStates.of(cache, torch.tensor([len(prefix) for prefix in prefixes], device=encoded.device))
