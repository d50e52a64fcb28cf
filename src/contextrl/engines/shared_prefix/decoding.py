"""Keys and values while sampling: a prompt's once for all its samples, and each sample's own.

Attention over the two parts is computed apart and joined (Hydragen, arXiv 2402.05099), so that neither memory nor the
time of a step grows with a copy of the prompt per sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers.cache_utils import Cache, DynamicCache

from contextrl.engines.shared_prefix.attention import join_parts, part, sdpa


class CausalPrefix:
    """Attention within prompts that begin at column 0: causal, whatever follows the shorter ones."""

    def attend(
        self,
        layer: int,  # noqa: ARG002
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float | None,
    ) -> torch.Tensor:
        return sdpa(query, key, value, scale, is_causal=True).transpose(1, 2)


@dataclass(frozen=True)
class PrefixStates:
    """Keys and values of N prompts' prefixes.

    Attributes:
        keys, values: per layer [N, Hkv, P, D].
        lengths: [N] tokens of each.
    """

    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    lengths: torch.Tensor

    @staticmethod
    def of(cache: DynamicCache, lengths: torch.Tensor) -> PrefixStates:
        """What a forward with `CausalPrefix` has left in its cache."""
        layers = list(cache.layers)
        return PrefixStates([layer.keys for layer in layers], [layer.values for layer in layers], lengths)

    def select(self, rows: torch.Tensor) -> PrefixStates:
        """The states of prompts `rows`, copied."""
        width = int(self.lengths[rows].max())
        keys, values = ([s[rows, :, :width] for s in states] for states in (self.keys, self.values))
        return PrefixStates(keys, values, self.lengths[rows])


class OwnStates(Cache):
    """Keys and values of B samples, in buffers that do not move while they grow.

    Args:
        capacity: tokens of a sample.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__(layers=[])
        self.capacity = capacity
        self.length = 0
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *_: object,
        **__: object,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append [B, Hkv, Q, D] and return all of the layer's, [B, Hkv, length + Q, D]."""
        if layer_idx == len(self._keys):
            rows, heads, _tokens, size = key_states.shape
            self._keys.append(key_states.new_empty(rows, heads, self.capacity, size))
            self._values.append(value_states.new_empty(rows, heads, self.capacity, size))
        end = self.length + key_states.size(2)
        for buffer, states in ((self._keys[layer_idx], key_states), (self._values[layer_idx], value_states)):
            buffer[:, :, self.length : end] = states
        return self._keys[layer_idx][:, :, :end], self._values[layer_idx][:, :, :end]

    def get_seq_length(self, layer_idx: int = 0) -> int:  # noqa: ARG002
        return self.length

    def keep(self, rows: torch.Tensor) -> None:
        """Forget all samples but `rows`."""
        self._keys = [buffer[rows] for buffer in self._keys]
        self._values = [buffer[rows] for buffer in self._values]


@dataclass(frozen=True)
class SharedDecoding:
    """Attention of B samples' next tokens to their prompt's prefix and to themselves.

    Attributes:
        prefix: states of N prompts.
        prompt_of: [B] each sample's prompt.
        table: [N, K] the samples of each prompt, any sample where there are fewer.
        slot: [B] where each sample is in `table`, flattened.
        hidden: [N, 1, 1, P] bool, columns past a prefix's end; None where all are full.
        own_hidden: [B or 1, 1, Q, T] bool, which of its own sample's tokens a new one does not see; None: it sees all.
    """

    prefix: PrefixStates
    prompt_of: torch.Tensor
    table: torch.Tensor
    slot: torch.Tensor
    hidden: torch.Tensor | None
    own_hidden: torch.Tensor | None = None

    @staticmethod
    def build(prefix: PrefixStates, prompt_of: Sequence[int]) -> SharedDecoding:
        """For samples whose prompts are `prompt_of`."""
        device, width = prefix.lengths.device, prefix.keys[0].size(2)
        samples: list[list[int]] = [[] for _ in range(prefix.lengths.numel())]
        slot_in_group = []
        for sample, n in enumerate(prompt_of):
            slot_in_group.append(len(samples[n]))
            samples[n].append(sample)
        most = max(map(len, samples))
        table = torch.tensor([group + [0] * (most - len(group)) for group in samples], device=device)
        rows = torch.tensor(list(prompt_of), device=device)
        hidden = None
        if bool((prefix.lengths < width).any()):
            hidden = (torch.arange(width, device=device) >= prefix.lengths[:, None])[:, None, None]
        slot = rows * most + torch.tensor(slot_in_group, device=device)
        return SharedDecoding(prefix, rows, table, slot, hidden)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None
    ) -> torch.Tensor:
        samples, heads, tokens, size = query.shape
        scale = size**-0.5 if scale is None else scale
        if tokens > 1:
            return self._attend_copied(layer, query, key, value, scale)
        kv_heads = key.size(1)
        # Products in float32, as in fused attention: rounded scores would move log-probabilities by tenths.
        with torch.autocast(query.device.type, enabled=False):
            # The heads that share keys become queries of one head: [B, Hkv, H / Hkv, D].
            grouped = query.float().reshape(samples, kv_heads, heads // kv_heads, size) * scale
            to_prefix = self._to_prefix(layer, grouped)
            scores = grouped @ key.float().transpose(2, 3)
            if self.own_hidden is not None:
                scores = scores.masked_fill(self.own_hidden, -torch.inf)
            to_own = part(scores, value)
            joined = join_parts((to_prefix, to_own))
        return joined.reshape(samples, 1, heads, size).to(query.dtype)

    def _to_prefix(self, layer: int, query: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """All samples of a prompt against its keys at once."""
        key, value = self.prefix.keys[layer], self.prefix.values[layer]
        prompts, most = self.table.shape
        _, kv_heads, shared, size = query.shape
        together = query[self.table].transpose(1, 2).reshape(prompts, kv_heads, most * shared, size)
        scores = together @ key.float().transpose(2, 3)
        if self.hidden is not None:
            scores = scores.masked_fill(self.hidden, -torch.inf)
        partial = part(scores, value)

        def apart(result: torch.Tensor) -> torch.Tensor:
            rows = result.view(prompts, kv_heads, most, shared, -1).transpose(1, 2)
            return rows.reshape(prompts * most, kv_heads, shared, -1)[self.slot]

        output, top, total = partial
        return apart(output), apart(top), apart(total)

    def _attend_copied(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Several tokens at once, once a rollout: a copy of the prefix per sample is cheaper than its scores."""
        assert self.own_hidden is not None
        keys = torch.cat([self.prefix.keys[layer][self.prompt_of], key], dim=2)
        values = torch.cat([self.prefix.values[layer][self.prompt_of], value], dim=2)
        columns = torch.arange(self.prefix.keys[layer].size(2), device=query.device)
        seen = (columns < self.prefix.lengths[self.prompt_of][:, None])[:, None, None]
        own = ~self.own_hidden.expand(query.size(0), -1, -1, -1)
        mask = torch.cat([seen.expand(-1, 1, query.size(2), -1), own], dim=-1)
        return sdpa(query, keys, values, scale, mask=mask).transpose(1, 2)
