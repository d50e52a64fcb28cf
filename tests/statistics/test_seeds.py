"""Intervals and tests over seeds against arithmetic by hand."""

from __future__ import annotations

import math

import pytest

from contextrl.statistics.seeds import estimate, holm, welch


def test_holm() -> None:
    """Sorted: 0.01·4 = 0.04, 0.02·3 = 0.06, 0.03·2 = 0.06, 0.9·1 = 0.9."""
    assert holm([0.03, 0.01, 0.9, 0.02]) == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06]), (
        "an adjusted p never falls below a smaller one"
    )
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_an_interval_over_seeds() -> None:
    """Mean 0.5, deviation 0.1, t(0.975, 2) = 4.303: half is 4.303 · 0.1 / √3 = 0.2484."""
    found = estimate([0.4, 0.5, 0.6])
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5 - 0.2484, 0.5 + 0.2484), abs=1e-4)


def test_an_interval_stays_an_accuracy() -> None:
    found = estimate([0.0, 0.02])
    assert found.low == 0.0


def test_one_seed_has_its_runs_own_interval() -> None:
    assert (estimate([0.4], (0.3, 0.5)).low, estimate([0.4], None).low) == (0.3, None)


def test_welch_by_hand() -> None:
    """Means 0.50 and 0.30, variances 1e-4 each, n = 3: t = 0.2 / sqrt(2e-4 / 3) = 24.49 with 4 degrees of freedom.

    P(|T| > 24.49) with 4 degrees of freedom is 1.65e-5.
    """
    assert welch([0.49, 0.50, 0.51], [0.29, 0.30, 0.31]) == pytest.approx(1.65e-5, rel=0.02)


def test_welch_is_not_blind_to_unequal_variances() -> None:
    """Student's test would pool them: Welch's degrees of freedom are nearly those of the noisier group."""
    # t = 0.101 / sqrt(0.01 / 3) = 1.749 with 2 degrees of freedom: P = 1 − t / sqrt(2 + t²) = 0.222.
    t = 0.101 / math.sqrt((0.01 + 1e-6) / 3)
    p = welch([0.500, 0.501, 0.502], [0.30, 0.40, 0.50])
    assert p == pytest.approx(1 - t / math.sqrt(2 + t * t), abs=2e-3)


def test_welch_is_two_sided() -> None:
    high, low = [0.5, 0.6, 0.7], [0.3, 0.5, 0.4]
    assert welch(high, low) == pytest.approx(welch(low, high))


# scipy says so of values that are all equal; the p is right all the same.
@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
def test_welch_where_one_side_varies() -> None:
    # t = (1/8) / sqrt((1/64) / 3) = sqrt(3) with 2 degrees of freedom: P = 1 − t / sqrt(2 + t²) = 1 − sqrt(3 / 5).
    assert welch([0.75, 0.75, 0.75], [0.5, 0.625, 0.75]) == pytest.approx(1 - math.sqrt(3 / 5))


@pytest.mark.parametrize("other", [0.5, 0.9], ids=["equal", "apart"])
def test_welch_says_nothing_without_spread(other: float) -> None:
    assert welch([0.5, 0.5], [other, other]) is None
