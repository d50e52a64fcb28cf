"""The engine: prompts as they are scored, weights as they are now, both compared before the first sample is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from contextrl.engines.host import PolicyHost
from contextrl.engines.processes import Processes
from contextrl.engines.shared_prefix.scorer import PromptScorer
from contextrl.engines.vllm.backend import Backend, CacheCounts, Told, failing_together
from contextrl.engines.vllm.colocated import ColocatedBackend
from contextrl.engines.vllm.guard import Guard
from contextrl.engines.vllm.requests import (
    Answer,
    Request,
    check_read,
    checked_runs,
    is_read,
    requests_of,
    sampled_of,
)
from contextrl.engines.vllm.server import ServerBackend, connect
from contextrl.engines.vllm.settings import VLLMSettings, plain_options, sampling_options
from contextrl.errors import InputError
from contextrl.policy.prompts import Prompts
from contextrl.records import metrics as names
from contextrl.rollout.sampling import Draws, Sampled


@dataclass(frozen=True)
class VLLMReading:
    """Prompts of one rollout; what vLLM keeps of them is in its prefix cache."""

    engine: VLLMEngine
    prompts: Prompts

    def sample(self, draws: Draws) -> Sampled:
        """See `Reading`; the samples of one request end together."""
        return self.engine.sample(self.prompts, draws)


class VLLMEngine:
    """See the module.

    Args:
        host: the trainer, its model loaded.
        scorer: of its samples.
        settings: of the engine; by default the trainer's.
        backend: what runs vLLM; by default what `train.vllm_mode` says.
    """

    def __init__(
        self,
        host: PolicyHost,
        scorer: PromptScorer,
        settings: VLLMSettings | None = None,
        backend: Backend | None = None,
    ) -> None:
        if host._dist.fsdp_version == 1:
            raise InputError(
                "FSDP2, whose weights can be gathered one by one",
                found="FSDP1",
                where="fsdp_version",
                fix="Set fsdp_version to 2",
            )
        self.host = host
        self.settings = settings or VLLMSettings.of(host)
        self.backend = backend or _backend(host, self.settings)
        self.guard = Guard(host, scorer)
        self._loaded_step = -1
        self._counts = CacheCounts()

    def read(self, prompts: Prompts) -> VLLMReading:
        """See `Engine`."""
        return VLLMReading(self, prompts)

    def sample(self, prompts: Prompts, draws: Draws) -> Sampled:
        """Samples of the policy as it is now. Collective."""
        self.follow_policy()
        options = sampling_options(self.host)
        with failing_together():
            requests = requests_of(prompts, draws)
            for request in requests:
                checked_runs(request, self.settings.image_token)
        if (chosen := self.guard.chosen(prompts, draws)) is not None:
            seed = draws.seeds[0] if len(draws) else 0
            looked_at = self.guard.requests(prompts, chosen, seed)
            answers = self._answers(looked_at, plain_options(options, self.guard.tokens()))
            self.guard.check(prompts, chosen, answers)
            # A resumed run looks once more: what it samples, to the last bit, must not depend on that.
            self.backend.forget()
        firsts = [0, *accumulate(request.samples for request in requests)]

        def told(place: int, answer: Answer) -> None:
            # What was read otherwise ends the run when all are here; nobody is asked about it.
            if draws.ended is not None and is_read(requests[place], answer, self.settings.image_token):
                for n, ids in enumerate(answer.ids):
                    draws.ended(firsts[place] + n, ids)

        return sampled_of(self._answers(requests, options, told))

    def _answers(
        self, requests: Sequence[Request], options: Mapping[str, Any], told: Told | None = None
    ) -> list[Answer]:
        answers = self.backend.generate(requests, options, told)
        with failing_together():
            for request, answer in zip(requests, answers, strict=True):
                check_read(request, answer, self.settings.image_token)
        return answers

    def follow_policy(self) -> None:
        """Give vLLM the policy's weights wherever it has moved since. Collective."""
        step = self.host.state.global_step
        if step == self._loaded_step and not self.backend.forgot_weights:
            return
        self.backend.load(self.host.accelerator.unwrap_model(self.host.model), self.host._dist)
        self._loaded_step = step

    def rest(self) -> None:
        """Called when a rollout is sampled: give memory back, log how much of prompts was read before. Collective."""
        counts = self.backend.cache_counts()
        new = {"asked": counts.asked - self._counts.asked, "found": counts.found - self._counts.found}
        self._counts = counts
        everywhere = Processes(self.host.accelerator).sums(new)
        if everywhere["asked"] > 0:
            share = everywhere["found"] / everywhere["asked"]
            self.host._metrics["train"][names.ENGINE_PREFIX_CACHE_HITS].append(share)
        self.backend.rest()

    def close(self) -> None:
        """Called when the run is over."""
        self.backend.close()


def _backend(host: PolicyHost, settings: VLLMSettings) -> Backend:
    if host.args.vllm_mode == "server":
        return ServerBackend(host, settings, connect(host, settings))
    return ColocatedBackend(host, settings)
