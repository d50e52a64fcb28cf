"""What a rollout says about its groups, in sums that processes can add before dividing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

from contextrl.judge.types import UnscoredKind, Verdict
from contextrl.rollout.groups import REJECTIONS, Attempt, Group
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
) -> RolloutSums:
    """The step's metrics over its groups and stage-1 samples, before mixing.

    `group/all_negative`, `solved`, `spread` and `unscored` add up to 1; `group/recovered` is counted within the first.
    `stage2/kept` and the rejections add up to `stage2/attempts`. The names are fixed by the design.

    Args:
        groups: what the data gave.
        tally: what judging cost.
        sampled: these and dynamic sampling's; `groups` by default.
        trained: the groups in the batch; `groups` by default.
    """
    sampled = groups if sampled is None else sampled
    trained = groups if trained is None else trained
    sums = RolloutSums()
    n = float(len(groups))
    for kind in ("all_negative", "solved", "spread", "unscored"):
        sums.shares[f"group/{kind}"] = (float(sum(group.kind == kind for group in groups)), n)
    sums.shares["group/recovered"] = (float(sum(group.recovered for group in groups)), n)
    _add_accuracy(sums, [attempt for group in groups for attempt in group.attempts])
    retries = [retry for group in sampled for retry in group.retries]
    sums.counts["stage2/attempts"] = float(len(retries))
    sums.counts["stage2/kept"] = float(sum(retry.rejection is None for retry in retries))
    for reason in REJECTIONS:
        sums.counts[f"stage2/{reason}"] = float(sum(retry.rejection == reason for retry in retries))
    slots = [slot for group in trained for slot in group.slots]
    sums.shares["off_policy/sample_share"] = (
        float(sum(slot.rolled_back for slot in slots)),
        float(len(slots)),
    )
    sums.shares["judge/unscored"] = (float(tally.unscored), float(tally.verdicts))
    for kind in (*get_args(UnscoredKind), "unknown"):
        sums.counts[f"judge/unscored_{kind}"] = float(tally.errors[kind])
    for part in ("calls", "cache_hits", "tokens", "seconds", "retries", "parse_failures", "cost", "gated"):
        sums.counts[f"judge/{part}"] = float(getattr(tally.usage, part))
    sums.shares["judge/gate_error"] = (float(tally.usage.gate_overruled), float(tally.usage.gate_audited))
    sums.shares["report/leaked_answer"] = (float(tally.leaked_reports), float(tally.reports))
    return sums


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
    sums.shares["accuracy/answer"] = (float(sum(v.answer_correct is True for v in answers)), float(len(answers)))
    sums.shares["accuracy/process"] = (float(len(both)), float(len(looked)))
    sums.shares["judge/false_positive_rate"] = (float(sum(v.false_positive for v in right)), float(len(right)))
