"""Stage 2 under a budget: what is retried follows from what was recovered, from seeds, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from rollout_fakes import INCORRECT, FakeJudge, group, retry

from contextrl.rollout.budget import Outcomes, RecoveryBudget, kind_of
from contextrl.rollout.groups import Group
from contextrl.rollout.settings import BudgetSettings
from contextrl.rollout.two_stage import failures, report_mistakes
from contextrl.rollout.verify import Verifier


def of_kind(kind: str, seed: int = 0, *, recovered: bool | None = None) -> Group:
    """An all-negative group; retried unless `recovered` is None."""
    judged = group("--")
    judged.example = replace(judged.example, source=kind)
    judged.seed = seed
    if recovered is not None:
        judged.retries = [retry(0, "again", None if recovered else "incorrect")]
    return judged


def budget(
    *learned: Group, elsewhere: Sequence[Mapping[str, Sequence[float]]] = (), **settings: float
) -> RecoveryBudget:
    made = RecoveryBudget(BudgetSettings(**settings), lambda here: [here, *elsewhere])  # type: ignore[arg-type]
    if learned:
        made.learn(learned)
    return made


def share(made: RecoveryBudget, kind: str) -> float:
    """Of many groups of a kind, those that may be retried."""
    return sum(made.allows(of_kind(kind, seed)) for seed in range(400)) / 400


def test_without_a_threshold_every_group_may_be_retried_and_nobody_is_asked() -> None:
    def never(_: Outcomes) -> list[Outcomes]:
        raise AssertionError("processes have nothing to exchange")

    made = RecoveryBudget(BudgetSettings(), never)
    made.learn([of_kind("a", recovered=False)] * 50)
    assert made.counts == {}
    assert share(made, "a") == 1.0


def test_a_kind_that_is_never_recovered_is_left_but_for_exploration() -> None:
    failed = [of_kind("bad", recovered=False)] * 40
    paid = [of_kind("good", recovered=n % 2 == 0) for n in range(40)]
    made = budget(*failed, *paid, least_recovery=0.2, exploration=0.05)
    assert share(made, "good") > 0.95
    # Beta(1, 1 + 23): a share of 0.2 or more has probability 0.8 ** 24 = 0.005.
    assert 0.02 < share(made, "bad") < 0.1
    assert share(budget(*failed, least_recovery=0.2, exploration=0), "bad") < 0.02
    # Of what nobody has tried every share is as likely: P(share >= 0.2) = 0.8.
    assert share(made, "new") == pytest.approx(0.81, abs=0.06)


def test_what_is_older_counts_for_less() -> None:
    made = budget(least_recovery=0.2, window=10)
    made.learn([of_kind("a", recovered=False), of_kind("a", recovered=True), of_kind("b", recovered=True)])
    assert made.counts == {"a": (2.0, 1.0), "b": (1.0, 1.0)}
    made.learn([of_kind("a", recovered=False), of_kind("a")])
    # One more: what was there is worth 1 - 1/10; a group that was not retried says nothing.
    assert made.counts == {"a": (pytest.approx(2 * 0.9 + 1), pytest.approx(0.9)), "b": (1.0, 1.0)}
    for _ in range(300):
        made.learn([of_kind("a", recovered=True)])
    assert made.counts["a"][0] == pytest.approx(10, abs=0.1), "no more than the window is remembered"
    assert made.counts["a"][1] == pytest.approx(10, abs=0.1)


def test_processes_learn_the_same() -> None:
    here, there = [of_kind("a", recovered=True)], {"a": (3.0, 0.0), "b": (1.0, 1.0)}
    made = budget(*here, elsewhere=[there], least_recovery=0.3, window=4)
    assert made.counts == {"a": (pytest.approx(1 * 0.75**3 + 3), pytest.approx(0.75**3)), "b": (1.0, 1.0)}


def test_it_goes_on_where_it_was() -> None:
    made = budget(*[of_kind("a", recovered=False)] * 5, least_recovery=0.3)
    again = budget(least_recovery=0.3)
    again.restore({kind: list(counts) for kind, counts in made.counts.items()})  # as JSON holds them
    decisions = [[one.allows(of_kind("a", seed)) for seed in range(50)] for one in (made, again)]
    assert decisions[0] == decisions[1]
    assert {*decisions[0]} == {True, False}
    again.restore(None)
    assert again.counts == {}


def test_kinds_are_sources_or_else_tasks() -> None:
    assert kind_of(of_kind("set/sum/hard").example) == "set/sum/hard"
    assert kind_of(of_kind("").example) == "reasoning"


def test_what_is_left_is_neither_reported_on_nor_retried() -> None:
    groups, judge = [of_kind("a"), of_kind("a")], FakeJudge(lambda _: replace(INCORRECT, mistake_report="new"))
    for one in groups:
        for attempt in one.attempts:
            attempt.verdict = INCORRECT
    groups[1].may_retry = False
    report_mistakes(groups, Verifier(judge))
    assert len(judge.asked) == 2
    assert [len(failures(one)) for one in groups] == [2, 0]
    assert [one.kind for one in groups] == ["all_negative"] * 2
