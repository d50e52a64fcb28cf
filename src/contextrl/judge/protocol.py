"""The judge protocol: what a judge is asked and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from contextrl.errors import ContextRLError
from contextrl.judge.contract import checked_verdicts, judge_failed
from contextrl.loop import awaited
from contextrl.records.example import Example
from contextrl.records.verdict import ReferenceContext, Verdict


@dataclass(frozen=True)
class JudgeRequest:
    """One response to verify.

    Attributes:
        example: question, images and reference.
        response: the policy's text, untrusted.
        context: how much of the reference the judge may use.
        wants_report: ask for a mistake report if the response is incorrect.
        wants_standalone: the response is a retry, of which a judge of your own may also say whether it stands alone.
        known_verdict: an incorrect verdict that is known already, where only its mistake report is wanted: a judge
            whose calls cost something need not verify again.
        attempt: how many times the judge's reply about this response could not be read before.
        vote: which of several looks at the same response this is; a judge that samples draws anew for each.
    """

    example: Example
    response: str
    context: ReferenceContext = "solution"
    wants_report: bool = False
    wants_standalone: bool = False
    known_verdict: Verdict | None = None
    attempt: int = 0
    vote: int = 0


class Judge(Protocol):
    """Verifies responses. `name` labels its metrics; `context` is what it is allowed to see.

    A judge of your own is a class with these three; `judge` may be an `async def` (see `ask`).
    """

    name: str
    context: ReferenceContext

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """Return one verdict per request, in order. A failure is an unscored verdict, not an exception.

        Raises:
            ServiceError: when the judge is gone for good and the run should stop (resumable).
        """
        ...


def ask(judge: Judge, requests: Sequence[JudgeRequest]) -> list[Verdict]:
    """One verdict per request, in order, awaited where the judge is asynchronous.

    Raises:
        JudgeContractError: the judge returned something else, or raised what is no error of ours.
        ServiceError: the judge is gone.
    """
    where = f"{type(judge).__name__}.judge"
    try:
        verdicts = awaited(judge.judge(requests))
    except ContextRLError:
        raise
    except Exception as error:
        raise judge_failed(error, where=where) from error
    return checked_verdicts(verdicts, len(requests), where=where)


def is_concurrent(judge: Judge) -> bool:
    """Whether several threads may ask it at once: it has an attribute `concurrent` that is True.

    Any other judge is asked by one thread at a time, which need not be the main thread.
    """
    return getattr(judge, "concurrent", False) is True


@runtime_checkable
class StreamingJudge(Judge, Protocol):
    """A judge that hands out verdicts as they come, for work that is written down as it goes."""

    def stream(self, requests: Sequence[JudgeRequest]) -> Iterator[tuple[int, Verdict]]:
        """Yield (index of the request, its verdict), each request once, in the order in which they are ready.

        Raises:
            ServiceError: as `judge`; what was yielded before stays valid.
        """
        ...


def stream_verdicts(judge: Judge, requests: Sequence[JudgeRequest]) -> Iterator[tuple[int, Verdict]]:
    """(index, verdict) from any judge: as they come, or one by one where the judge cannot stream."""
    if isinstance(judge, StreamingJudge):
        yield from judge.stream(requests)
        return
    for index, request in enumerate(requests):
        yield index, ask(judge, [request])[0]


@runtime_checkable
class ServedJudge(Judge, Protocol):
    """A judge that needs something outside this process."""

    def check(self) -> None:
        """Find out now whether it is there.

        Raises:
            InputError: a wrong key or model name.
            ServiceError: no server answers.
        """
        ...

    def close(self) -> None:
        """Close connections and caches."""
        ...


def check_judge(judge: Judge | None) -> None:
    """Let a judge that needs a service find out now that it is not there; see `ServedJudge.check`."""
    if isinstance(judge, ServedJudge):
        _call(judge, "check")


def close_judge(judge: Judge | None) -> None:
    """Close what a judge has open, if it has anything."""
    if isinstance(judge, ServedJudge):
        _call(judge, "close")


def _call(judge: ServedJudge, method: str) -> None:
    """One without arguments, awaited where it is asynchronous; what it raises beside our own errors names the place."""
    try:
        awaited(getattr(judge, method)())
    except ContextRLError:
        raise
    except Exception as error:
        raise judge_failed(error, where=f"{type(judge).__name__}.{method}") from error
