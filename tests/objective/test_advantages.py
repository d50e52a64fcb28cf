"""Group-relative advantages: golden values by hand, unscored rows, properties."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contextrl.objective.advantages import group_advantages

NAN = math.nan


def advantages(rewards: list[float], *, scale: bool = True) -> list[float]:
    """One group's advantages in float64."""
    result: list[float] = group_advantages(torch.tensor([rewards], dtype=torch.float64), scale=scale)[0].tolist()
    return result


def test_one_positive_among_eight() -> None:
    # mean 1/8; variance ((7/8)^2 + 7 (1/8)^2) / 7 = (0.765625 + 0.109375) / 7 = 0.125; deviation 0.353553.
    # Positive: 0.875 / (0.353553 + 1e-4) = 2.4742; negative: -0.125 / 0.353653 = -0.35345.
    assert advantages([1, 0, 0, 0, 0, 0, 0, 0]) == pytest.approx([2.47418] + [-0.35345] * 7, abs=1e-5)


def test_two_against_two() -> None:
    # mean 1/2; variance 4 (1/2)^2 / 3 = 1/3; deviation 0.577350; 0.5 / 0.577450 = 0.865876.
    # With the population deviation (n) it would be 0.5 / 0.5001 = 0.9998.
    assert advantages([1, 0, 0, 1]) == pytest.approx([0.865876, -0.865876, -0.865876, 0.865876], abs=1e-6)


def test_unscored_rows_are_out_of_mean_and_deviation() -> None:
    # Of [1, 0, 0]: mean 1/3; variance ((2/3)^2 + 2 (1/3)^2) / 2 = 1/3; deviation 0.577350.
    # (2/3) / 0.577450 = 1.154501; -(1/3) / 0.577450 = -0.577250. The unscored row gets exactly 0.
    result = advantages([1, NAN, 0, 0])
    assert result == pytest.approx([1.154501, 0.0, -0.577250, -0.577250], abs=1e-6)
    assert result[1] == 0.0


@pytest.mark.parametrize(
    "rewards",
    [
        pytest.param([NAN, NAN, NAN], id="none-scored"),
        pytest.param([NAN, 1.0, NAN], id="one-positive-scored"),
        pytest.param([0.0, NAN, NAN], id="one-negative-scored"),
        pytest.param([1.0, 1.0, 1.0], id="all-positive"),
        pytest.param([0.0, 0.0, NAN], id="all-negative"),
    ],
)
@pytest.mark.parametrize("scale", [True, False], ids=["scaled", "centred"])
def test_no_spread_means_no_gradient(rewards: list[float], scale: bool) -> None:
    assert advantages(rewards, scale=scale) == [0.0, 0.0, 0.0]


def test_without_scaling_only_the_mean_is_taken_off() -> None:
    # Mean of [1, 0, 0, 0] is 1/4; the unscored row takes no part.
    assert advantages([1, 0, NAN, 0, 0], scale=False) == [0.75, -0.25, 0.0, -0.25, -0.25]


def test_groups_do_not_touch_each_other() -> None:
    rows = [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [NAN, 0.3, 0.1]]
    together = group_advantages(torch.tensor(rows, dtype=torch.float64))
    assert together.tolist() == [advantages(row) for row in rows]


REWARDS = st.lists(st.one_of(st.sampled_from([0.0, 1.0, NAN]), st.floats(-2, 2)), min_size=2, max_size=10)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(REWARDS, st.booleans())
def test_scored_advantages_sum_to_nothing(rewards: list[float], scale: bool) -> None:
    result = advantages(rewards, scale=scale)
    # Values up to 4 / 1e-4 leave rounding of about 1e-11 each.
    assert sum(result) == pytest.approx(0.0, abs=1e-9)
    assert all(value == 0.0 for value, reward in zip(result, rewards, strict=True) if math.isnan(reward))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(REWARDS.flatmap(lambda rewards: st.tuples(st.just(rewards), st.permutations(range(len(rewards))))))
def test_order_within_a_group_does_not_matter(drawn: tuple[list[float], list[int]]) -> None:
    rewards, order = drawn
    shuffled = advantages([rewards[i] for i in order])
    assert shuffled == pytest.approx([advantages(rewards)[i] for i in order], abs=1e-9)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=10))
def test_better_than_the_mean_is_positive(rewards: list[float]) -> None:
    mean = sum(rewards) / len(rewards)
    for value, reward in zip(advantages(rewards), rewards, strict=True):
        assert (value > 0, value < 0) == (reward > mean, reward < mean)
