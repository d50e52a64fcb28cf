"""Scoring as steps: a rule decides at once, or asks a model and goes on with its reply. Nothing here talks to one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contextrl.evaluation.benchmarks.items import Mark, failed

NO_JUDGE = failed("no judge: give --judge-url and --judge-model")


@dataclass(frozen=True)
class Ask:
    """A question to the judge model, and what its reply leads to.

    Attributes:
        prompt: the user's turn.
        then: the reply's text, untrusted, leads to a mark or to another question.
        system: the system's turn; none where empty.
        temperature: 0 is greedy.
        max_tokens: longest reply.
        seed: of the sampling; a question that is asked again has another one.
        without: the mark where there is no judge at all, as a protocol has it (VLMEvalKit's exact matching); by
            default it is counted as not judged.
    """

    prompt: str
    then: Callable[[str], Mark | Ask]
    system: str = ""
    temperature: float = 0.0
    max_tokens: int = 1024
    seed: int = 0
    without: Mark = NO_JUDGE


#: What scoring one response comes to, so far.
Step = Mark | Ask


def without_judge(step: Step) -> Mark:
    """The mark where no model can be asked."""
    return step.without if isinstance(step, Ask) else step


def finish(step: Step, answer: Callable[[Ask], str]) -> Mark:
    """Follow the steps to their mark.

    Args:
        answer: the model's reply to a question.
    """
    while isinstance(step, Ask):
        step = step.then(answer(step))
    return step
