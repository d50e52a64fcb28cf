"""Cohen's kappa and its interval against arithmetic by hand."""

from __future__ import annotations

import math

import pytest

from contextrl.statistics.kappa import cluster_tables, clustered_kappa, cohens_kappa

#: Cohen's example (observed 0.7, chance 0.5), one response a cluster.
TEXTBOOK = [[1, 0, 0, 0]] * 20 + [[0, 1, 0, 0]] * 5 + [[0, 0, 1, 0]] * 10 + [[0, 0, 0, 1]] * 15


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        # Cohen's example: observed 0.7; p = 0.5, q = 0.6, chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5; 0.2 / 0.5.
        pytest.param((20, 5, 10, 15), 0.4, id="textbook"),
        pytest.param((10, 0, 0, 10), 1.0, id="equal"),
        # p = q = 0.5, chance 0.5, observed 0.
        pytest.param((0, 10, 10, 0), -1.0, id="opposite"),
        # p = 0.9, q = 1, chance 0.9 = observed.
        pytest.param((9, 0, 1, 0), 0.0, id="chance"),
        pytest.param((10, 0, 0, 0), math.nan, id="always-the-same"),
        pytest.param((0, 0, 0, 0), math.nan, id="nothing"),
    ],
)
def test_kappa(table: tuple[int, int, int, int], kappa: float) -> None:
    assert cohens_kappa(*table) == pytest.approx(kappa, nan_ok=True)


def test_tables_count_the_four_pairs_by_cluster() -> None:
    first = [True, True, True, False, False, True, False]
    second = [True, False, False, True, False, True, False]
    # Columns: both, first only, second only, neither. The last two responses belong to the cluster seen first.
    assert cluster_tables(first, second, ["b", "a", "a", "a", "a", "b", "b"]) == [[2, 0, 0, 1], [0, 2, 1, 1]]


def test_tables_need_one_answer_of_each_rater_per_response() -> None:
    with pytest.raises(ValueError, match="zip"):
        cluster_tables([True, False], [True], ["a", "b"])


def test_kappa_of_clusters_is_that_of_their_sum() -> None:
    found = clustered_kappa(TEXTBOOK)
    assert (found.value, found.n) == (pytest.approx(0.4), 50)
    # Kappa's standard error here is sqrt(0.7 * 0.3 / 50) / 0.5 = 0.13: the interval is about 0.4 +- 0.25.
    assert (found.low, found.high) == pytest.approx((0.15, 0.65), abs=0.05)


def test_fewer_clusters_of_the_same_responses_widen_the_interval() -> None:
    # Five equal responses a cluster, 10 independent ones instead of 50: sqrt(5) = 2.2 times the width.
    alone, shared = clustered_kappa(TEXTBOOK), clustered_kappa([[5 * n for n in row] for row in TEXTBOOK[::5]])
    assert (shared.value, shared.n) == (alone.value, alone.n)
    assert shared.high - shared.low == pytest.approx(5**0.5 * (alone.high - alone.low), rel=0.2)


def test_the_interval_follows_the_seed() -> None:
    assert clustered_kappa(TEXTBOOK, seed=1) == clustered_kappa(TEXTBOOK, seed=1)
    assert clustered_kappa(TEXTBOOK, seed=1) != clustered_kappa(TEXTBOOK, seed=2)


def test_resamples_without_a_kappa_are_left_out() -> None:
    # Two clusters, one of yes and one of no: half of the resamples draw one of them twice, where chance explains
    # everything; the others agree perfectly.
    found = clustered_kappa([[3, 0, 0, 0], [0, 0, 0, 3]])
    assert (found.value, math.isnan(found.low), math.isnan(found.high), found.n) == (1.0, True, True, 6)


@pytest.mark.parametrize(
    ("tables", "n"),
    [pytest.param([], 0, id="nothing"), pytest.param([[4, 0, 0, 0], [2, 0, 0, 0]], 6, id="always-the-same")],
)
def test_no_kappa_no_interval(tables: list[list[int]], n: int) -> None:
    found = clustered_kappa(tables)
    assert found.n == n
    assert all(math.isnan(part) for part in (found.value, found.low, found.high))


def test_raters_that_never_differ_have_no_interval() -> None:
    found = clustered_kappa([[1, 0, 0, 0]] * 3 + [[0, 0, 0, 1]] * 3)
    assert found.value == 1
    assert math.isnan(found.low)
    assert math.isnan(found.high)
