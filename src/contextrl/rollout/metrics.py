"""What a rollout says about its groups, in sums that processes can add before dividing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

from contextrl.judge.vagueness import names_no_mistake
from contextrl.records import metrics as names
from contextrl.records.verdict import UnscoredKind, Verdict
from contextrl.rollout.groups import Attempt, Group
from contextrl.rollout.verify import JudgeTally


@dataclass
class RolloutSums:
    """`shares`: name to (numerator, denominator). `counts`: name to a number that adds up over processes."""

    shares: dict[str, tuple[float, float]] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)


def rollout_sums(
    groups: Sequence[Group],
    tally: JudgeTally,
    *,
    sampled: Sequence[Group] | None = None,
    trained: Sequence[Group] | None = None,
    rewards: Sequence[str] = (),
    answer_only: float = 0.0,
    aligned: bool = False,
) -> RolloutSums:
    """The step's metrics over its groups and stage-1 samples, before mixing; see `contextrl.records.metrics`.

    Args:
        groups: what the data gave.
        tally: what judging cost.
        sampled: these and dynamic sampling's; `groups` by default.
        trained: the groups in the batch; `groups` by default.
        rewards: names of the reward functions beside the judge.
        answer_only: what a right answer by a wrong process is worth.
        aligned: whether rolled-back responses are trained from the step on that was wrong.
    """
    sampled = groups if sampled is None else sampled
    trained = groups if trained is None else trained
    sums = RolloutSums()
    n = float(len(groups))
    for kind, name in names.GROUP_OF.items():
        sums.shares[name] = (float(sum(group.kind == kind for group in groups)), n)
    recovered = float(sum(group.recovered for group in groups))
    sums.shares[names.GROUP_RECOVERED] = sums.shares[names.KNOWLEDGE_RHO_R] = (recovered, n)
    _add_accuracy(sums, [attempt for group in groups for attempt in group.attempts])
    _add_rewarded(sums, [attempt for group in groups for attempt in group.attempts])
    _add_stage2(sums, [retry for group in sampled for retry in group.retries])
    sums.counts[names.STAGE2_WITHOUT_REPORT] = float(
        sum(not group.report_on(retry) for group in sampled for retry in group.retries)
    )
    left = sum(group.kind == "all_negative" and not group.may_retry for group in sampled)
    sums.counts[names.STAGE2_LEFT] = float(left)
    members = [member for group in trained for member in group.members]
    sums.shares[names.OFF_POLICY_SAMPLES] = (float(sum(m.rolled_back for m in members)), float(len(members)))
    _add_judge(sums, tally)
    if aligned:
        owned = [(group, member) for group in trained for member in group.members if member.rolled_back]
        whole = sum(group.wrong_step(member) is None for group, member in owned)
        sums.shares[names.OFF_POLICY_UNALIGNED] = (float(whole), float(len(owned)))
    if rewards:
        _add_rewards(sums, [attempt for group in trained for attempt in group.attempts], rewards, answer_only)
    return sums


def vague_reports(groups: Sequence[Group]) -> tuple[float, float]:
    """How many mistake reports name no mistake, and how many there are."""
    verdicts = [attempt.verdict for group in groups for attempt in group.attempts]
    reports = [verdict.mistake_report for verdict in verdicts if verdict is not None and verdict.mistake_report]
    return float(sum(map(names_no_mistake, reports))), float(len(reports))


def shown_verdict(attempt: Attempt) -> Verdict | None:
    """The verdict that accuracy is counted by: the audit's where there is one, else the rewarded judge's."""
    return attempt.audit if attempt.audit is not None else attempt.verdict


def _add_accuracy(sums: RolloutSums, attempts: Sequence[Attempt]) -> None:
    """Shares of samples; verdicts that say nothing of the answer or the process are left out."""
    verdicts = [verdict for attempt in attempts if (verdict := shown_verdict(attempt)) is not None]
    answers = [verdict for verdict in verdicts if verdict.answer_correct is not None]
    looked = [verdict for verdict in answers if verdict.process_correct is not None]
    right = [verdict for verdict in looked if verdict.answer_correct]
    both = [verdict for verdict in right if verdict.process_correct]
    sums.shares[names.ACCURACY_ANSWER] = (
        float(sum(v.answer_correct is True for v in answers)),
        float(len(answers)),
    )
    sums.shares[names.ACCURACY_PROCESS] = (float(len(both)), float(len(looked)))
    false_positives = float(sum(v.false_positive for v in right))
    sums.shares[names.JUDGE_FALSE_POSITIVE_RATE] = (false_positives, float(len(right)))
    # Of all samples, those too whose wrong answer made it needless to look at the process.
    sums.shares[names.KNOWLEDGE_RHO_FP] = (false_positives, float(len(answers)) if looked else 0.0)


def _add_rewarded(sums: RolloutSums, attempts: Sequence[Attempt]) -> None:
    """What the rewarded judge accepts, of the samples that a second one has looked at."""
    pairs = [(attempt.verdict, attempt.audit) for attempt in attempts]
    both = [v for v, audit in pairs if v and audit and "unscored" not in (v.status, audit.status)]
    sums.shares[names.ACCURACY_REWARDED] = (float(sum(v.status == "correct" for v in both)), float(len(both)))


def _add_rewards(sums: RolloutSums, attempts: Sequence[Attempt], rewards: Sequence[str], answer_only: float) -> None:
    """The verdict's own reward and each function's, over the stage-1 samples to which it applies."""
    verdicts = [reward for attempt in attempts if (reward := attempt.reward_with(answer_only)) is not None]
    sums.shares[names.REWARD_OF_VERDICT] = (sum(verdicts), float(len(verdicts)))
    for name in rewards:
        values = [attempt.rewards[name] for attempt in attempts if name in attempt.rewards]
        sums.shares[names.reward_of(name)] = (sum(values), float(len(values)))


def _add_stage2(sums: RolloutSums, retries: Sequence[Attempt]) -> None:
    sums.counts[names.STAGE2_ATTEMPTS] = float(len(retries))
    sums.counts[names.STAGE2_KEPT] = float(sum(retry.rejection is None for retry in retries))
    for reason, name in names.STAGE2_REJECTED.items():
        sums.counts[name] = float(sum(retry.rejection == reason for retry in retries))


def _add_judge(sums: RolloutSums, tally: JudgeTally) -> None:
    sums.shares[names.JUDGE_UNSCORED] = (float(tally.unscored), float(tally.verdicts))
    for kind in (*get_args(UnscoredKind), "unknown"):
        sums.counts[names.unscored_of(kind)] = float(tally.errors[kind])
    for part, name in names.JUDGE_COST_OF.items():
        sums.counts[name] = float(getattr(tally.usage, part))
    sums.counts[names.JUDGE_UNREADABLE] = float(tally.unreadable)
    sums.shares[names.JUDGE_GATE_ERROR] = (float(tally.usage.gate_overruled), float(tally.usage.gate_audited))
    sums.shares[names.JUDGE_ESCALATED] = (float(tally.usage.escalated), float(tally.usage.unaided))
    sums.shares[names.REPORT_LEAKED_ANSWER] = (float(tally.leaked_reports), float(tally.reports))
