"""FlexAttention for packed groups: a block mask leaves out what no token may see, without a dense mask or copied keys.

Kernels are compiled by torch, for CUDA only, and tried at a small size before they are relied on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from contextrl.engines.shared_prefix.attention import sdpa

BLOCK = 128
"""Tokens along a side of the tiles that are computed or left out; packed rows are padded to a multiple."""

#: Lengths of the trial: two, because kernels are compiled for all lengths at once.
TRIAL_LENGTHS = (2 * BLOCK, 3 * BLOCK)
#: Largest difference from dense attention that rounding explains, of values of size 1: 2 ** -8 in bfloat16, summed.
TRIAL_TOLERANCE = 0.05


@dataclass(frozen=True)
class Spans:
    """What each token of packed rows sees: the first columns of its row, and its own branch up to itself.

    Attributes:
        prefix_end: [N, S] int32, columns before it are seen.
        own_start: [N, S] int32, columns from it to the token itself are seen.
    """

    prefix_end: torch.Tensor
    own_start: torch.Tensor

    @staticmethod
    def of(
        prefixes: Sequence[int],
        prompt_of: Sequence[int],
        starts: Sequence[int],
        lengths: Sequence[int],
        total: int,
        device: torch.device,
    ) -> Spans:
        """Of N rows of `total` tokens.

        Args:
            prefixes: [N] tokens of each row's prefix, from column 0.
            prompt_of: [B] row of each branch; starts, lengths: [B] its first column and its tokens.
        """
        # Padding sees itself, so that no softmax is empty.
        own = torch.arange(total, dtype=torch.int32).repeat(len(prefixes), 1)
        ends = torch.zeros_like(own)
        for row, prefix in enumerate(prefixes):
            own[row, :prefix] = 0
        for row, start, length in zip(prompt_of, starts, lengths, strict=True):
            ends[row, start : start + length] = prefixes[row]
            own[row, start : start + length] = start
        return Spans(ends.to(device), own.to(device))

    def mask_mod(self) -> Callable[[Any, Any, Any, Any], Any]:
        """For FlexAttention: a plain function over two tensors, which torch compiles once for all spans."""
        ends, starts = self.prefix_end, self.own_start

        def visible(row: Any, head: Any, query: Any, key: Any) -> Any:  # noqa: ARG001
            own = (key >= starts[row, query]) & (key <= query)
            return (key < ends[row, query]) | own

        return visible

    def tiles(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Which tiles of a row hold anything that is seen, and in which all is: [S / 128, S / 128] bool each."""
        ends, own = self.prefix_end[row, :, None], self.own_start[row, :, None]
        total, device = self.own_start.size(1), self.own_start.device
        query = torch.arange(total, device=device)[:, None]
        first = torch.arange(0, total, BLOCK, device=device)
        last = first + BLOCK - 1
        seen = (first < ends) | ((first <= query) & (last >= own))
        # A branch that begins where its prefix ends sees one span: a tile may lie across the border.
        begin = torch.where(own <= ends, 0, own)
        whole = (last < ends) | ((first >= begin) & (last <= query))
        shape = (-1, BLOCK, first.numel())
        return seen.view(shape).any(1), whole.view(shape).all(1)

    def block_mask(self) -> BlockMask:
        """Built from the spans' ends, because a mask of S * S would not fit for long completions."""
        rows = [self.tiles(row) for row in range(self.own_start.size(0))]
        seen, whole = (torch.stack(parts)[:, None] for parts in zip(*rows, strict=True))
        total = self.own_start.size(1)
        return BlockMask.from_kv_blocks(
            *_ordered(seen & ~whole),
            *_ordered(whole),
            BLOCK_SIZE=BLOCK,
            mask_mod=self.mask_mod(),
            seq_lengths=(total, total),
        )


