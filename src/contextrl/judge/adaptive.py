"""Adaptive context: the judge is shown the reference only where without it its votes part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from contextrl.judge.protocol import Judge, JudgeRequest, stream_verdicts
from contextrl.judge.settings import AdaptiveConfig
from contextrl.judge.wrapping import WrappingJudge
from contextrl.records.verdict import Usage, Verdict


class AdaptiveJudge(WrappingJudge):
    """Asks several times with little context, and once more with all of it where the votes differ.

    A vote without a verdict is a difference too. Mistake reports are written with the whole context: they have to know
    what is wrong, and only negatives of groups that are to be retried need one. `unaided` and `escalated` in the
    verdicts' usage count what was asked so, and what the reference was shown for.

    Args:
        judge: who is asked; one that samples draws anew for each vote (`JudgeRequest.vote`).
        settings: how often, and with how much context at first.
    """

    def __init__(self, judge: Judge, settings: AdaptiveConfig) -> None:
        super().__init__(judge)
        self.settings = settings

    def stream(self, requests: Sequence[JudgeRequest]) -> Iterator[tuple[int, Verdict]]:
        """(index, verdict): where votes agree as they come, then the others."""
        votes: dict[int, list[Verdict]] = {}
        with_reference: list[tuple[int, JudgeRequest, Usage]] = []
        asked: list[tuple[int, JudgeRequest]] = []
        for index, request in enumerate(requests):
            if request.known_verdict is not None or request.context != self.context:
                with_reference.append((index, request, Usage()))
            else:
                asked += [(index, self._unaided(request, vote)) for vote in range(self.settings.votes)]
        for position, verdict in stream_verdicts(self.judge_, [request for _, request in asked]):
            index = asked[position][0]
            of_request = votes.setdefault(index, [])
            of_request.append(verdict)
            if len(of_request) < self.settings.votes:
                continue
            request, spent = requests[index], sum((one.usage for one in of_request), Usage(unaided=1))
            if not _agree(of_request):
                with_reference.append((index, request, spent + Usage(escalated=1)))
            elif request.wants_report and verdict.status == "incorrect" and verdict.self_consistent is not False:
                with_reference.append((index, replace(request, known_verdict=verdict), spent))
            else:
                yield index, replace(verdict, usage=spent)
        for position, verdict in stream_verdicts(self.judge_, [request for _, request, _ in with_reference]):
            index, _, spent = with_reference[position]
            yield index, replace(verdict, usage=verdict.usage + spent)

    def _unaided(self, request: JudgeRequest, vote: int) -> JudgeRequest:
        return replace(request, context=self.settings.first, vote=vote, wants_report=False)


def _agree(votes: Sequence[Verdict]) -> bool:
    return {vote.status for vote in votes} in ({"correct"}, {"incorrect"})
