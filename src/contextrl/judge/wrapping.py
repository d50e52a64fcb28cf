"""What judges share that stand before another judge: its name, its context, its connections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from contextrl.judge.protocol import Judge, JudgeRequest, check_judge, close_judge, is_concurrent
from contextrl.records.verdict import ReferenceContext, Verdict


class WrappingJudge(ABC):
    """A judge that decides which requests another one is asked, and how."""

    def __init__(self, judge: Judge) -> None:
        self.judge_ = judge
        self.name = judge.name
        self.context: ReferenceContext = judge.context
        self.concurrent = is_concurrent(judge)

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """One verdict per request, in order."""
        verdicts = dict(self.stream(requests))
        return [verdicts[index] for index in range(len(requests))]

    @abstractmethod
    def stream(self, requests: Sequence[JudgeRequest]) -> Iterator[tuple[int, Verdict]]:
        """(index, verdict) of every request, as verdicts come."""

    def check(self) -> None:
        """See `ServedJudge.check`."""
        check_judge(self.judge_)

    def close(self) -> None:
        """See `ServedJudge.close`."""
        close_judge(self.judge_)
