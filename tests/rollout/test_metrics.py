"""What a rollout reports: names, sums that add up, shares by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_fakes import CORRECT, FALSE_POSITIVE, INCORRECT, UNSCORED, attempt, group, retry

from contextrl.records.groups import REJECTIONS
from contextrl.records.verdict import UnscoredKind, Usage, Verdict
from contextrl.rollout.groups import Group
from contextrl.rollout.metrics import rollout_sums, shown_verdict
from contextrl.rollout.mixing import mix_group
from contextrl.rollout.verify import JudgeTally

#: Of the design: other tools read these from metrics.jsonl.
SHARES = {
    "accuracy/answer",
    "accuracy/process",
    "accuracy/rewarded",
    "group/all_negative",
    "group/solved",
    "group/spread",
    "group/recovered",
    "group/unscored",
    "judge/false_positive_rate",
    "judge/unscored",
    "judge/escalated",
    "judge/gate_error",
    "report/leaked_answer",
    "knowledge/rho_fp",
    "knowledge/rho_r",
}
COUNTS = {
    "stage2/attempts",
    "stage2/groups_left",
    "stage2/kept",
    "stage2/incorrect",
    "stage2/not_standalone",
    "stage2/truncated",
    "stage2/unscored",
    "stage2/duplicate",
    "stage2/over_cap",
    "stage2/without_report",
    "judge/unreadable",
    "judge/calls",
    "judge/prompt_tokens",
    "judge/cached_tokens",
    "judge/cache_hits",
    "judge/tokens",
    "judge/seconds",
    "judge/retries",
    "judge/parse_failures",
    "judge/cost",
    "judge/gated",
    *(f"judge/unscored_{kind}" for kind in get_args(UnscoredKind)),
    "judge/unscored_unknown",
}
RIGHT_NOBODY_LOOKED = Verdict("correct", answer_correct=True)
WRONG_NOBODY_LOOKED = Verdict("incorrect", answer_correct=False)


def shares(groups: list[Group], tally: JudgeTally | None = None) -> dict[str, tuple[float, float]]:
    return rollout_sums(groups, tally or JudgeTally()).shares


def judged_with(*verdicts: Verdict) -> Group:
    """A group with exactly these verdicts."""
    one = group("-" * len(verdicts))
    for sample, verdict in zip(one.attempts, verdicts, strict=True):
        sample.verdict = verdict
    return one


def test_names_are_those_of_the_design() -> None:
    sums = rollout_sums([group("+-")], JudgeTally())
    assert set(sums.shares) == {*SHARES, "off_policy/sample_share"}
    assert set(sums.counts) == COUNTS


def test_names_do_not_depend_on_what_happened() -> None:
    # Processes add their sums by name, so all must have all of them.
    for groups in ([], [group("??")], [group("--")], [judged_with(RIGHT_NOBODY_LOOKED)]):
        sums = rollout_sums(groups, JudgeTally())
        assert set(sums.shares) == {*SHARES, "off_policy/sample_share"}
        assert set(sums.counts) == COUNTS


def test_group_shares_by_hand() -> None:
    groups = [group("--"), group("-?"), group("++"), group("+-"), group("??")]
    groups[0].retries = [retry(0, "right")]
    assert {name: pair for name, pair in shares(groups).items() if name.startswith("group/")} == {
        "group/all_negative": (2, 5),
        "group/solved": (1, 5),
        "group/spread": (1, 5),
        "group/unscored": (1, 5),
        "group/recovered": (1, 5),
    }


def test_shares_are_taken_before_mixing() -> None:
    one = group("----")
    one.retries = [retry(0, "right")]
    before = shares([one])
    mix_group(one, 4)
    after = shares([one])
    assert before.pop("off_policy/sample_share") == (0, 4)
    assert after.pop("off_policy/sample_share") == (1, 4)
    assert before == after


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.text("+-x?", min_size=2, max_size=6), min_size=1, max_size=6))
def test_kinds_of_groups_add_up_to_one(outcomes: list[str]) -> None:
    found = shares([group(one) for one in outcomes])
    kinds = [found[f"group/{kind}"] for kind in ("all_negative", "solved", "spread", "unscored")]
    assert sum(numerator for numerator, _ in kinds) == len(outcomes)
    assert {denominator for _, denominator in kinds} == {len(outcomes)}
    assert found["group/recovered"][0] <= found["group/all_negative"][0]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.sampled_from([None, *REJECTIONS]))))
def test_kept_and_rejections_add_up_to_attempts(retries: list[tuple[int, str, None]]) -> None:
    one = group("----")
    one.retries = [retry(*fields) for fields in retries]
    mix_group(one, 2)
    counts = rollout_sums([one], JudgeTally()).counts
    assert counts["stage2/attempts"] == len(retries)
    assert counts["stage2/kept"] + sum(counts[f"stage2/{reason}"] for reason in REJECTIONS) == len(retries)


def test_stage_2_counts_by_hand() -> None:
    one, other = group("--"), group("--")
    one.retries = [retry(0, "a"), retry(1, "b", "incorrect")]
    other.retries = [retry(0, "c", "incorrect"), retry(1, "d", "truncated")]
    counts = rollout_sums([one, other], JudgeTally()).counts
    assert {name: value for name, value in counts.items() if name.startswith("stage2/") and value} == {
        "stage2/attempts": 4,
        "stage2/kept": 1,
        "stage2/incorrect": 2,
        "stage2/truncated": 1,
    }
    one.attempts[0].verdict = replace(INCORRECT, mistake_report=None, self_consistent=False)
    assert rollout_sums([one, other], JudgeTally()).counts["stage2/without_report"] == 1


def test_accuracy_by_hand() -> None:
    found = shares([group("+x-?"), group("++--")])
    # Seven scored samples; four right answers, three of them by right reasoning.
    assert found["accuracy/answer"] == (4, 7)
    assert found["accuracy/process"] == (3, 7)
    assert found["judge/false_positive_rate"] == (1, 4)


def test_retries_do_not_count_for_accuracy() -> None:
    one = group("--")
    one.retries = [retry(0, "right")]
    mix_group(one, 4)
    assert shares([one])["accuracy/answer"] == (0, 2)


def test_false_positive_rate_counts_only_right_answers_that_somebody_looked_at() -> None:
    one = judged_with(RIGHT_NOBODY_LOOKED, RIGHT_NOBODY_LOOKED, FALSE_POSITIVE, CORRECT, CORRECT, INCORRECT, UNSCORED)
    found = shares([one])
    assert found["judge/false_positive_rate"] == (1, 3)
    assert found["accuracy/answer"] == (5, 6)
    # Looked at: the false positive, the two correct, and the wrong answer, which has no right process.
    assert found["accuracy/process"] == (2, 4)


def test_an_answer_only_judge_says_nothing_of_the_process() -> None:
    found = shares([judged_with(RIGHT_NOBODY_LOOKED, WRONG_NOBODY_LOOKED)])
    assert found["accuracy/answer"] == (1, 2)
    assert found["accuracy/process"] == (0, 0)
    assert found["judge/false_positive_rate"] == (0, 0)


def test_an_answer_only_judge_says_nothing_of_the_process_over_two_processes() -> None:
    # Three right answers of eight, none looked at; the sum over processes must not be "0 % right processes".
    here = shares([judged_with(*[RIGHT_NOBODY_LOOKED] * 3, WRONG_NOBODY_LOOKED)])["accuracy/process"]
    there = shares([judged_with(*[WRONG_NOBODY_LOOKED] * 4)])["accuracy/process"]
    assert here[1] + there[1] == 0


def test_the_audit_is_what_accuracy_shows() -> None:
    one = judged_with(RIGHT_NOBODY_LOOKED, RIGHT_NOBODY_LOOKED, WRONG_NOBODY_LOOKED)
    for sample, audit in zip(one.attempts, (FALSE_POSITIVE, CORRECT, INCORRECT), strict=True):
        sample.audit = audit
    found = shares([one])
    assert found["accuracy/process"] == (1, 3)
    assert found["judge/false_positive_rate"] == (1, 2)
    # The group's kind is still the rewarded judge's.
    assert found["group/spread"] == (1, 1)


def test_what_is_rewarded_is_counted_where_an_audit_has_looked_too() -> None:
    one = judged_with(CORRECT, CORRECT, INCORRECT, UNSCORED, CORRECT)
    for sample, audit in zip(one.attempts, (FALSE_POSITIVE, CORRECT, INCORRECT, CORRECT, UNSCORED), strict=True):
        sample.audit = audit
    found = shares([one])
    # Three samples have both verdicts: two are rewarded, one of them by the audit too.
    assert found["accuracy/rewarded"] == (2, 3)
    assert shares([judged_with(CORRECT, INCORRECT)])["accuracy/rewarded"] == (0, 0), "nobody audits"


def test_shown_verdict() -> None:
    sample = attempt("+")
    assert shown_verdict(sample) == CORRECT
    sample.audit = FALSE_POSITIVE
    assert shown_verdict(sample) == FALSE_POSITIVE
    sample.audit = sample.verdict = None
    assert shown_verdict(sample) is None


def test_cost_and_unscored_come_from_the_tally() -> None:
    usage = Usage(
        3,
        2,
        50,
        1.5,
        retries=6,
        parse_failures=7,
        cost=0.5,
        gated=8,
        gate_audited=9,
        gate_overruled=1,
        prompt_tokens=40,
        cached_tokens=30,
    )
    errors = Counter({"timeout": 3, "refusal": 1})
    tally = JudgeTally([usage], verdicts=10, unscored=4, errors=errors, leaked_reports=1, reports=6, unreadable=2)
    sums = rollout_sums([group("--")], tally)
    assert sums.shares["judge/unscored"] == (4, 10)
    assert sums.shares["judge/gate_error"] == (1, 9)
    assert sums.shares["report/leaked_answer"] == (1, 6)
    costs = {name: value for name, value in sums.counts.items() if name.startswith("judge/") and value}
    assert costs == {
        "judge/calls": 3,
        "judge/cache_hits": 2,
        "judge/tokens": 50,
        "judge/prompt_tokens": 40,
        "judge/cached_tokens": 30,
        "judge/unreadable": 2,
        "judge/seconds": 1.5,
        "judge/retries": 6,
        "judge/parse_failures": 7,
        "judge/cost": 0.5,
        "judge/gated": 8,
        "judge/unscored_timeout": 3,
        "judge/unscored_refusal": 1,
    }


def test_unscored_samples_are_in_no_accuracy() -> None:
    found = shares([judged_with(UNSCORED, replace(UNSCORED, error="refused"))])
    assert found["accuracy/answer"] == (0, 0)
    assert found["accuracy/process"] == (0, 0)


def test_information_gain_by_hand() -> None:
    # One of four answers is right by wrong reasoning; one of two queries is recovered.
    groups = [group("x-"), group("+-")]
    groups[0].retries = [retry(0, "right")]
    found = shares(groups)
    assert found["knowledge/rho_fp"] == (1, 4)
    assert found["knowledge/rho_r"] == (1, 2)


def test_false_positives_are_unknown_where_nobody_looked_at_the_reasoning() -> None:
    numerator, denominator = shares([judged_with(RIGHT_NOBODY_LOOKED, WRONG_NOBODY_LOOKED)])["knowledge/rho_fp"]
    assert (numerator, denominator) == (0, 0)


def test_beside_other_rewards_the_verdicts_own_mean_knows_what_right_answers_are_worth() -> None:
    sums = rollout_sums([group("+x-?")], JudgeTally(), rewards=["other"], answer_only=0.5)
    assert sums.shares["rewards/judge_reward/mean"] == (1.5, 3.0)