def _ordered(tiles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[N, 1, Q, K] bool to how many are set for each of Q, [N, 1, Q], and their columns before others, [N, 1, Q, K]."""
    columns = tiles.to(torch.int8).argsort(dim=-1, descending=True, stable=True)
    return tiles.sum(-1, dtype=torch.int32), columns.to(torch.int32)


@dataclass(frozen=True)
class BlockPrefix:
    """Attention over packed rows by a block mask: a `SharedPrefix`."""

    mask: BlockMask

    def attend(
        self,
        layer: int,  # noqa: ARG002
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float | None,
    ) -> torch.Tensor:
        kind = query.device.type
        # As torch does for its own attention: norms in float32 leave queries and keys in it.
        low = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else value.dtype
        return flex(query.to(low), key.to(low), value.to(low), self.mask, scale).transpose(1, 2)


def flex(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: BlockMask, scale: float | None
) -> torch.Tensor:
    """[N, H, S, D]; compiled on CUDA, by plain operations over all of S * S elsewhere."""
    attention = _compiled() if query.device.type == "cuda" else flex_attention
    grouped = query.size(1) != key.size(1)
    return attention(query, key, value, block_mask=mask, scale=scale, enable_gqa=grouped)  # type: ignore[no-any-return]


@cache
def _compiled() -> Any:
    # One kernel for all lengths. Rows, gradients and precisions make variants of it; past the limit torch would go on
    # without a kernel, with S * S scores in memory: `fullgraph` makes that an error.
    limit = torch._dynamo.config.recompile_limit
    torch._dynamo.config.recompile_limit = max(limit, 64)
    return torch.compile(flex_attention, dynamic=True, fullgraph=True)


@dataclass
class BlockAttention:
    """Whether a model's packed groups can use block masks; found out when they would first be used.

    Attributes:
        device: where the model is.
        dtype: of queries, keys and values.
        heads, key_heads, size: attention heads, those of keys, and numbers in each.
        on_failure: told why not, once.
    """

    device: torch.device
    dtype: torch.dtype
    heads: int
    key_heads: int
    size: int
    on_failure: Callable[[str], None] = field(default=lambda _: None)
    _usable: bool | None = None

    @staticmethod
    def of(
        config: Any, device: torch.device, dtype: torch.dtype, on_failure: Callable[[str], None]
    ) -> BlockAttention | None:
        """For a text model's config; None on everything but CUDA, and where torch.compile is turned off."""
        if device.type != "cuda" or torch._dynamo.config.disable:
            return None
        heads = config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // heads
        return BlockAttention(device, dtype, heads, config.num_key_value_heads, size, on_failure)

    def usable(self) -> bool:
        """Try it the first time, which compiles kernels: up to a minute."""
        if self._usable is None:
            reason = self._obstacle() or self._trial()
            self._usable = reason is None
            if reason is not None:
                self.on_failure(reason)
        return self._usable

    def _obstacle(self) -> str | None:
        if find_spec("triton") is None:
            return "triton is not installed"
        if self.size < 16:
            return f"its attention heads have {self.size} numbers, and kernels need 16"
        return None

    def _trial(self) -> str | None:
        """Values and gradients against dense attention, at the model's own heads and precision."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                difference = max(self._difference(length) for length in TRIAL_LENGTHS)
        except Exception as error:  # whatever compilers and drivers raise
            text = (str(error).strip().splitlines() or [""])[0]
            return f"FlexAttention fails here ({type(error).__name__}: {text[:200]})"
        if not difference <= TRIAL_TOLERANCE:
            return f"FlexAttention differs from dense attention by {difference:.2g}"
        return None

    def _difference(self, length: int) -> float:
        prefix, branch = BLOCK - 28, (length - BLOCK) // 2
        rows, starts = [0, 0, 1, 1], [prefix, prefix + branch] * 2
        spans = Spans.of([prefix] * 2, rows, starts, [branch] * 4, length, self.device)
        columns = torch.arange(length, device=self.device)
        numbers = torch.arange(2, device=self.device)[:, None, None]
        dense = spans.mask_mod()(numbers, 0, columns[:, None], columns)
        generator = torch.Generator(self.device).manual_seed(0)

        def drawn(heads: int) -> torch.Tensor:
            shape = (2, heads, length, self.size)
            return torch.randn(shape, generator=generator, device=self.device, dtype=self.dtype).requires_grad_()

        query, key, value, weights = (drawn(n) for n in (self.heads, self.key_heads, self.key_heads, self.heads))
        results = []
        with torch.enable_grad():
            by_blocks = flex(query, key, value, spans.block_mask(), None)
            for found in (by_blocks, sdpa(query, key, value, None, mask=dense[:, None])):
                gradients = torch.autograd.grad(found, (query, key, value), weights.detach())
                results.append([found.detach(), *gradients])
        # Gradients of keys sum over queries and heads: differences are relative to the largest value.
        pairs = [(a.float(), b.float()) for a, b in zip(*results, strict=True)]
        return max(float((a - b).abs().max() / b.abs().max().clamp(min=1)) for a, b in pairs)
