"""The gate: a final answer that a rule is sure is wrong is negative without a call."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from contextrl.judge.protocol import Judge, JudgeRequest, stream_verdicts
from contextrl.judge.rules import confident_rule
from contextrl.judge.wrapping import WrappingJudge
from contextrl.records.verdict import Usage, Verdict


class GatedJudge(WrappingJudge):
    """Rules before a judge that costs something.

    Only a confident rule closes the gate (both answers could be read and are of the same type); what is doubtful, and
    every right answer, goes to the judge. A share of what the gate stopped is judged all the same, so that the gate's
    own error is known: `gate_audited` and `gate_overruled` in the verdicts' usage.

    Args:
        judge: who is asked about the rest; its context must include the answer, or the gate would tell it.
        audit_share: share of the stopped responses that are judged all the same, chosen by their text.
        defer_reports: leave reports on what the gate stopped for a later request, when it is known which are needed.

    Raises:
        ValueError: the judge must not know the answer.
    """

    def __init__(self, judge: Judge, audit_share: float = 0.02, *, defer_reports: bool = False) -> None:
        if judge.context == "none":
            raise ValueError("a gate by the reference answer needs a judge whose context includes it")
        super().__init__(judge)
        self.audit_share, self.defer_reports = audit_share, defer_reports

    def stream(self, requests: Sequence[JudgeRequest]) -> Iterator[tuple[int, Verdict]]:
        """(index, verdict): the gate's own first, then the judge's as they come."""
        asked: list[tuple[int, JudgeRequest, bool]] = []
        for index, request in enumerate(requests):
            if request.known_verdict is not None or confident_rule(request.example, request.response) is not False:
                asked.append((index, request, False))
            elif self._is_audited(request):
                asked.append((index, request, True))
            elif request.wants_report and not self.defer_reports:
                asked.append((index, replace(request, known_verdict=_stopped()), False))
            else:
                yield index, _stopped()
        for position, verdict in stream_verdicts(self.judge_, [request for _, request, _ in asked]):
            index, request, audited = asked[position]
            yield index, _audited(verdict) if audited else verdict

    def _is_audited(self, request: JudgeRequest) -> bool:
        """By content, so that a resumed run audits the same responses."""
        digest = hashlib.sha256(f"{request.example.id}\0{request.response}".encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") < self.audit_share * 2**64


def _stopped() -> Verdict:
    """Nobody looked at the process."""
    return Verdict("incorrect", answer_correct=False, usage=Usage(gated=1))


def _audited(verdict: Verdict) -> Verdict:
    """Count what the judge thinks of a response that the gate would have stopped."""
    overruled = verdict.status == "correct"
    counted = Usage(gate_audited=verdict.status != "unscored", gate_overruled=overruled)
    return replace(verdict, usage=verdict.usage + counted)
