"""Judging attempts: identical responses of a group once, truncated ones never positive."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from contextrl.errors import ServiceError
from contextrl.judge.contract import JudgeContractError
from contextrl.judge.disclosure import cut_to_location, leaks_answer
from contextrl.judge.protocol import Judge, JudgeRequest, ask, is_concurrent
from contextrl.judge.settings import JudgingSettings
from contextrl.records.example import Example
from contextrl.records.verdict import PROVOKED, Disclosure, ReportTiming, Usage, Verdict, unscored
from contextrl.rollout.groups import Attempt

#: For an attempt that is negative only because the length limit cut it: the judge finds no mistake to report.
TRUNCATED_REPORT = "The answer was cut off: it is too long."


@dataclass
class JudgeTally:
    """What judging cost in one rollout, and what failed.

    Attributes:
        errors: unscored verdicts by kind.
        unreadable: responses that count as incorrect because no reply about them could be read.
        usages: of every verdict that was asked for.
    """

    usages: list[Usage] = field(default_factory=list)
    verdicts: int = 0
    unscored: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    leaked_reports: int = 0
    reports: int = 0

    @property
    def usage(self) -> Usage:
        """All of them together. Sums of floats depend on their order, which must not depend on who answers first."""
        return sum(sorted(self.usages, key=lambda usage: (usage.cost, usage.seconds)), Usage())


class Verifier:
    """Asks a judge about attempts and remembers what that cost. Threads may share it; attempts are one thread's.

    Args:
        judge: the rewarded judge.
        audit: a second judge whose verdicts are recorded and never rewarded.
        disclose: what reports may say. At `location` and `hint` a report that states the answer is cut down.
        reports: `with_verdict` asks for the report on a negative in the call that verifies it.
        unreadable_attempts: so many unreadable replies about one response make it incorrect; None leaves it unscored.
        max_unscored_share: where more of the verdicts are unscored the judge is at fault, not a response.

    Attributes:
        failure: why a judge is gone, or what it got wrong; from then on nobody is asked and every verdict is unscored.
    """

    def __init__(
        self,
        judge: Judge,
        audit: Judge | None = None,
        disclose: Disclosure = "hint",
        *,
        reports: ReportTiming = "lazy",
        unreadable_attempts: int | None = None,
        max_unscored_share: float = 0.5,
    ) -> None:
        self.judge = judge
        self.audit = audit
        self.disclose = disclose
        self.reports = reports
        self.unreadable_attempts = unreadable_attempts
        self.max_unscored_share = max_unscored_share
        self.tally = JudgeTally()
        self.failure: ServiceError | JudgeContractError | None = None
        self._counting = threading.Lock()

    @classmethod
    def configured(cls, judge: Judge, audit: Judge | None, settings: JudgingSettings) -> Verifier:
        """As the `judge` section says."""
        return cls(
            judge,
            audit,
            settings.report.disclose,
            reports=settings.reports,
            unreadable_attempts=settings.unreadable_attempts,
            max_unscored_share=settings.max_unscored_share,
        )

    @property
    def concurrent(self) -> bool:
        """Whether its judges may be asked by several threads at once; see `judge.protocol.is_concurrent`."""
        return all(is_concurrent(judge) for judge in (self.judge, self.audit) if judge is not None)

    def verify(
        self,
        attempts: Sequence[tuple[Example, Attempt]],
        *,
        wants_report: bool = False,
        wants_standalone: bool = False,
    ) -> None:
        """Set `verdict` (and `audit`) of every attempt in place."""
        wishes = (wants_report, wants_standalone)
        self.settle(attempts, self.insist(attempts, self.first(attempts, *wishes), *wishes))

    def first(
        self, attempts: Sequence[tuple[Example, Attempt]], wants_report: bool, wants_standalone: bool
    ) -> list[Verdict]:
        """What the judge says at first; `settle` makes it stand, after `insist` where it is in doubt."""
        return self._ask(self.judge, attempts, wants_report, wants_standalone)

    def in_doubt(self, verdicts: Sequence[Verdict]) -> bool:
        """Whether there is a reply to insist on, which has to wait for the other verdicts of its stage."""
        return self.unreadable_attempts is not None and any(verdict.error_kind in PROVOKED for verdict in verdicts)

    def settle(self, attempts: Sequence[tuple[Example, Attempt]], verdicts: Sequence[Verdict]) -> None:
        """Set `verdict` of every attempt in place, and ask for `audit`."""
        for (_, attempt), verdict in zip(attempts, verdicts, strict=True):
            attempt.verdict = not_positive_if_truncated(verdict, attempt.completion.truncated)
        lost = [verdict.error_kind or "unknown" for verdict in verdicts if verdict.status == "unscored"]
        with self._counting:
            self.tally.verdicts += len(verdicts)
            self.tally.unscored += len(lost)
            self.tally.errors.update(lost)
        if self.audit is not None:
            for (_, attempt), verdict in zip(attempts, self._ask(self.audit, attempts, False, False), strict=True):
                attempt.audit = not_positive_if_truncated(verdict, attempt.completion.truncated)

    def insist(
        self,
        attempts: Sequence[tuple[Example, Attempt]],
        verdicts: list[Verdict],
        wants_report: bool,
        wants_standalone: bool,
        others: Sequence[Verdict] = (),
    ) -> list[Verdict]:
        """Ask again about responses that a judge's reply is unreadable for; in the end they are incorrect.

        A response that can make the judge write what nobody can read would escape its penalty. Where most replies
        are unreadable it is the judge's fault, and nothing is changed.

        Args:
            others: verdicts of the same stage that are not in doubt, for that share.
        """
        if self.unreadable_attempts is None:
            return verdicts
        for attempt in range(1, self.unreadable_attempts + 1):
            provoked = [i for i, verdict in enumerate(verdicts) if verdict.error_kind in PROVOKED]
            unscored = sum(verdict.status == "unscored" for verdict in (*verdicts, *others))
            if not provoked or unscored > self.max_unscored_share * (len(verdicts) + len(others)):
                return verdicts
            if attempt < self.unreadable_attempts:
                asked = [attempts[i] for i in provoked]
                again = self._ask(self.judge, asked, wants_report, wants_standalone, attempt=attempt)
            else:
                again = [replace(verdicts[i], status="incorrect") for i in provoked]
                with self._counting:
                    self.tally.unreadable += len(provoked)
            for i, verdict in zip(provoked, again, strict=True):
                verdicts[i] = verdict
        return verdicts

    def add_reports(self, negatives: Sequence[tuple[Example, Attempt]]) -> None:
        """Mistake reports on attempts already found incorrect; only all-negative groups need them.

        One that is not self-consistent gets none (arXiv 2602.22623, A.2), nor does one about which no reply could be
        read.
        """
        asked = [pair for pair in negatives if self._needs_report(pair[1])]
        answers = self._ask(self.judge, asked, True, False)
        for (_, attempt), answer in zip(asked, answers, strict=True):
            assert attempt.verdict is not None
            report, step = answer.mistake_report, answer.mistake_step
            attempt.verdict = replace(attempt.verdict, mistake_report=report, mistake_step=step)
        for example, attempt in negatives:
            self._check_report(example, attempt)

    def _needs_report(self, attempt: Attempt) -> bool:
        verdict = attempt.verdict
        assert verdict is not None
        return verdict.mistake_report is None and verdict.self_consistent is not False and verdict.error is None

    def _check_report(self, example: Example, attempt: Attempt) -> None:
        """Count the report, and cut one down that gives the answer away."""
        assert attempt.verdict is not None
        report = attempt.verdict.mistake_report
        if report is None and attempt.completion.truncated:
            report = TRUNCATED_REPORT
        if report:
            leaked = leaks_answer(report, example, attempt.completion.text)
            with self._counting:
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
        *,
        attempt: int = 0,
    ) -> list[Verdict]:
        """One request per distinct (example, response); the cost is counted once."""
        keys = [(example.id, asked.completion.text) for example, asked in attempts]
        distinct = dict(zip(keys, attempts, strict=True))
        requests = [
            JudgeRequest(
                example,
                asked.completion.text,
                judge.context,
                wants_report,
                wants_standalone,
                # What was cut off may have no mistake to report: there the judge looks again.
                known_verdict=asked.verdict if wants_report and not asked.completion.truncated else None,
                attempt=attempt,
            )
            for example, asked in distinct.values()
        ]
        verdicts = dict(zip(distinct, self._verdicts(judge, requests), strict=True))
        with self._counting:
            self.tally.usages += [verdict.usage for verdict in verdicts.values()]
        return [verdicts[key] for key in keys]

    def _verdicts(self, judge: Judge, requests: list[JudgeRequest]) -> list[Verdict]:
        """A judge that is gone is remembered, not raised: generation is collective, so processes stop together."""
        if requests and self.failure is None:
            try:
                return ask(judge, requests)
            except (ServiceError, JudgeContractError) as error:
                self.failure = self.failure or error
        return [unscored("gone", str(self.failure)) for _ in requests]


def not_positive_if_truncated(verdict: Verdict, truncated: bool) -> Verdict:
    """Text cut at the length limit is not a positive, whatever it says so far; where nobody looked nobody has."""
    if not truncated or verdict.status == "unscored":
        return verdict
    process = None if verdict.process_correct is None else False
    return replace(verdict, status="incorrect", answer_correct=False, process_correct=process)
