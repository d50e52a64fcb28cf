"""The judge protocol: what a judge is asked and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from contextrl.data.example import Example

#: How much of the reference the judge may see (paper section "context-augmented reward model").
ReferenceContext = Literal["none", "answer", "solution"]
Status = Literal["correct", "incorrect", "unscored"]
#: What a mistake report may tell the policy, from least to most.
Disclosure = Literal["location", "hint", "correction", "answer"]


@dataclass(frozen=True)
class Usage:
    """What one or more verdicts cost.

    Attributes:
        calls: requests that reached a model (0 for rules).
        cache_hits: verdicts answered from the cache.
        tokens: prompt and completion tokens together.
        seconds: time spent waiting, summed over calls.
        retries: calls repeated after a failure.
        parse_failures: replies in which no verdict could be read.
    """

    calls: int = 0
    cache_hits: int = 0
    tokens: int = 0
    seconds: float = 0.0
    retries: int = 0
    parse_failures: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.cache_hits + other.cache_hits,
            self.tokens + other.tokens,
            self.seconds + other.seconds,
            self.retries + other.retries,
            self.parse_failures + other.parse_failures,
        )


@dataclass(frozen=True)
class JudgeRequest:
    """One response to verify.

    Attributes:
        example: question, images and reference.
        response: the policy's text, untrusted.
        context: how much of the reference the judge may use.
        wants_report: ask for a mistake report if the response is incorrect.
        wants_standalone: ask whether the response stands on its own (stage 2 only).
    """

    example: Example
    response: str
    context: ReferenceContext = "solution"
    wants_report: bool = False
    wants_standalone: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a judge found.

    Attributes:
        status: `correct`, `incorrect`, or `unscored` where the judge failed. Unscored is never a zero reward.
        answer_correct: final answer right; None where nobody looked.
        process_correct: reasoning right; None where nobody looked.
        mistake_report: where and why the response went wrong; only if asked for and incorrect.
        standalone: whether a stage-2 response mentions neither its earlier attempt nor the report; None if not asked.
        error: why the verdict is unscored.
        usage: what it cost.
    """

    status: Status
    answer_correct: bool | None = None
    process_correct: bool | None = None
    mistake_report: str | None = None
    standalone: bool | None = None
    error: str | None = None
    usage: Usage = field(default_factory=Usage)

    @property
    def false_positive(self) -> bool:
        """Right answer, wrong reasoning: negative in ContextRL."""
        return self.answer_correct is True and self.process_correct is False


class Judge(Protocol):
    """Verifies responses. `name` labels its metrics; `context` is what it is allowed to see."""

    name: str
    context: ReferenceContext

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """Return one verdict per request, in order. A failure is an unscored verdict, not an exception.

        Raises:
            ServiceError: when the judge is gone for good and the run should stop (resumable).
        """
        ...
