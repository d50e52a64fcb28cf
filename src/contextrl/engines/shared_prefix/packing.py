"""Prompts with several completions each, as rows of one forward in which every prompt stands once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import pad

from contextrl.engines.shared_prefix.attention import PackedPrefix, SharedPrefix, branch_mask
from contextrl.engines.shared_prefix.flex import BLOCK, BlockPrefix, Spans
from contextrl.engines.shared_prefix.prompts import EncodedPrompts

IGNORED = -100
"""Label of a position where nothing is scored."""


def real_tokens(lengths: Sequence[int], width: int, device: torch.device) -> torch.Tensor:
    """[B, C] bool: the first `lengths[b]` of C columns."""
    return torch.arange(width, device=device) < torch.tensor(list(lengths), device=device)[:, None]


@dataclass(frozen=True)
class Packed:
    """Inputs of one forward over N rows and B branches.

    A branch is a completion whose first input is the prompt's last token and whose last token is never an input:
    every position of a branch predicts one token of its completion, and the prefix predicts none.

    Attributes:
        input_ids: [N, S].
        labels: [N, S], the next token in branches, `IGNORED` elsewhere.
        positions: [N, S], or [3, N, S] for M-RoPE.
        prefix: attention over them.
        slots: [B, C] where the positions that predict each completion are among the N * S.
        mask: [B, C] bool, which of these are real.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    positions: torch.Tensor
    prefix: SharedPrefix
    slots: torch.Tensor
    mask: torch.Tensor

    def unpack(self, values: torch.Tensor) -> torch.Tensor:
        """[N, S] of a forward to [B, C] of the completions, 0 where there is none."""
        return values.flatten()[self.slots] * self.mask


def pack(
    encoded: EncodedPrompts,
    prompt_of: Sequence[int],
    completions: torch.Tensor,
    lengths: Sequence[int],
    *,
    blocks: bool = False,
) -> Packed:
    """Lay out prompts and their completions.

    Args:
        encoded: N prompts of at least two tokens.
        prompt_of: [B] which prompt each completion continues.
        completions: [B, C] token ids, right-padded.
        lengths: [B] tokens of each.
        blocks: attention by a block mask (`flex`), not by a dense one; rows are padded to whole blocks.
    """
    device, width_c = encoded.device, completions.size(1)
    ids_of = [torch.tensor(ids, device=device) for ids in encoded.prompts.ids]
    positions_of = [positions.to(device) for positions in encoded.positions]
    prefixes = [len(ids) - 1 for ids in encoded.prompts.ids]
    ids = [[tokens[:-1]] for tokens in ids_of]
    labels = [[torch.full_like(tokens[:-1], IGNORED)] for tokens in ids_of]
    positions = [[along[..., :-1]] for along in positions_of]
    used = list(prefixes)
    starts = []
    for branch, (n, length) in enumerate(zip(prompt_of, lengths, strict=True)):
        completion = completions[branch, :length]
        ids[n].append(torch.cat([ids_of[n][-1:], completion[:-1]])[:length])
        labels[n].append(completion)
        positions[n].append(positions_of[n][..., -1:] + torch.arange(length, device=device))
        starts.append(used[n])
        used[n] += length
    total = -(-max(used) // BLOCK) * BLOCK if blocks else max(used)
    rows_of = torch.tensor(prompt_of, device=device)
    reach = torch.tensor(lengths, device=device)[:, None]
    real = real_tokens(lengths, width_c, device)
    steps = torch.arange(width_c, device=device)
    # Padding of a branch repeats its last token (its prompt's first where it is empty), whose output is not used.
    offsets = torch.tensor(starts, device=device)[:, None] + torch.minimum(steps, (reach - 1).clamp(min=0))
    slots = rows_of[:, None] * total + torch.where(reach > 0, offsets, 0)
    prefix: SharedPrefix
    if blocks:
        prefix = BlockPrefix(Spans.of(prefixes, prompt_of, starts, lengths, total, device).block_mask())
    else:
        prefix = _prefix(prefixes, rows_of, slots, real, total)
    return Packed(
        input_ids=_rows(ids, total, 0),
        labels=_rows(labels, total, IGNORED),
        positions=_rows(positions, total, 0).movedim(0, -2),
        prefix=prefix,
        slots=slots,
        mask=real,
    )


def _rows(parts: Sequence[Sequence[torch.Tensor]], total: int, value: int) -> torch.Tensor:
    """[N, ..., S]: each row's parts one after another, then `value`."""
    rows = [torch.cat(list(pieces), dim=-1) for pieces in parts]
    return torch.stack([pad(row, (0, total - row.size(-1)), value=value) for row in rows])


def _prefix(
    prefixes: Sequence[int], prompt_of: torch.Tensor, slots: torch.Tensor, real: torch.Tensor, total: int
) -> PackedPrefix:
    """Attention over rows of `total` tokens; see `PackedPrefix`."""
    device, width = slots.device, max(prefixes)
    lengths = torch.tensor(list(prefixes), device=device)
    count, (branches, longest) = len(prefixes), slots.shape
    # Tokens of no prefix and no branch take the output of some token: nobody reads theirs.
    order = torch.zeros(count * total, dtype=torch.long, device=device)
    columns = torch.arange(width, device=device)
    in_prefix = columns < lengths[:, None]
    cells = torch.arange(count, device=device)[:, None] * total + columns
    order[cells[in_prefix]] = torch.arange(count * width, device=device).view(count, width)[in_prefix]
    outputs = count * width + torch.arange(branches * longest, device=device).view(branches, longest)
    order[slots[real]] = outputs[real]
    equal = bool((lengths == width).all())
    return PackedPrefix(
        width=width,
        lengths=lengths,
        slots=slots,
        prompt_of=prompt_of,
        mask=branch_mask(lengths[prompt_of], width, longest, equal=equal),
        order=order,
    )
