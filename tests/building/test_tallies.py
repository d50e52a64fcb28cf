"""Figures in memory of a fixed size: counts, distributions, bins, drawn rows."""

from __future__ import annotations

import itertools
import math

import pytest

from contextrl.building.tallies import OTHERS, Bin, Distribution, Samples, Tally, bins_of


def of(*values: float) -> Distribution:
    made = Distribution()
    for value in values:
        made.add(value)
    return made


def test_tally_keeps_so_many_names() -> None:
    tally = Tally(most=2)
    for name in ("b", "a", "b", "c", "d", "a", "b"):
        tally.add(name)
    assert tally.by_count() == [("b", 3), (OTHERS, 2), ("a", 2)]


def test_distribution_by_hand() -> None:
    # 1..10: mean 5.5; the 5 % quantile is the first value, the median the fifth, 95 % the tenth.
    summary = of(*range(1, 11)).summary()
    assert summary == {
        "count": 10, "mean": 5.5, "least": 1, "p5": 1, "p25": 3, "p50": 5, "p75": 8, "p95": 10, "most": 10, "total": 55,
    }  # fmt: skip
    assert of().summary() == {"count": 0}


def test_whole_numbers_below_ten_thousand_are_exact_and_others_keep_four_digits() -> None:
    kept = of(1024, 1920, 9999, 123_456, 0, 0.123456)
    assert sorted(kept.counts) == [0, 0.1235, 1024, 1920, 9999, 123_500]
    assert kept.most == 123_456
    assert kept.quantile(1.0) == 123_456


def test_memory_does_not_grow_with_rows() -> None:
    many = of(*range(0, 1_000_000, 7))
    assert many.count == 142_858
    assert len(many.counts) < 20_000


@pytest.mark.parametrize(
    "values",
    [
        [5], [0], [0, 0, 0], [1, 2, 3], list(range(40)), [1, 1_000_000], [0, 3, 40, 500, 6_000, 70_000] * 3,
        [0.1, 0.25, 0.7], [0.0001 * n for n in range(50)], [0.5, 1.5, 80.25, 4_000.5], list(range(100, 3_000, 13)),
        [10**9, 10**9 + 5], [1.5] * 20, [99.5, 100.5], [*list(range(0, 13)), 10 ** 6], [997, 1009, 9973, 10_007] * 4,
        [1e12, 3, 0.5], [123456789.5, 2.0], [*list(range(20, 50)), 10000],
    ],
)  # fmt: skip
def test_bins_hold_every_value_once_and_join(values: list[float]) -> None:
    bins = bins_of(of(*values))
    assert sum(part.count for part in bins) == len(values)
    assert 1 <= len(bins) <= 60
    assert all(one.high <= other.low for one, other in itertools.pairwise(bins) if one.high > one.low)


def test_few_whole_values_have_a_bin_each_with_gaps_shown() -> None:
    assert bins_of(of(1, 1, 3)) == [Bin(1, 1, 2), Bin(2, 2, 0), Bin(3, 3, 1)]
    assert bins_of(of(32, 512)) == [Bin(32, 32, 1), Bin(512, 512, 1)]


def test_equal_steps_by_hand() -> None:
    # 100..199 in 20 values: 95 / 18 = 5.3, so that steps are 10 wide.
    bins = bins_of(of(*range(100, 200, 5)))
    assert [(part.low, part.high, part.count) for part in bins] == [(low, low + 10, 2) for low in range(100, 200, 10)]


def test_samples_have_one_of_each_class_and_depend_on_the_seed_alone() -> None:
    def drawn(seed: int, count: int = 5) -> list[int]:
        samples = Samples[int](count, seed)
        for number in range(1_000):
            # One row of a thousand is of the rare class.
            samples.add(number, ["rare" if number == 777 else "common", f"tenth {number // 500}"])
        return samples.chosen()

    assert drawn(1) == drawn(1)
    assert drawn(1) == sorted(drawn(1))
    assert drawn(1) != drawn(2)
    for seed in range(20):
        chosen = drawn(seed)
        assert 777 in chosen
        assert {number // 500 for number in chosen} == {0, 1}
        assert len(set(chosen)) == 5
    assert len(drawn(3, count=2_000)) == 1_000


def test_samples_of_more_classes_than_are_wanted() -> None:
    samples = Samples[int](3, 0)
    for number in range(100):
        samples.add(number, [str(number)])
    assert len(samples.chosen()) == 3


def test_draws_are_fair() -> None:
    hits = [0] * 10
    for seed in range(400):
        samples = Samples[int](3, seed)
        for number in range(10):
            samples.add(number)
        for number in samples.chosen():
            hits[number] += 1
    # 400 x 3 / 10 = 120 each, standard deviation sqrt(400 x 0.3 x 0.7) = 9.2.
    assert all(80 < count < 160 for count in hits)


@pytest.mark.parametrize(
    "values",
    [
        [1e-30, 2e-30, 3e-30, 4.5e-30],
        [5e-324, 1e-323],
        [1.7976931348623157e308] * 2,
        [1.0, 3.7, 1.7976931348623157e308],
        [0.1 + 1e-12, 0.1 + 3e-12],
        [1e15 + 0.5, 1e15 + 1.5, 1e15],
        [1.6e308, 1.7e308, 1.75e308, 1.7976931348623157e308],
    ],
)
def test_numbers_of_any_size_have_bins(values: list[float]) -> None:
    distribution = of(*values)
    bins = bins_of(distribution)
    assert sum(one.count for one in bins) == len(values)
    assert len(bins) < 400
    assert all(one.low <= one.high for one in bins)
    numbers = [*(edge for one in bins for edge in (one.low, one.high)), *distribution.summary().values()]
    assert all(math.isfinite(number) for number in numbers)
