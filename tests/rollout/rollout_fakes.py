"""Attempts and groups written as text, and a judge that answers from a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from contextrl.judge.protocol import JudgeRequest
from contextrl.policy.prompts import Prompts
from contextrl.records.example import Example
from contextrl.records.groups import Rejection
from contextrl.records.verdict import ReferenceContext, Usage, Verdict
from contextrl.rollout.groups import Attempt, Completion, Group

CORRECT = Verdict("correct", answer_correct=True, process_correct=True)
INCORRECT = Verdict("incorrect", answer_correct=False, process_correct=False)
FALSE_POSITIVE = Verdict("incorrect", answer_correct=True, process_correct=False)
UNSCORED = Verdict("unscored", error="time-out")
#: The outcomes of `group("+-x?")`.
VERDICTS = {"+": CORRECT, "-": INCORRECT, "x": FALSE_POSITIVE, "?": UNSCORED}


def example(name: str = "sum") -> Example:
    return Example(name, f"What is the {name}?", "4 + 8 = 12. Answer: 12", "12", "number")


def completion(text: str, *, truncated: bool = False) -> Completion:
    """Its ids are the text's bytes."""
    return Completion(tuple(text.encode()), text, truncated)


def attempt(outcome: str, text: str = "try", *, truncated: bool = False) -> Attempt:
    return Attempt(completion(text, truncated=truncated), verdict=VERDICTS[outcome])


def group(outcomes: str, name: str = "sum") -> Group:
    """A judged group: one stage-1 attempt per character, negatives with a report."""
    attempts = [attempt(outcome, f"{name} try {i}") for i, outcome in enumerate(outcomes)]
    for i, one in enumerate(attempts):
        if one.verdict is not None and one.verdict.status == "incorrect":
            one.verdict = replace(one.verdict, mistake_report=f"report {i}")
    return Group(example(name), 0, prompts_of(name), attempts)


def prompts_of(*names: str) -> Prompts:
    """One text-only prompt per name: its bytes."""
    return Prompts([list(name.encode()) for name in names], {}, [{} for _ in names], [0] * len(names))


def retry(parent: int, text: str, rejection: Rejection | None = None) -> Attempt:
    return Attempt(completion(text), stage=2, parent=parent, verdict=CORRECT, rejection=rejection)


class FakeJudge:
    """Answers by `verdict_of(request)`, remembers what it was asked, charges one call each."""

    name = "fake"
    context: ReferenceContext = "solution"

    def __init__(self, verdict_of: Callable[[JudgeRequest], Verdict]) -> None:
        self.verdict_of = verdict_of
        self.batches: list[list[JudgeRequest]] = []

    @property
    def asked(self) -> list[tuple[str, str]]:
        """(example id, response) of every request so far."""
        return [(request.example.id, request.response) for batch in self.batches for request in batch]

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        self.batches.append(list(requests))
        return [replace(self.verdict_of(request), usage=Usage(calls=1, tokens=10)) for request in requests]
