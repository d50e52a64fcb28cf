"""From readings of replies to one verdict: the rule for the answer, the majority of votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from contextrl.judge.llm.parsing import Reading
from contextrl.judge.protocol import JudgeRequest
from contextrl.judge.rules import confident_rule
from contextrl.records.verdict import Status, UnscoredKind, Usage, Verdict, unscored


@dataclass(frozen=True)
class Vote:
    """One reading of one reply, or why there is none, and what it cost."""

    reading: Reading
    usage: Usage

    @property
    def failure(self) -> UnscoredKind | None:
        return self.reading.failure


def status_of(reading: Reading, answer: bool | None) -> Status:
    """Correct only if the process is right, the answer not wrong and the response of one piece."""
    if reading.failure is not None:
        return "unscored"
    return "correct" if replace(reading, answer_correct=answer).passes else "incorrect"


def answer_of(reading: Reading, rule: bool | None) -> bool | None:
    """What a rule can tell for certain it tells better than a model: 0.5 is 1/2 whoever judges."""
    return reading.answer_correct if rule is None else rule


def process_of(reading: Reading) -> bool | None:
    """A response that is not self-consistent is not correct (arXiv 2602.22623, A.2), whatever else is said of it."""
    return False if reading.self_consistent is False else reading.process_correct


def rule_of(request: JudgeRequest) -> bool | None:
    """The rule's verdict on the final answer, where the context lets the judge know it."""
    return None if request.context == "none" else confident_rule(request.example, request.response)


def decide(votes: Sequence[Vote], rule: bool | None, *, cut: bool) -> Verdict:
    """One verdict from all votes, with the first report that the winning side has.

    Args:
        votes: at least one.
        rule: see `rule_of`.
        cut: the judge saw only a part of the response, so it can find a mistake but not the absence of mistakes.

    Returns:
        The side with more votes; a tie is unscored, and so is a vote that nobody cast, with the first failure's kind.
    """
    usage = sum((vote.usage for vote in votes), Usage())
    sides: dict[Status, list[Reading]] = {"correct": [], "incorrect": [], "unscored": []}
    for vote in votes:
        sides[status_of(vote.reading, answer_of(vote.reading, rule))].append(vote.reading)
    right, wrong = sides["correct"], sides["incorrect"]
    if not right and not wrong:
        first = sides["unscored"][0]
        assert first.failure is not None
        return unscored(first.failure, first.detail, usage)
    if len(right) == len(wrong):
        return unscored("tie", f"{len(right)} votes each way", usage)
    winners = right if len(right) > len(wrong) else wrong
    if winners is right and cut:
        return unscored("too_long", "the judge saw only a part of the response (judge.max_response_chars)", usage)
    return Verdict(
        status="correct" if winners is right else "incorrect",
        answer_correct=_most([answer_of(reading, rule) for reading in winners]),
        process_correct=_most([process_of(reading) for reading in winners]),
        self_consistent=_most([reading.self_consistent for reading in winners]),
        mistake_report=next((reading.report for reading in winners if reading.report is not None), None),
        usage=usage,
    )


def _most(flags: Sequence[bool | None]) -> bool | None:
    """The value that most give; False where they are divided, None where nobody looked."""
    given = [flag for flag in flags if flag is not None]
    return sum(given) * 2 > len(given) if given else None


def is_decided(votes: Sequence[Vote], rule: bool | None, total: int) -> bool:
    """Whether the votes that are not cast yet cannot change the outcome."""
    states = [status_of(vote.reading, answer_of(vote.reading, rule)) for vote in votes]
    return max(states.count("correct"), states.count("incorrect")) * 2 > total
