"""pass@k against counting all subsets."""

from __future__ import annotations

from itertools import combinations

import pytest

from contextrl.statistics.pass_at_k import mean_pass_at_k, pass_at_k, steps_of_k


@pytest.mark.parametrize("n", range(1, 8))
def test_it_is_the_share_of_subsets_with_a_right_sample(n: int) -> None:
    for right in range(n + 1):
        samples = [place < right for place in range(n)]
        for k in range(1, n + 1):
            subsets = list(combinations(samples, k))
            assert pass_at_k(n, right, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_by_hand() -> None:
    # 4 samples, 1 right: of the 6 pairs 3 hold it.
    assert pass_at_k(4, 1, 2) == pytest.approx(0.5)
    # 1 - (63/64)(62/63)...: the one right sample is in 32 of 64 places.
    assert pass_at_k(64, 1, 32) == pytest.approx(0.5)
    assert pass_at_k(1000, 0, 1000) == 0.0
    assert mean_pass_at_k([0, 1, 4], 4, 2) == pytest.approx((0 + 0.5 + 1) / 3)
    assert mean_pass_at_k([], 4, 2) is None


@pytest.mark.parametrize(("n", "right", "k"), [(4, 1, 5), (4, 1, 0), (4, 5, 1), (4, -1, 1), (0, 0, 1)])
def test_what_cannot_be(n: int, right: int, k: int) -> None:
    with pytest.raises(ValueError, match="among"):
        pass_at_k(n, right, k)


def test_where_curves_are_drawn() -> None:
    assert steps_of_k(64) == [1, 2, 4, 8, 16, 32, 64]
    assert steps_of_k(10) == [1, 2, 4, 8, 10]
    assert steps_of_k(1) == [1]
    assert steps_of_k(0) == []
