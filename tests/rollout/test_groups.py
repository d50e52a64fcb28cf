"""Kinds of groups, rewards of attempts, spread."""

from __future__ import annotations

import pytest
from rollout_fakes import CORRECT, attempt, completion, group, retry

from contextrl.records.groups import GroupKind
from contextrl.rollout.groups import Attempt, has_spread


# + right, - wrong, x right answer by wrong reasoning, ? the judge failed
@pytest.mark.parametrize(
    ("outcomes", "kind", "negatives"),
    [
        pytest.param("----", "all_negative", [0, 1, 2, 3], id="all-wrong"),
        pytest.param("x---", "all_negative", [0, 1, 2, 3], id="false-positive-is-negative"),
        pytest.param("xx", "all_negative", [0, 1], id="only-false-positives"),
        pytest.param("?-?-", "all_negative", [1, 3], id="wrong-or-unscored"),
        pytest.param("???-", "all_negative", [3], id="one-scored-negative"),
        pytest.param("++++", "solved", [], id="all-right"),
        pytest.param("?+?+", "solved", [], id="right-or-unscored"),
        pytest.param("+---", "spread", [1, 2, 3], id="one-right"),
        pytest.param("+?-?", "spread", [2], id="both-kinds-and-unscored"),
        pytest.param("+x", "spread", [1], id="right-and-false-positive"),
        pytest.param("????", "unscored", [], id="nothing-scored"),
    ],
)
def test_kind_and_negatives(outcomes: str, kind: GroupKind, negatives: list[int]) -> None:
    judged = group(outcomes)
    assert judged.kind == kind
    assert judged.negatives == negatives


def test_kind_is_of_stage_1_whatever_mixing_put_in() -> None:
    judged = group("--")
    judged.members = [*judged.attempts, retry(0, "better")]
    assert judged.kind == "all_negative"


@pytest.mark.parametrize(
    ("one", "reward", "scored"),
    [
        pytest.param(attempt("+"), 1.0, True, id="correct"),
        pytest.param(attempt("-"), 0.0, True, id="incorrect"),
        pytest.param(attempt("x"), 0.0, True, id="false-positive"),
        pytest.param(attempt("?"), None, False, id="unscored-is-not-zero"),
        pytest.param(Attempt(completion("try")), None, False, id="not-judged"),
    ],
)
def test_reward(one: Attempt, reward: float | None, scored: bool) -> None:
    assert one.reward == reward
    assert one.scored is scored
    assert one.correct is (reward == 1.0)


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        pytest.param("sum try 0", 9, id="the-same"),
        pytest.param("sum trx 0", 6, id="one-token-within"),
        pytest.param("sum try", 7, id="shorter"),
        pytest.param("sum try 0, or 1", 9, id="longer"),
        pytest.param("difference", 0, id="from-the-first-on"),
    ],
)
def test_where_a_retry_leaves_its_failed_attempt(text: str, shared: int) -> None:
    judged = group("--")
    judged.retries = [retry(0, text), Attempt(completion(text[:4]), stage=2, parent=1, round=2, retried=0)]
    assert judged.divergence(judged.retries[0]) == shared
    assert judged.divergence(judged.retries[1]) == len(text[:4]), "of a later round, the retry before it"


@pytest.mark.parametrize(
    ("outcome", "reward"), [("+", 1.0), ("-", 0.0), ("x", 0.25), ("?", None)], ids=["right", "wrong", "layered", "lost"]
)
def test_a_right_answer_by_a_wrong_process_may_be_worth_something(outcome: str, reward: float | None) -> None:
    one = attempt(outcome)
    assert one.reward_with(0.25) == reward
    assert one.reward == (reward if outcome != "x" else 0.0)


def test_only_stage_2_is_rolled_back() -> None:
    assert retry(0, "better").rolled_back
    assert not attempt("+").rolled_back


def test_recovered_needs_a_kept_retry() -> None:
    judged = group("--")
    assert not judged.recovered
    judged.retries = [retry(0, "a", "incorrect"), retry(1, "b", "over_cap")]
    assert not judged.recovered
    judged.retries[1].rejection = None
    assert judged.recovered


@pytest.mark.parametrize("trained", ["members", "replayed"])
def test_an_online_group_trains_its_attempts_in_a_list_of_their_own(trained: str) -> None:
    judged = group("-+")
    assert getattr(judged, trained) == judged.attempts
    getattr(judged, trained)[0] = Attempt(completion("other"), verdict=CORRECT)
    assert judged.attempts[0].verdict != CORRECT


@pytest.mark.parametrize(
    ("rewards", "spread"),
    [
        pytest.param([], False, id="empty"),
        pytest.param([None, None], False, id="unscored"),
        pytest.param([1.0], False, id="one"),
        pytest.param([1.0, None], False, id="one-scored"),
        pytest.param([0.0, 0.0, None], False, id="equal"),
        pytest.param([0.0, 1.0], True, id="both"),
        pytest.param([0.0, None, 0.5], True, id="graded-with-unscored"),
    ],
)
def test_has_spread(rewards: list[float | None], spread: bool) -> None:
    assert has_spread(rewards) is spread
