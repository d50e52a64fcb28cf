"""Scoring completions with each prompt of a micro-batch read once, or row by row where that is cheaper or needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn.functional import pad

from contextrl.engines.host import PolicyHost
from contextrl.engines.shared_prefix.prompts import EncodedPrompts, encode_prompts
from contextrl.engines.shared_prefix.repeated import score_repeated
from contextrl.engines.shared_prefix.scoring import score_packed
from contextrl.engines.shared_prefix.separate import score_separate
from contextrl.engines.shared_prefix.sharing import Sharing
from contextrl.engines.shared_prefix.support import Way, underlying
from contextrl.policy.prompts import Prompts


class PromptScorer:
    """Log-probabilities and entropies of completions of a rollout's prompts.

    Args:
        host: the trainer.
        sharing: the way that is in use.

    Attributes:
        on_choice: told for each forward whether it shared, where sharing is possible at all.
    """

    def __init__(self, host: PolicyHost, sharing: Sharing) -> None:
        self.host, self.sharing = host, sharing
        self.on_choice: Callable[[bool], None] = lambda _: None

    def encode(self, prompts: Prompts) -> EncodedPrompts:
        """Prompts with their positions, on the model's device."""
        accelerator = self.host.accelerator
        return encode_prompts(underlying(accelerator.unwrap_model(self.host.model)), prompts, accelerator.device)

    def score(
        self,
        model: Any,
        prompts: EncodedPrompts,
        groups: Sequence[int],
        completions: torch.Tensor,
        mask: torch.Tensor,
        *,
        entropy: bool = True,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Log-probabilities and, if wanted, entropies [B, C] of one forward.

        Args:
            prompts: the rollout's N prompts.
            groups: [B] which of them each row continues.
            completions, mask: [B, C].
        """
        present = sorted(set(groups))
        encoded, prompt_of = prompts.select(present), [present.index(group) for group in groups]
        lengths = [int(length) for length in mask.sum(1).tolist()]
        longest = max(1, *lengths)
        layout = self.sharing.layout(encoded.prompts, prompt_of, lengths)
        way = "separate" if layout == "separate" else self.sharing.way
        if self.sharing.way != "separate":
            self.on_choice(way != "separate")
        values = self.score_by(
            way,
            model,
            encoded,
            prompt_of,
            completions[:, :longest],
            lengths,
            blocks=layout == "blocks",
            entropy=entropy,
        )
        logps, entropies = (v if v is None else pad(v, (0, completions.size(1) - longest)) for v in values)
        assert logps is not None
        return logps, entropies

    def score_chunks(
        self,
        model: Any,
        prompts: EncodedPrompts,
        groups: Sequence[int],
        completions: torch.Tensor,
        mask: torch.Tensor,
        size: int,
        *,
        entropy: bool,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As `score`, so many rows at a time."""
        parts = [
            self.score(model, prompts, groups[part], completions[part], mask[part], entropy=entropy)
            for part in (slice(start, start + size) for start in range(0, len(groups), size))
        ]
        logps, entropies = zip(*parts, strict=True)
        return torch.cat(logps), torch.cat(entropies) if entropies[0] is not None else None

    def score_by(
        self,
        way: Way,
        model: Any,
        encoded: EncodedPrompts,
        prompt_of: Sequence[int],
        completions: torch.Tensor,
        lengths: Sequence[int],
        *,
        blocks: bool = False,
        entropy: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """One forward in a given way, packed groups by a block mask or a dense one."""
        of_rows = partial(score_separate, pad_token_id=self.host._tokenizer.pad_token_id)
        packed = partial(score_packed, blocks=blocks)
        score = packed if way == "packed" else score_repeated if way == "repeated" else of_rows
        with self.host.accelerator.autocast():
            logps, entropies = score(model, encoded, prompt_of, completions, lengths)
        # Chunks of one pass may go different ways: each must give entropies, or none.
        return logps, entropies if entropy else None
