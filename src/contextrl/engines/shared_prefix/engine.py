"""Sampling with each prompt of a rollout read once, in stage 1 and again in stage 2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from accelerate.utils import DistributedType
from torch.distributed.tensor import DTensor

from contextrl.engines.host import PolicyHost
from contextrl.engines.shared_prefix.decoding import PrefixStates
from contextrl.engines.shared_prefix.generation import Decoder, Samples, SharedDecoder, generate
from contextrl.engines.shared_prefix.probe import Probe
from contextrl.engines.shared_prefix.prompts import EncodedPrompts
from contextrl.engines.shared_prefix.repeated import RepeatedDecoder
from contextrl.engines.shared_prefix.scorer import PromptScorer
from contextrl.engines.shared_prefix.sharing import Sharing
from contextrl.engines.transformers import TransformersEngine
from contextrl.policy.generation import own_settings_only
from contextrl.policy.prompts import Prompts
from contextrl.rollout.sampling import Draws, Sampled


class SharedPrefixEngine:
    """Samples over shared prefixes; falls back to `plain` where model, settings or numbers forbid it.

    Args:
        host: the trainer.
        sharing: the way that is in use.
        scorer: scores the same prompts; the probe compares it with decoding.
        plain: samples where nothing can be shared.
    """

    def __init__(self, host: PolicyHost, sharing: Sharing, scorer: PromptScorer, plain: TransformersEngine) -> None:
        self.host, self.sharing, self.scorer, self.plain = host, sharing, scorer, plain
        self._probe: Probe | None = Probe(host, sharing, scorer, self.decoder, self.generating)

    def read(self, prompts: Prompts) -> SharedReading:
        """See `Engine`."""
        return SharedReading(self, self.scorer.encode(prompts))

    def probe_once(self, encoded: EncodedPrompts) -> None:
        """Compare both ways on a real prompt before the first sample; collective."""
        probe, self._probe = self._probe, None
        if probe is not None:
            probe.run(encoded)

    def shares(self, suffixes: Sequence[Sequence[int]]) -> bool:
        """Whether samples after these suffixes can share their prompts."""
        if self.sharing.way == "separate" or self.sharing.not_sampled:
            return False
        return self.sharing.way == "packed" or not any(suffixes)

    def decoder(self, model: Any, samples: Samples) -> Decoder:
        """What computes the logits, in the way that is in use."""
        if self.sharing.way == "repeated":
            return RepeatedDecoder(model, samples)
        return SharedDecoder(model, samples, self.host.generation_config.max_new_tokens)

    @property
    def parameters_are_sharded(self) -> bool:
        """All processes must run the same forwards, because each brings a part of the parameters."""
        kind = self.host.accelerator.distributed_type
        return (
            kind == DistributedType.FSDP
            or (kind == DistributedType.DEEPSPEED and not self.host.args.ds3_gather_for_generation)
            or any(isinstance(parameter, DTensor) for parameter in self.host.model.parameters())
        )

    @contextmanager
    def generating(self) -> Iterator[Any]:
        """The model as GRPOTrainer samples from it, without its wrappers.

        TRL's context managers put the model back only where nothing was raised, so errors wait until it is.
        """
        from trl.models import unwrap_model_for_generation  # takes seconds, and `contextrl eval` needs none of it

        host, failure = self.host, None
        with (
            unwrap_model_for_generation(
                host.model_wrapped,
                host.accelerator,
                gather_deepspeed3_params=host.args.ds3_gather_for_generation,
                generation_kwargs=host.generation_kwargs,
                gradient_checkpointing_kwargs=host.args.gradient_checkpointing_kwargs,
            ) as model,
            torch.no_grad(),
            host._dist.summon_full_params(host.model_wrapped, recurse=False),
            own_settings_only(model),
        ):
            try:
                yield model
            except Exception as error:
                failure = error
        if failure is not None:
            raise failure


class SharedReading:
    """Prompts of one rollout with the keys and values that their first samples have left.

    Args:
        engine: that has read them.
        encoded: N prompts.
    """

    def __init__(self, engine: SharedPrefixEngine, encoded: EncodedPrompts) -> None:
        self.engine, self.encoded = engine, encoded
        self.prompts = replace(encoded.prompts, positions=encoded.positions)
        self._states: PrefixStates | None = None

    def sample(self, draws: Draws) -> Sampled:
        """See `Reading`."""
        self.engine.probe_once(self.encoded)
        if not self.engine.shares(draws.suffixes):
            return self.engine.plain.read(self.prompts).sample(draws)
        host = self.engine.host
        present = sorted(set(draws.prompt_of))
        every = len(present) == len(self.encoded)
        with self.engine.generating() as model:
            encoded = self.encoded if every else self.encoded.select(present)
            samples = Samples(
                encoded,
                [present.index(n) for n in draws.prompt_of],
                draws.suffixes,
                self._states_of(present, every=every),
                draws.seeds,
            )
            decoder = self.engine.decoder(model, samples)
            sampled = generate(
                model,
                samples,
                decoder,
                host.generation_config,
                host._tokenizer.pad_token_id,
                synced=self.engine.parameters_are_sharded,
                ended=draws.ended,
            )
        if isinstance(decoder, SharedDecoder) and every and not self.engine.parameters_are_sharded:
            self._states = decoder.states
        return Sampled(sampled)

    def _states_of(self, present: Sequence[int], *, every: bool) -> PrefixStates | None:
        """What an earlier call has left of these prompts."""
        if self._states is None or every:
            return self._states
        return self._states.select(torch.tensor(present, device=self.encoded.device))
