"""Rates and their intervals against arithmetic by hand."""

from __future__ import annotations

import math

import pytest

from contextrl.statistics.proportions import mean_rate, rate, wilson


def apart(count: int, prefix: str = "q") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("value", "n", "low", "high"),
    [
        # z = 1.96, z^2 = 3.8415. Centre (0.8 + 3.8415/20)/1.38415 = 0.7167; half 1.96 sqrt(0.016 + 0.0096)/1.38415
        # = 0.2265.
        pytest.param(0.8, 10, 0.4902, 0.9433, id="8-of-10"),
        # At 1 the lower limit is n/(n + z^2) = 10/13.8415, the upper one is 1.
        pytest.param(1.0, 10, 0.7225, 1.0, id="all"),
        pytest.param(0.0, 10, 0.0, 0.2775, id="none"),
        pytest.param(0.5, 1, 0.0546, 0.9454, id="one-effective"),
    ],
)
def test_wilson(value: float, n: float, low: float, high: float) -> None:
    assert wilson(value, n) == pytest.approx((low, high), abs=1e-4)


def test_a_rate_of_independent_responses_is_wilsons() -> None:
    found = rate([True] * 8 + [False] * 2, apart(10))
    assert (found.value, found.n) == (0.8, 10)
    assert (found.low, found.high) == pytest.approx(wilson(0.8, 10))


def test_responses_to_one_question_count_as_what_they_are_worth() -> None:
    # 5 questions, 2 equal responses each, 4 questions hit. Residuals per question: 4 times 2 * 0.2, once 2 * -0.8:
    # squares 4 * 0.16 + 2.56 = 3.2. Design effect 3.2 / (10 * 0.8 * 0.2) = 2: as 5 responses.
    clusters = [f"q{number // 2}" for number in range(10)]
    found = rate([True] * 8 + [False] * 2, clusters)
    assert (found.low, found.high) == pytest.approx(wilson(0.8, 5))
    # Opposite responses in each question: residuals cancel, but no interval is narrower than that of n responses.
    assert rate([True, False] * 5, clusters).low == pytest.approx(wilson(0.5, 10)[0])
    # At 1 there are no residuals: as many as there are questions.
    assert rate([True] * 10, clusters).low == pytest.approx(5 / (5 + 3.8415), abs=1e-4)


def test_balanced_accuracy_of_independent_rates() -> None:
    # 8 of 10 [.4902, .9433] and 10 of 10 [.7225, 1]: mean .9; distances below sqrt(.3098^2 + .2775^2)/2 = .2080,
    # above sqrt(.1433^2 + 0)/2 = .0717.
    found = mean_rate([True] * 8 + [False] * 2, apart(10), [True] * 10, apart(10, "p"))
    assert (found.value, found.n) == (0.9, 20)
    assert (found.low, found.high) == pytest.approx((0.6920, 0.9717), abs=1e-4)


def test_balanced_accuracy_of_rates_on_the_same_questions() -> None:
    # The same hits on the same questions: r = 1, so the mean has the interval of each; opposite ones cancel.
    hits = [True, True, True, False]
    same = mean_rate(hits, apart(4), hits, apart(4))
    alone = rate(hits, apart(4))
    assert (same.low, same.high) == pytest.approx((alone.low, alone.high))
    half = [True, False]
    opposite = mean_rate(half, apart(2), [not hit for hit in half], apart(2))
    assert (opposite.low, opposite.high) == pytest.approx((0.5, 0.5))


def test_nothing_to_count_is_nan() -> None:
    nothing, half = rate([], []), mean_rate([True], ["q0"], [], [])
    assert (nothing.n, half.n) == (0, 0)
    assert all(math.isnan(part) for found in (nothing, half) for part in (found.value, found.low, found.high))


def test_one_cluster_per_response_is_demanded() -> None:
    with pytest.raises(ValueError, match="zip"):
        rate([True, False], ["q0"])
