"""Where a gap opens for good: made curves with the step known."""

from __future__ import annotations

import random

import pytest

from contextrl.statistics.parting import parting


def curve(gaps: list[float], first: int = 1) -> list[tuple[int, float]]:
    return [(first + n, gap) for n, gap in enumerate(gaps)]


def test_a_jump_is_found_where_it_is() -> None:
    found = parting(curve([0.1] * 30 + [0.4] * 30))
    assert found is not None
    assert found.step == 31
    assert found.before == pytest.approx(0.1)
    assert found.after == pytest.approx(0.4)


def test_steps_are_those_of_the_points() -> None:
    found = parting([(10 * n, 0.0 if n < 20 else 0.5) for n in range(1, 41)])
    assert found is not None
    assert found.step == 200


def test_a_noisy_rise_is_found_near_its_beginning() -> None:
    rng = random.Random(0)
    gaps = [0.03 + rng.gauss(0, 0.03) + max(0, n - 50) * 0.02 for n in range(80)]
    found = parting(curve(gaps, first=0))
    assert found is not None
    assert 50 <= found.step <= 60


@pytest.mark.parametrize("seed", range(40))
def test_noise_alone_is_no_parting(seed: int) -> None:
    rng = random.Random(seed)
    assert parting(curve([0.1 + rng.gauss(0, 0.05) for _ in range(100)])) is None


def test_a_gap_that_closes_again_is_none() -> None:
    assert parting(curve([0.0] * 20 + [0.5] * 20 + [0.0] * 20)) is None


def test_a_gap_that_is_there_from_the_start_is_none() -> None:
    assert parting(curve([0.4] * 60)) is None


def test_small_growth_and_few_points_say_nothing() -> None:
    assert parting(curve([0.0] * 30 + [0.04] * 30)) is None
    assert parting(curve([0.0] * 7 + [1.0] * 7)) is None
    assert parting([]) is None
