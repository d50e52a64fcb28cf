"""Judging attempts: identical responses of a group once, truncated ones never positive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from contextrl.errors import ServiceError
from contextrl.judge.disclosure import cut_to_location, leaks_answer
from contextrl.judge.protocol import Judge, JudgeRequest
from contextrl.records.example import Example
from contextrl.records.verdict import Disclosure, Usage, Verdict, unscored
from contextrl.rollout.groups import Attempt

#: For an attempt that is negative only because the length limit cut it: the judge finds no mistake to report.
TRUNCATED_REPORT = "The answer was cut off: it is too long."


@dataclass
class JudgeTally:
    """What judging cost in one rollout, and what failed: `errors` counts unscored verdicts by kind."""

    usage: Usage = field(default_factory=Usage)
    verdicts: int = 0
    unscored: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    leaked_reports: int = 0
    reports: int = 0


class Verifier:
    """Asks a judge about attempts and remembers what that cost.

    Args:
        judge: the rewarded judge.
        audit: a second judge whose verdicts are recorded and never rewarded.
        disclose: what reports may say. At `location` and `hint` a report that states the answer is cut down.

    Attributes:
        failure: why a judge is gone; from then on nobody is asked and every verdict is unscored.
    """

    def __init__(self, judge: Judge, audit: Judge | None = None, disclose: Disclosure = "hint") -> None:
        self.disclose = disclose
        self.judge = judge
        self.audit = audit
        self.tally = JudgeTally()
        self.failure: ServiceError | None = None

    def verify(
        self,
        attempts: Sequence[tuple[Example, Attempt]],
        *,
        wants_report: bool = False,
        wants_standalone: bool = False,
    ) -> None:
        """Set `verdict` (and `audit`) of every attempt in place."""
        verdicts = self._ask(self.judge, attempts, wants_report, wants_standalone)
        for (_, attempt), verdict in zip(attempts, verdicts, strict=True):
            attempt.verdict = not_positive_if_truncated(verdict, attempt.completion.truncated)
            if verdict.status == "unscored":
                self.tally.unscored += 1
                self.tally.errors[verdict.error_kind or "unknown"] += 1
        self.tally.verdicts += len(verdicts)
        if self.audit is not None:
            for (_, attempt), verdict in zip(attempts, self._ask(self.audit, attempts, False, False), strict=True):
                attempt.audit = not_positive_if_truncated(verdict, attempt.completion.truncated)

    def add_reports(self, negatives: Sequence[tuple[Example, Attempt]]) -> None:
        """Ask for mistake reports on attempts already found incorrect; only all-negative groups need them."""
        answers = self._ask(self.judge, negatives, True, False)
        for (example, attempt), answer in zip(negatives, answers, strict=True):
            assert attempt.verdict is not None
            report = answer.mistake_report
            if report is None and attempt.completion.truncated:
                report = TRUNCATED_REPORT
            if report:
                leaked = leaks_answer(report, example, attempt.completion.text)
                self.tally.reports += 1
                self.tally.leaked_reports += leaked
                if leaked and self.disclose in ("location", "hint"):
                    report = cut_to_location(report)
            attempt.verdict = replace(attempt.verdict, mistake_report=report)

    def _ask(
        self,
        judge: Judge,
        attempts: Sequence[tuple[Example, Attempt]],
        wants_report: bool,
        wants_standalone: bool,
    ) -> list[Verdict]:
        """One request per distinct (example, response); the cost is counted once."""
        keys = [(example.id, attempt.completion.text) for example, attempt in attempts]
        distinct = dict(zip(keys, attempts, strict=True))
        requests = [
            JudgeRequest(
                example,
                attempt.completion.text,
                judge.context,
                wants_report,
                wants_standalone,
                # What was cut off may have no mistake to report: there the judge looks again.
                known_verdict=attempt.verdict if wants_report and not attempt.completion.truncated else None,
            )
            for example, attempt in distinct.values()
        ]
        verdicts = dict(zip(distinct, self._verdicts(judge, requests), strict=True))
        self.tally.usage = sum((verdict.usage for verdict in verdicts.values()), self.tally.usage)
        return [verdicts[key] for key in keys]

    def _verdicts(self, judge: Judge, requests: list[JudgeRequest]) -> list[Verdict]:
        """A judge that is gone is remembered, not raised: generation is collective, so processes stop together."""
        if requests and self.failure is None:
            try:
                return judge.judge(requests)
            except ServiceError as error:
                self.failure = error
        return [unscored("gone", str(self.failure)) for _ in requests]


def not_positive_if_truncated(verdict: Verdict, truncated: bool) -> Verdict:
    """Text cut at the length limit is not a positive, whatever it says so far."""
    if not truncated or verdict.status == "unscored":
        return verdict
    return replace(verdict, status="incorrect", answer_correct=False, process_correct=False)
