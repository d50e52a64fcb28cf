"""The base policy of the longer questions: the shipped one, taught to calculate on, with its misconceptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console

from contextrl.miniature import BASE_POLICY
from contextrl.miniature.base import BaseRecipe, Sampler, hash_of_draws, taught
from contextrl.miniature.fitting import Fitted
from contextrl.miniature.long_judge import long_mistakes, parse_chain
from contextrl.miniature.long_task import LongProblem, draw_long, long_example, long_solution
from contextrl.miniature.steps_judge import Mistake
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.records.example import Example


@dataclass(frozen=True)
class LongRecipe(BaseRecipe):
    """As `BaseRecipe`, from the shipped base policy on; `kinds` is not used."""

    steps: int = 500
    direct: int = 16
    retries: int = 16
    learning_rate: float = 1.0e-3


class LongSampler(Sampler[LongProblem]):
    """Longer questions, answered as the base policy reads."""

    def draw(self, *, direct: bool) -> LongProblem:  # noqa: ARG002 - of both kinds alike
        return draw_long(self.rng, "train")

    def solution(self, problem: LongProblem, digits: Sequence[int], answer: str | None = None) -> str:
        return long_solution(problem.kind, digits, answer)

    def example(self, problem: LongProblem) -> Example:
        return long_example(problem, id="", voice="own", rng=self.rng)

    def mistakes(self, problem: LongProblem, attempt: str) -> list[Mistake]:
        return long_mistakes(parse_chain(attempt, problem.kind), problem.kind, problem.digits)

    def failed_attempt(self, problem: LongProblem) -> str:
        """Mostly a misreading; else a wrong conclusion."""
        read = self._read(problem.digits)
        if self.rng.random() < 0.9:
            return self.solution(problem, self.misread(read, problem.digits))
        wrong = self.rng.choice(["no", "yes"]) if problem.kind == "running_parity" else str(self.rng.randint(0, 9))
        return self.solution(problem, read, wrong)


def train_long(recipe: LongRecipe, *, console: Console | None = None) -> Fitted:
    """Train the base policy of the longer questions; a bar shows how far it is."""
    sampler = _sampler(recipe)

    def build(_: Any) -> Any:
        return load_policy(str(BASE_POLICY)).to(torch.float32).train()

    title = "Building the base policy of longer questions"
    return taught(sampler, recipe, title=title, build=build, console=console)


def long_fingerprint(recipe: LongRecipe) -> str:
    """SHA-256 of the first draws; see `base.fingerprint`."""
    return hash_of_draws(_sampler(recipe))


def _sampler(recipe: LongRecipe) -> LongSampler:
    path = str(BASE_POLICY)
    return LongSampler(load_processor(path, policy_config(path)), recipe)
