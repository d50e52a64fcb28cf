"""The reference: every sample beside a copy of its prompt, as transformers and TRL do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from contextrl.policy.prompts import Prompts

Scores = tuple[torch.Tensor, torch.Tensor | None]


def score_unshared(
    model: Any, prompts: Prompts, row: Sequence[int], completions: torch.Tensor, lengths: Sequence[int], side: str
) -> Scores:
    """Log-probabilities and entropies [B, C] by TRL's fused head; prompts padded at the `side`.

    Padding at the right stands behind the completion, as in a batch that was never sampled from.
    """
    ids = [prompts.ids[n] + completions[b, : lengths[b]].tolist() for b, n in enumerate(row)]
    width = max(map(len, ids))
    rows, masks, types, labels = [], [], [], []
    for b, n in enumerate(row):
        gap = [0] * (width - len(ids[b]))
        prompt = len(prompts.ids[n])
        body = {
            "ids": ids[b],
            "mask": [1] * len(ids[b]),
            "types": next(iter(prompts.per_token.values()), [[0] * prompt] * len(prompts.ids))[n] + [0] * lengths[b],
            "labels": [-100] * prompt + ids[b][prompt:],
        }
        for name, into in (("ids", rows), ("mask", masks), ("types", types), ("labels", labels)):
            fill = [-100] * len(gap) if name == "labels" else gap
            into.append(fill + body[name] if side == "left" else body[name] + fill)
    more = {name: torch.tensor(types) for name in prompts.per_token}
    outputs = model(
        input_ids=torch.tensor(rows),
        attention_mask=torch.tensor(masks),
        labels=torch.tensor(labels),
        fused_lm_head=True,
        **more,
        **prompts.select(list(row)).image_tensors(),
    )
    logps = torch.zeros(completions.shape, dtype=outputs.log_probs.dtype)
    entropies = logps.clone()
    for b, n in enumerate(row):
        start = (width - len(ids[b]) if side == "left" else 0) + len(prompts.ids[n]) - 1
        logps[b, : lengths[b]] = outputs.log_probs[b, start : start + lengths[b]]
        if outputs.entropy is not None:
            entropies[b, : lengths[b]] = outputs.entropy[b, start : start + lengths[b]]
    return logps, entropies if outputs.entropy is not None else None


@dataclass(frozen=True)
class Differences:
    """Largest absolute difference of log-probabilities and entropies; relative difference of gradients."""

    logps: float
    entropies: float
    gradients: float


def compare(
    model: Any, weights: torch.Tensor, found: Callable[[], Scores], expected: Callable[[], Scores]
) -> Differences:
    """Differences of two ways to score, with the gradient of a weighted sum of log-probabilities."""
    values = []
    for score in (found, expected):
        model.zero_grad()
        logps, entropies = score()
        (logps * weights).sum().backward()
        gradient = torch.cat([p.grad.float().flatten() for p in model.parameters() if p.grad is not None])
        assert entropies is not None
        values.append((logps.detach(), entropies.detach(), gradient))
    (a, b, c), (x, y, z) = values
    assert z.norm() > 0, "the reference must have a gradient"
    return Differences(float((a - x).abs().max()), float((b - y).abs().max()), float((c - z).norm() / z.norm()))
