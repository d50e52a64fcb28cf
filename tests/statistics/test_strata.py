"""Weighted shares and kappa, by hand and by an independent simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from contextrl.statistics.kappa import cohens_kappa
from contextrl.statistics.proportions import wilson
from contextrl.statistics.strata import Stratum, weighted_kappa, weighted_rate


def test_a_share_weighs_strata_by_what_they_stand_for() -> None:
    # 90 of 100 stand for 0.9, 10 for 0.5: 0.9 * 0.9 + 0.1 * 0.5.
    found = weighted_rate([Stratum(90, 10, 9), Stratum(10, 10, 5)])
    assert found.value == pytest.approx(0.86)
    assert found.n == 20
    low = [wilson(0.9, 10)[0], wilson(0.5, 10)[0]]
    below = math.sqrt((0.9 * (0.9 - low[0])) ** 2 + (0.1 * (0.5 - low[1])) ** 2)
    assert found.low == pytest.approx(0.86 - below)
    assert found.low < found.value < found.high <= 1


def test_one_stratum_is_wilsons() -> None:
    found = weighted_rate([Stratum(50, 20, 20), Stratum(0, 0, 0)])
    assert (found.value, found.low, found.high) == (1, pytest.approx(wilson(1, 20)[0]), 1)


@pytest.mark.parametrize("function", [weighted_rate, weighted_kappa])
def test_a_stratum_that_nobody_looked_at_leaves_the_population_unknown(function: object) -> None:
    assert math.isnan(function([Stratum(5, 5, 5), Stratum(5, 0, 0, first=False)]).value)  # type: ignore[operator]
    assert math.isnan(function([]).value)  # type: ignore[operator]


def test_kappa_is_that_of_the_weighted_table() -> None:
    strata = [Stratum(80, 10, 9, first=True), Stratum(20, 10, 4, first=False)]
    found = weighted_kappa(strata)
    # Of 80 accepted ones 72 are right, of 20 rejected ones 8.
    assert found.value == pytest.approx(cohens_kappa(72, 8, 8, 12))
    assert found.low < found.value < found.high


def test_the_interval_holds_the_population_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(3)
    truth, held = 0.7 * 0.95 + 0.3 * 0.6, 0
    for _ in range(400):
        strata = [Stratum(700, 40, int(rng.binomial(40, 0.95))), Stratum(300, 40, int(rng.binomial(40, 0.6)))]
        found = weighted_rate(strata)
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 400 <= 0.99


def test_raters_that_never_differ_are_not_taken_for_certain() -> None:
    few = weighted_kappa([Stratum(80, 3, 3, first=True), Stratum(20, 3, 0, first=False)])
    many = weighted_kappa([Stratum(80, 300, 300, first=True), Stratum(20, 300, 0, first=False)])
    assert (few.value, few.high, many.value, many.high) == (1, 1, 1, 1)
    assert few.low < 0.6 < 0.9 < many.low < 1


def test_kappas_interval_holds_the_population_nineteen_times_in_twenty() -> None:
    """Shares near 0 and 1, where a bootstrap within strata holds it in nine of ten."""
    rng = np.random.default_rng(4)
    accepted, rejected = 0.97, 0.05
    truth = cohens_kappa(700 * accepted, 700 * (1 - accepted), 300 * rejected, 300 * (1 - rejected))
    held = 0
    for n in range(300):
        strata = [
            Stratum(700, 40, int(rng.binomial(40, accepted)), first=True),
            Stratum(300, 40, int(rng.binomial(40, rejected)), first=False),
        ]
        found = weighted_kappa(strata, resamples=500, seed=n)
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 300 <= 0.99
