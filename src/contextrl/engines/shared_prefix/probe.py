"""A model that only looks as if it could share is found out before the first sample."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

from contextrl.engines.host import PolicyHost
from contextrl.engines.processes import Processes
from contextrl.engines.shared_prefix.generation import Decoder, Samples
from contextrl.engines.shared_prefix.packing import real_tokens
from contextrl.engines.shared_prefix.prompts import EncodedPrompts
from contextrl.engines.shared_prefix.scorer import PromptScorer
from contextrl.engines.shared_prefix.sharing import Sharing

#: Largest difference of a log-probability that rounding explains: in float32, and on average in lower precision.
TOLERANCE, LOW_PRECISION_TOLERANCE = 1e-3, 0.1


class Probe:
    """Scores and decodes two short texts after a real prompt both ways; sharing is given up if the numbers differ.

    Args:
        host: the trainer.
        sharing: what is given up.
        scorer: scores both ways.
        decoder: makes the decoder of a model and its samples.
        generating: the model as it samples.
    """

    def __init__(
        self,
        host: PolicyHost,
        sharing: Sharing,
        scorer: PromptScorer,
        decoder: Callable[[Any, Samples], Decoder],
        generating: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self.host, self.sharing, self.scorer = host, sharing, scorer
        self.decoder, self.generating = decoder, generating

    def run(self, prompts: EncodedPrompts) -> None:
        """Collective: with several processes, one that differs turns sharing off everywhere."""
        model = self.host.model
        training = model.training
        model.eval()  # dropout would differ by itself
        # One with images, where there is one: a model may read them in its own way.
        chosen = max(range(len(prompts)), key=lambda n: prompts.prompts.num_images[n])
        try:
            difference, problem = self._difference(prompts.select([chosen])), ""
        except Exception as error:  # whatever a model's code may do with inputs that it was not written for
            difference, problem = float("inf"), f"its forward fails ({type(error).__name__}: {error})"
        finally:
            model.train(training)
        failed = not difference <= (TOLERANCE if self._exact else LOW_PRECISION_TOLERANCE)
        if not Processes(self.host.accelerator).any(failed):
            return
        reason = problem or f"log-probabilities then differ by {difference:.2g}"
        self.sharing.give_up(reason if failed else "they differ on another process")

    @property
    def _exact(self) -> bool:
        """Whether the model computes in float32."""
        return bool(self.host.accelerator.mixed_precision == "no" and self.host.model.dtype == torch.float32)

    @torch.no_grad()
    def _difference(self, encoded: EncodedPrompts) -> float:
        end, model = self.host.eos_token_ids[0], self.host.model
        completions = torch.tensor([[encoded.prompts.ids[0][-1], end], [end, end]], device=encoded.device)
        lengths = [2, 1]
        real = real_tokens(lengths, 2, encoded.device)
        expected, _ = self.scorer.score_by("separate", model, encoded, [0, 0], completions, lengths)
        scored, _ = self.scorer.score_by(self.sharing.way, model, encoded, [0, 0], completions, lengths)
        with self.generating() as generating:
            decoder = self.decoder(generating, Samples(encoded, [0, 0], [[], []]))
            logits = torch.stack([decoder.start(), decoder.step(completions[:, 0])], dim=1)
        scores = torch.log_softmax(logits.float() / self.host.temperature, dim=-1)
        decoded = scores.gather(2, completions[..., None])[..., 0]
        differences = [(values.float() - expected.float()).abs()[real] for values in (scored, decoded)]
        # Rounding to 8 bits moves single values far, and all of them together little.
        return max(float(apart.max() if self._exact else apart.mean()) for apart in differences)
