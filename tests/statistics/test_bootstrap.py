"""Bootstrap over clusters, by image above all."""

from __future__ import annotations

import math

import numpy as np
import pytest

from contextrl.statistics.bootstrap import cluster_draws, image_bootstrap, percentile_interval

#: Half a 95 % interval in standard errors.
Z = 1.96


def standard_error(values: list[float], images: list[list[str]], seed: int = 0) -> float:
    low, high = image_bootstrap(values, images, seed=seed)
    return (high - low) / (2 * Z)


def accuracy(right: int, count: int) -> list[float]:
    """`right` ones, then zeros."""
    return [1.0] * right + [0.0] * (count - right)


@pytest.mark.parametrize(
    ("right", "count"), [pytest.param(200, 400, id="half"), pytest.param(320, 400, id="four-fifths")]
)
def test_one_image_per_item_is_the_ordinary_bootstrap(right: int, count: int) -> None:
    values = accuracy(right, count)
    p = right / count
    # The mean of n independent 0/1 values: sqrt(p (1 - p) / n); 0.025 and 0.02 here.
    expected = math.sqrt(p * (1 - p) / count)
    assert standard_error(values, [[f"{i}"] for i in range(count)]) == pytest.approx(expected, rel=0.1)


def test_interval_covers_the_mean_evenly() -> None:
    low, high = image_bootstrap(accuracy(200, 400), [[f"{i}"] for i in range(400)])
    assert low < 0.5 < high
    assert (low + high) / 2 == pytest.approx(0.5, abs=0.005)


def test_items_without_images_count_as_their_own() -> None:
    values = accuracy(30, 50)
    assert image_bootstrap(values, [[] for _ in values]) == image_bootstrap(values, [[f"{i}"] for i in range(50)])


def test_questions_about_the_same_image_widen_the_interval() -> None:
    # 100 images, four equal answers each: 100 independent values, not 400, so sqrt(4) = 2 times the error.
    values = [value for value in accuracy(50, 100) for _ in range(4)]
    apart = standard_error(values, [[f"{i}"] for i in range(400)])
    shared = standard_error(values, [[f"{i // 4}"] for i in range(400)])
    assert shared == pytest.approx(2 * apart, rel=0.1)


def test_items_of_several_images_widen_the_interval() -> None:
    # Each of 200 images appears in two items of equal value that show the same pair: 100 independent pairs.
    values = [value for value in accuracy(50, 100) for _ in range(2)]
    pairs = [[f"{i // 2}a", f"{i // 2}b"] for i in range(200)]
    apart = standard_error(values, [[f"{i}"] for i in range(200)])
    assert standard_error(values, pairs) > 1.2 * apart


def test_more_items_narrow_the_interval() -> None:
    # Four times the items: half the error.
    few = standard_error(accuracy(50, 100), [[f"{i}"] for i in range(100)])
    many = standard_error(accuracy(200, 400), [[f"{i}"] for i in range(400)])
    assert many == pytest.approx(few / 2, rel=0.1)


def test_same_seed_same_interval() -> None:
    values, images = [i**0.5 for i in range(50)], [[f"{i // 2}"] for i in range(50)]
    assert image_bootstrap(values, images) == image_bootstrap(values, images)
    assert image_bootstrap(values, images, seed=1) != image_bootstrap(values, images, seed=2)


def test_names_of_images_do_not_matter() -> None:
    values = accuracy(30, 50)
    by_number = image_bootstrap(values, [[f"{i // 2}"] for i in range(50)])
    assert by_number == image_bootstrap(values, [[f"picture {i // 2}.png"] for i in range(50)])


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_constant_values_have_no_width(value: float) -> None:
    low, high = image_bootstrap([value] * 20, [[f"{i // 3}"] for i in range(20)])
    assert [low, high] == pytest.approx([value, value])


def test_one_item() -> None:
    assert image_bootstrap([1.0], [["a"]]) == (1.0, 1.0)


def test_nothing_to_measure_is_nan() -> None:
    low, high = image_bootstrap([], [])
    assert math.isnan(low)
    assert math.isnan(high)


def test_interval_of_an_accuracy_stays_within_0_and_1() -> None:
    # Ten items with two images of their own each, nine right: gives (0.6, 1.1).
    low, high = image_bootstrap(accuracy(9, 10), [[f"{i}a", f"{i}b"] for i in range(10)])
    assert low >= 0
    assert high <= 1


def test_one_row_of_images_per_value_is_demanded() -> None:
    with pytest.raises(ValueError, match="4 values for the images of 1 items"):
        image_bootstrap(accuracy(2, 4), [["a"]])


def test_a_resample_draws_as_many_clusters_as_there_are() -> None:
    draws = cluster_draws(5, resamples=20_000)
    assert draws.shape == (20_000, 5)
    assert set(draws.sum(axis=1)) == {5}
    # Each is drawn once on average, with the binomial variance 5 * 1/5 * 4/5 = 0.8: with replacement.
    assert draws.mean(axis=0) == pytest.approx(1.0, abs=0.03)
    assert draws.var(axis=0) == pytest.approx(0.8, abs=0.05)


def test_draws_follow_the_seed() -> None:
    first = cluster_draws(5, resamples=10, seed=1)
    assert np.array_equal(first, cluster_draws(5, resamples=10, seed=1))
    assert not np.array_equal(first, cluster_draws(5, resamples=10, seed=2))


def test_one_cluster_is_always_drawn() -> None:
    assert cluster_draws(1, resamples=3).tolist() == [[1], [1], [1]]


def test_percentile_interval_leaves_a_fortieth_on_either_side() -> None:
    # 0, 1, ..., 1000 in any order: 2.5 % of 1000 is 25.
    assert percentile_interval([float(n) for n in reversed(range(1001))]) == pytest.approx((25.0, 975.0))
