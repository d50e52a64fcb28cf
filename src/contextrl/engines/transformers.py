"""Sampling by transformers' `generate` through GRPOTrainer: every prompt is read once per sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contextrl.engines.host import PolicyHost
from contextrl.policy.generation import own_settings_only
from contextrl.policy.prompts import Prompts


@dataclass(frozen=True)
class TransformersReading:
    """Prompts of which nothing is kept."""

    host: PolicyHost
    prompts: Prompts

    def sample(self, prompt_of: Sequence[int], suffixes: Sequence[Sequence[int]]) -> list[list[int]]:
        """See `Reading`."""
        ids = [[*self.prompts.ids[n], *suffix] for n, suffix in zip(prompt_of, suffixes, strict=True)]
        rows = self.prompts.select(prompt_of).extended(ids)
        fields = {**rows.per_token, **rows.image_tensors()}
        with own_settings_only(self.host.accelerator.unwrap_model(self.host.model)):
            sampled, _ = self.host._generate_single_turn(rows.ids, None, fields, 1)
        return sampled


@dataclass(frozen=True)
class TransformersEngine:
    """See the module.

    Args:
        host: the trainer.
    """

    host: PolicyHost

    def read(self, prompts: Prompts) -> TransformersReading:
        """See `Engine`."""
        return TransformersReading(self.host, prompts)
