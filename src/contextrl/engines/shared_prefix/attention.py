"""Attention over a prompt that several continuations share, computed once per prompt.

A continuation ("branch") attends to its prompt's prefix and to itself. transformers calls attention through an
interface; ours takes over where a forward carries a `shared_prefix` and is the model's own everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

#: Followed by the name of the implementation that is used where nothing is shared.
PREFIX = "contextrl_shared_prefix_"
#: Implementations of transformers whose result ours equals.
REPLACEABLE = ("sdpa", "eager")


class SharedPrefix(Protocol):
    """What a forward carries to every attention layer."""

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None
    ) -> torch.Tensor:
        """Attention of one layer.

        Args:
            layer: its number.
            query: [N, H, S, D], rotated. key, value: [N, Hkv, S, D].
            scale: of the products; None is 1 / sqrt(D).

        Returns:
            [N, S, H, D].
        """
        ...


def install(config: Any) -> None:
    """Let attention under a text model's config take a `shared_prefix`; without one it stays what it was."""
    name = config._attn_implementation or "eager"
    if name.startswith(PREFIX):
        return
    ours = f"{PREFIX}{name}"
    if ours not in ALL_ATTENTION_FUNCTIONS:
        AttentionInterface.register(ours, _dispatcher(name))
        AttentionMaskInterface.register(ours, ALL_MASK_ATTENTION_FUNCTIONS[name])
    # Not through `set_attn_implementation`, which would change the vision tower too.
    config._attn_implementation_internal = ours


def _dispatcher(name: str) -> Any:
    def attention(
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        scaling: float | None = None,
        shared_prefix: SharedPrefix | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        if shared_prefix is not None:
            return shared_prefix.attend(module.layer_idx, query, key, value, scaling), None
        own = ALL_ATTENTION_FUNCTIONS.get(name) or _eager(module)
        return own(module, query, key, value, attention_mask, scaling=scaling, **kwargs)  # type: ignore[no-any-return]

    return attention


def _eager(module: Any) -> Any:
    """`eager` is not registered: every model's file has its own."""
    import sys

    return sys.modules[type(module).__module__].eager_attention_forward


@dataclass(frozen=True)
class PackedPrefix:
    """Rows that hold a prefix and its branches one after another: `[prefix | branch | branch | ... | padding]`.

    Attributes:
        width: P, the longest prefix; prefixes begin at column 0.
        lengths: [N] tokens of each prefix.
        slots: [B, C] where each branch's tokens are among the N * S; padding repeats a token of the branch.
        prompt_of: [B] the row that each branch is in.
        mask: [B or 1, 1, C, P + C], what a branch's tokens may attend to: its prefix, then itself.
        order: [N * S] where each token's output is among those of all prefixes [N * P] and then all branches [B * C].
    """

    width: int
    lengths: torch.Tensor
    slots: torch.Tensor
    prompt_of: torch.Tensor
    mask: torch.Tensor
    order: torch.Tensor

    def attend(
        self,
        layer: int,  # noqa: ARG002
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float | None,
    ) -> torch.Tensor:
        rows, heads, length, size = query.shape
        prefix_key, prefix_value = key[:, :, : self.width], value[:, :, : self.width]
        # Causal is mask enough: what follows a short prefix is never seen by it.
        prefix = sdpa(query[:, :, : self.width], prefix_key, prefix_value, scale, is_causal=True)
        branches = sdpa(
            self._branches(query),
            torch.cat([prefix_key.index_select(0, self.prompt_of), self._branches(key)], dim=2),
            torch.cat([prefix_value.index_select(0, self.prompt_of), self._branches(value)], dim=2),
            scale,
            mask=self.mask,
        )
        outputs = [part.transpose(1, 2).reshape(-1, heads * size) for part in (prefix, branches)]
        return torch.cat(outputs).index_select(0, self.order).view(rows, length, heads, size)

    def _branches(self, states: torch.Tensor) -> torch.Tensor:
        """[N, H, S, D] to [B, H, C, D]."""
        heads, size = states.size(1), states.size(3)
        tokens = states.transpose(1, 2).reshape(-1, heads * size).index_select(0, self.slots.flatten())
        return tokens.view(*self.slots.shape, heads, size).transpose(1, 2)


def untouched_mask(device: torch.device) -> torch.Tensor:
    """A mask for a forward whose own is in `shared_prefix`: models leave one of four dimensions as it is."""
    return torch.zeros(1, 1, 1, 1, device=device)


def sdpa(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scale: float | None,
    *,
    mask: torch.Tensor | None = None,
    is_causal: bool = False,
) -> torch.Tensor:
    """[B, H, S, D]; heads of queries may be a multiple of those of keys."""
    grouped = query.size(1) != key.size(1)
    return scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=is_causal, scale=scale, enable_gqa=grouped
    )


def branch_mask(prefix_lengths: torch.Tensor, width: int, branch: int, *, equal: bool) -> torch.Tensor:
    """[B or 1, 1, C, P + C]: a branch's tokens see `prefix_lengths` [B] of P columns, and themselves causally.

    Args:
        equal: all prefixes are P long, so that one mask serves every branch.
    """
    device = prefix_lengths.device
    own = torch.ones(branch, branch, dtype=torch.bool, device=device).tril()
    if equal:
        return torch.cat([own.new_ones(branch, width), own], dim=1)[None, None]
    prefix = torch.arange(width, device=device) < prefix_lengths[:, None]
    count = prefix_lengths.numel()
    return torch.cat(
        [prefix[:, None, None].expand(count, 1, branch, width), own.expand(count, 1, branch, branch)], dim=-1
    )


def part(scores: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One part of a softmax over several: unnormalised output, largest score and sum of exponentials.

    Args:
        scores: [..., Q, K], float32, -inf where nothing may be seen. value: [..., K, D].

    Returns:
        All in float32, as fused attention keeps them in models of lower precision.
    """
    # A part in which nothing may be seen has weight 0, not NaN.
    top = scores.amax(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).min)
    weights = torch.exp(scores - top)
    return weights @ value.float(), top, weights.sum(-1, keepdim=True)


def join_parts(parts: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """The attention over all parts together: their outputs weighted by their share of the softmax."""
    top = torch.stack([largest for _, largest, _ in parts]).amax(0)
    factors = [torch.exp(largest - top) for _, largest, _ in parts]
    total = sum(factor * weight for factor, (_, _, weight) in zip(factors, parts, strict=True))
    return sum(factor * output for factor, (output, _, _) in zip(factors, parts, strict=True)) / total  # type: ignore[return-value]
