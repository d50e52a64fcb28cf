"""Whether vLLM computes what the trainer computes, found out before anything is learned from its samples.

A prompt whose picture did not arrive, weights that did not, positions that are counted otherwise: none of them raises.
Each shows in the log-probabilities of what was sampled.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from contextrl.engines.host import PolicyHost
from contextrl.engines.processes import Processes
from contextrl.engines.shared_prefix.scorer import PromptScorer
from contextrl.engines.vllm.backend import failing_together
from contextrl.engines.vllm.requests import Answer, EngineMismatchError, Request
from contextrl.policy.prompts import Prompts
from contextrl.rollout.sampling import Draws

logger = logging.getLogger("contextrl.engines")

#: Mean difference of log-probabilities, in nats per token, that arithmetic can make: bfloat16 gives some hundredths, a
#: prompt that lacks something a multiple.
MOST = 0.1
#: Where a blank picture changes log-probabilities by less, nothing can be told from it.
_TELLING = 0.02
#: Tokens and samples that are looked at per prompt; prompts with and without pictures.
_TOKENS, _SAMPLES, _PROMPTS = 32, 2, 2


@dataclass(frozen=True)
class Gap:
    """How far vLLM's log-probabilities are from the trainer's; in nats, means over tokens.

    Attributes:
        engine: from the trainer's, with the pictures that the prompts show.
        blank: from the trainer's with blank pictures in their place; NaN without pictures.
        pictures: of the trainer's own with blank pictures from those with the real ones; NaN without.
        largest: the largest difference of one token.
        tokens: that were looked at.
    """

    engine: float
    blank: float
    pictures: float
    largest: float
    tokens: int

    @property
    def problem(self) -> str | None:
        """Why the two are not the same policy on the same prompts, or None."""
        if self.tokens and not self.engine <= MOST:
            return (
                f"its log-probabilities differ from the trainer's by {self.engine:.3g} nats per token on average (at "
                f"most {MOST} is arithmetic), by {self.largest:.3g} on one"
            )
        if self.pictures > _TELLING and not self.engine < self.blank:
            return (
                f"a blank picture explains its samples better than the real one: its log-probabilities are "
                f"{self.blank:.3g} nats per token from the trainer's with blank pictures, {self.engine:.3g} with the "
                "prompts' own"
            )
        return None


def gap_of(
    engine: Sequence[Sequence[float]],
    real: Sequence[Sequence[float]],
    blank: Sequence[Sequence[float]],
    has_pictures: Sequence[bool],
) -> Gap:
    """Compare log-probabilities [rows][tokens] of the same tokens.

    Args:
        has_pictures: [rows]; what speaks of blank pictures is over these alone.
    """

    def mean(pairs: Sequence[tuple[float, float]]) -> float:
        return sum(abs(a - b) for a, b in pairs) / len(pairs) if pairs else float("nan")

    def paired(
        first: Sequence[Sequence[float]], second: Sequence[Sequence[float]], *, shown: bool
    ) -> list[tuple[float, float]]:
        rows = [n for n in range(len(first)) if has_pictures[n] or not shown]
        return [pair for n in rows for pair in zip(first[n], second[n], strict=True)]

    every = paired(engine, real, shown=False)
    shown = paired(engine, real, shown=True)
    # With pictures the real one is compared with the blank one on the same rows.
    of_engine = max((mean(part) for part in (every, shown) if part), default=0.0)
    largest = max((abs(a - b) for a, b in every), default=0.0)
    blanked = mean(paired(engine, blank, shown=True))
    return Gap(of_engine, blanked, mean(paired(real, blank, shown=True)), largest, len(every))


class Guard:
    """Compares vLLM with the trainer on the first prompts without pictures, and on the first with.

    Args:
        host: the trainer.
        scorer: scores what was sampled, as it will when it is trained on.
    """

    def __init__(self, host: PolicyHost, scorer: PromptScorer) -> None:
        self.host, self.scorer = host, scorer
        self.processes = Processes(host.accelerator)
        self._passed: set[bool] = set()
        self.gaps: list[Gap] = []

    def chosen(self, prompts: Prompts, draws: Draws) -> list[int] | None:
        """Prompts to look at: those that show most, and one without pictures. None where nothing is new to any process.

        Collective. Only prompts that are sampled from count: the others are of processes that stand in.
        """
        if len(self._passed) == 2:
            return None
        sampled = sorted(set(draws.prompt_of), key=lambda n: -prompts.num_images[n])
        shown = [n for n in sampled if prompts.num_images[n]][:_PROMPTS]
        plain = [n for n in sampled if not prompts.num_images[n]][:1]
        there = self.processes.largest([bool(plain), bool(shown)])
        new = {kind for kind in (False, True) if there[int(kind)]} - self._passed
        if not new:
            return None
        self._passed |= new
        return shown + plain

    def requests(self, prompts: Prompts, chosen: Sequence[int], seed: int) -> list[Request]:
        """What vLLM is asked about them."""
        images = prompts.images or [()] * len(prompts.ids)
        return [Request(prompts.ids[n], images[n], _SAMPLES, seed) for n in chosen]

    def tokens(self) -> int:
        """How long these samples may become."""
        return min(_TOKENS, int(self.host.max_completion_length))

    def check(self, prompts: Prompts, chosen: Sequence[int], answers: Sequence[Answer]) -> None:
        """Score the samples with the pictures and with blank ones, and stop where the engine's numbers are not theirs.

        Two forwards on every process, whatever it has: a sharded policy's are collective.

        Raises:
            EngineMismatchError: on every process, with the numbers of the first that found a difference.
        """
        rows = prompts.select(chosen) if chosen else prompts.select([0])
        ids = [[list(sample) for sample in answer.ids] for answer in answers] or [[[int(self.host.eos_token_ids[0])]]]
        real, blank = (self._logps(part, ids) for part in (rows, _blank(rows)))
        pictures = [rows.num_images[n] > 0 for n in range(len(ids)) for _ in ids[n]]
        gap = Gap(0.0, float("nan"), float("nan"), 0.0, 0)
        if answers:
            gap = gap_of([logps for answer in answers for logps in answer.logps], real, blank, pictures)
        self.gaps.append(gap)
        with failing_together():
            if gap.problem is not None:
                raise EngineMismatchError(
                    f"vLLM does not sample from the policy that is trained: {gap.problem}. {_REASONS}"
                )
        if self.host.accelerator.is_main_process and any(pictures) and gap.pictures <= _TELLING:
            logger.warning(
                "Blank pictures change the policy's log-probabilities by %.2g nats per token only: whether vLLM sees "
                "the pictures cannot be told from them.",
                gap.pictures,
            )

    def _logps(self, prompts: Prompts, ids: Sequence[Sequence[Sequence[int]]]) -> list[list[float]]:
        model, device = self.host.model, self.host.accelerator.device
        prompt_of = [n for n, samples in enumerate(ids) for _ in samples]
        rows = [torch.tensor(sample) for samples in ids for sample in samples]
        lengths = [len(row) for row in rows]
        completions = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)
        training = model.training
        model.eval()
        try:
            with torch.no_grad():
                encoded = self.scorer.encode(prompts)
                logps, _ = self.scorer.score_by("separate", model, encoded, prompt_of, completions, lengths)
        finally:
            model.train(training)
        assert logps is not None
        return [row[:length] for row, length in zip(logps.float().tolist(), lengths, strict=True)]


def _blank(prompts: Prompts) -> Prompts:
    """The same prompts, their pictures in the grey that processors make zero."""
    features = [
        {name: torch.zeros_like(t) if t.is_floating_point() else t for name, t in row.items()}
        for row in prompts.features
    ]
    return replace(prompts, features=features)


_REASONS = (
    "What can be at fault: pictures that did not arrive or were scaled otherwise, weights that were not loaded, "
    "another precision (model dtype, train.bf16), a chat template or processor that is not the model's own"
)
