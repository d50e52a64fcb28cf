"""Sampling by transformers' `generate` through GRPOTrainer: every prompt is read once per sample."""

from __future__ import annotations

from dataclasses import dataclass

from contextrl.engines.host import PolicyHost
from contextrl.policy.drawing import own_numbers
from contextrl.policy.generation import own_settings_only
from contextrl.policy.prompts import Prompts
from contextrl.rollout.sampling import Draws, Sampled


@dataclass(frozen=True)
class TransformersReading:
    """Prompts of which nothing is kept."""

    host: PolicyHost
    prompts: Prompts

    def sample(self, draws: Draws) -> Sampled:
        """See `Reading`."""
        ids = [[*self.prompts.ids[n], *suffix] for n, suffix in zip(draws.prompt_of, draws.suffixes, strict=True)]
        rows = self.prompts.select(draws.prompt_of).extended(ids)
        fields = {**rows.per_token, **rows.image_tensors()}
        model = self.host.accelerator.unwrap_model(self.host.model)
        with own_settings_only(model), own_numbers(model, draws.seeds, draws.ended):
            sampled, _ = self.host._generate_single_turn(rows.ids, None, fields, 1)
        return Sampled(sampled)


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
