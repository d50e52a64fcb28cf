"""Differences between models: paired, with intervals and p-values that exact arithmetic and brute force confirm."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from made_benchmark import Made, outcome
from scipy.stats import binomtest

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.metrics import Metric, Unit, accuracy
from contextrl.evaluation.benchmarks.outcome import Outcome
from contextrl.evaluation.benchmarks.registry import BENCHMARKS
from contextrl.evaluation.comparison import AVERAGE, Comparison, ResultSet, compare
from contextrl.evaluation.pairing import mean_of, paired
from contextrl.evaluation.paper_figures import PAPER_COLUMNS, PAPER_ROWS

Z = 1.959964


def of(scores: Sequence[float], group: int = 1) -> dict[str, Metric]:
    return {"a": accuracy((f"g{n // group}", score) for n, score in enumerate(scores))}


def pair(first: Sequence[float], second: Sequence[float], group: int = 1):  # type: ignore[no-untyped-def]
    return paired(of(first, group), of(second, group))["a"]


@pytest.mark.parametrize(
    ("only_first", "only_second", "both"), [(8, 1, 20), (1, 8, 0), (3, 3, 5), (60, 30, 500), (0, 0, 9)]
)
def test_with_a_question_a_cluster_p_is_the_exact_test_of_mcnemar(only_first: int, only_second: int, both: int) -> None:
    first = [1.0] * only_first + [0.0] * only_second + [1.0] * both
    second = [0.0] * only_first + [1.0] * only_second + [1.0] * both
    found = pair(first, second)
    apart = only_first + only_second
    expected = binomtest(only_first, apart).pvalue if apart else 1.0
    assert found.p == pytest.approx(expected, abs=1e-12)
    assert found.value == pytest.approx((only_first - only_second) / (apart + both))


def brute_force(first: Metric, second: Metric) -> float:
    """Every exchange of every cluster, written out."""
    clusters = list(dict.fromkeys([*first.clusters, *second.clusters]))
    observed = first.value - second.value
    far = total = 0
    for swaps in itertools.product([False, True], repeat=len(clusters)):
        swapped = {cluster for cluster, swap in zip(clusters, swaps, strict=True) if swap}
        sides = []
        for stay, go in ((first, second), (second, first)):
            units = [tuple(u for u in a if u.cluster not in swapped) + tuple(u for u in b if u.cluster in swapped)
                     for a, b in zip(stay.parts, go.parts, strict=True)]  # fmt: skip
            sides.append(Metric(tuple(units), first.combine).value)
        total += 1
        far += abs(sides[0] - sides[1]) >= abs(observed) - 1e-9
    return far / total


def test_with_few_clusters_p_is_that_of_all_exchanges() -> None:
    """Ratios whose denominators differ, two parts, clusters of several questions: against brute force."""
    rng = np.random.default_rng(3)
    for trial in range(6):
        sides = []
        for level in (0.7, 0.3):
            parts = tuple(
                tuple(
                    Unit(f"g{n // 3}", float(rng.random() < level), 1.0 + float(rng.random() < 0.5))
                    for n in range(0, 24, 1 + part)
                )
                for part in range(1 + trial % 2)
            )
            sides.append(Metric(parts))
        found = paired({"x": sides[0]}, {"x": sides[1]})["x"]
        assert found.exact == pytest.approx(brute_force(*sides), abs=1e-12)


def test_with_many_clusters_p_is_drawn_and_near_the_exact_one() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.random(3000) < 0.60).astype(float), (rng.random(3000) < 0.575).astype(float)
    found = pair(list(first), list(second))
    gained, lost = int((first > second).sum()), int((first < second).sum())
    assert (gained + 1) * (lost + 1) > 100_000, "too many to try all"
    assert found.exact is None
    assert found.p == pytest.approx(binomtest(gained, gained + lost).pvalue, rel=0.25)


def test_p_is_never_0() -> None:
    found = pair([1.0] * 3000 + [0.0] * 600, [0.0] * 3600)
    assert 0 < found.p < 1e-9, "one kind of difference: exact"
    grouped = pair(list(np.tile([1, 1, 0, 1, 0], 600)), list(np.zeros(3000)), group=7)
    assert 0 < grouped.p <= 1.1e-4


def test_the_interval_is_of_the_paired_difference() -> None:
    """Normal theory: the standard error of the mean of the differences, not of two independent means."""
    rng = np.random.default_rng(1)
    first = (rng.random(2000) < 0.6).astype(float)
    second = np.where(rng.random(2000) < 0.9, first, 1 - first)
    low, high = pair(list(first), list(second)).ci95
    half = Z * np.std(first - second) / math.sqrt(2000)
    assert (high - low) / 2 == pytest.approx(half, rel=0.06)
    unpaired = Z * math.sqrt((np.var(first) + np.var(second)) / 2000)
    assert (high - low) / 2 < 0.6 * unpaired


def test_clusters_are_resampled_whole() -> None:
    """Ten equal questions a cluster are one question: the interval is that of a tenth as many."""
    rng = np.random.default_rng(2)
    first, second = (rng.random(200) < 0.6).astype(float), (rng.random(200) < 0.5).astype(float)
    once, ten = pair(list(first), list(second)), pair(list(np.repeat(first, 10)), list(np.repeat(second, 10)), group=10)
    assert ten.ci95 == pytest.approx(once.ci95, abs=0.02)
    assert ten.p == pytest.approx(once.p, rel=0.3)


def test_an_average_of_differences() -> None:
    """Columns of independent questions: the variances of their mean add up to a quarter of each."""
    rng = np.random.default_rng(4)
    pairs = []
    for seed in range(2):
        first, second = (rng.random(1000) < 0.6).astype(float), (rng.random(1000) < 0.6).astype(float)
        pairs.append(paired(of(list(first)), of(list(second)), seed=seed)["a"])
    mean = mean_of(pairs)
    spread = math.sqrt(sum(np.var(one.resampled) for one in pairs)) / 2
    assert mean.value == pytest.approx((pairs[0].value + pairs[1].value) / 2)
    assert np.std(mean.resampled) == pytest.approx(spread, rel=0.1)
    assert np.std(mean.exchanged) == pytest.approx(spread, rel=0.1)


def two(first: Outcome, second: Outcome, name: str = "made") -> Comparison:
    return compare([ResultSet("A", {name: first}), ResultSet("B", {name: second})])


RIGHT_20, WRONG_20 = [1.0] * 20, [0.0] * 20


def test_a_difference_holds_where_its_adjusted_p_is_small() -> None:
    """Ten of twenty questions gained: p = 2 / 2^10 by McNemar, two columns: Holm doubles it."""
    found = two(outcome(WRONG_20), outcome([1.0] * 10 + [0.0] * 10))
    apart = found.difference("B", "made", "accuracy", "perception")
    assert apart is not None
    assert (apart.value, apart.n) == (0.5, 20)
    assert apart.p == pytest.approx(2 / 2**10)
    assert apart.adjusted == pytest.approx(4 / 2**10)
    assert apart.holds
    five = two(outcome(WRONG_20), outcome([1.0] * 6 + [0.0] * 14)).difference("B", "made", "accuracy", "perception")
    assert five is not None
    assert five.p == pytest.approx(2 / 2**6)
    assert five.adjusted == pytest.approx(4 / 2**6)
    assert not five.holds, "0.031 alone would; of two columns it does not"


def test_three_models_are_compared_with_the_first() -> None:
    results = [
        ResultSet(label, {"made": outcome([1.0] * right + [0.0] * (20 - right))})
        for label, right in (("A", 5), ("B", 5), ("C", 20))
    ]
    found = compare(results)
    assert {one.label for one in found.differences} == {"B", "C"}
    assert len(found.differences) == 4, "two models, two columns: Holm is over all of them"
    c = found.difference("C", "made", "accuracy", "perception")
    assert c is not None
    assert c.adjusted == pytest.approx(4 * 2 / 2**15)
    assert [one.holds for one in found.differences if one.label == "B"] == [False, False]


def test_only_questions_that_all_have_are_compared() -> None:
    """Q0 has no score in A, q19 is missing in B: both go, the figures themselves keep theirs."""
    first = outcome([None, *[0.0] * 19])
    second = outcome([1.0] * 19)
    found = two(first, second)
    apart = found.difference("B", "made", "accuracy", "perception")
    assert apart is not None
    assert (apart.n, apart.value) == (18, 1.0)
    assert found.not_scored["A", "made"] == 1
    assert "over the 18 questions that all have" in found.notes[0]
    assert all(figure.value in (0.0, 1.0) for figure in found.figures.values())


def test_a_group_is_compared_whole_or_not_at_all() -> None:
    """A group that a wrong answer decides for one model, and an unscored one leaves open for the other, is no pair."""
    first = outcome([0.0, 1.0, 1.0, 1.0], group=2)
    second = outcome([1.0, None, 0.0, 1.0], group=2)
    found = two(first, second)
    apart = found.difference("B", "made", "groups", "perception")
    assert apart is not None
    assert (apart.value, apart.n) == (-1.0, 2), "the second group alone: right for A, wrong for B"


@pytest.mark.parametrize(
    ("first", "second"), [([None] * 3, [None] * 3), ([1.0, None], [None, 1.0]), ([], [1.0]), ([], [])]
)
def test_without_a_shared_question_nothing_is_compared(first: list[float | None], second: list[float | None]) -> None:
    found = two(outcome(first), outcome(second))
    assert found.differences == []
    assert "nothing is compared" in found.notes[0]


def test_one_question_says_nothing() -> None:
    apart = two(outcome([0.0]), outcome([1.0])).difference("B", "made", "accuracy", "perception")
    assert apart is not None
    assert (apart.value, apart.p, apart.holds) == (1.0, 1.0, False)


def test_other_data_are_told() -> None:
    found = two(outcome(RIGHT_20), outcome(RIGHT_20, question="another"))
    assert "20 questions of the same id have different texts" in found.notes[0]
    assert two(outcome(RIGHT_20), outcome(RIGHT_20)).notes == []


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([ResultSet("A", {"made": outcome(RIGHT_20)})], "at least two results"),
        ([ResultSet("A", {"made": outcome(RIGHT_20)})] * 2, "'A' twice"),
        (
            [
                ResultSet("A", {"made": outcome(RIGHT_20)}),
                ResultSet("B", {"made": outcome(RIGHT_20, protocol="vlmevalkit", scorer="vlmevalkit")}),
            ],
            r"made: expected results of one protocol.*protocol official, scorer official \(A\); "
            r"protocol vlmevalkit, scorer vlmevalkit \(B\)",
        ),
        (
            [
                ResultSet("A", {"made": outcome(RIGHT_20)}),
                ResultSet("B", {"made": outcome(RIGHT_20, scorer="robust")}),
            ],
            "scorer robust",
        ),
        ([ResultSet("A", {"x": outcome(RIGHT_20)}), ResultSet("B", {"y": outcome(RIGHT_20)})], "A: x; B: y"),
    ],
)
def test_what_is_not_compared(results: list[ResultSet], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare(results)


def perception(level: float, seed: int, left_out: str = "") -> dict[str, Outcome]:
    """Table 1's perception benchmarks, each column the share of right answers."""
    rng = np.random.default_rng(seed)
    columns: dict[str, dict[str, str]] = {}
    for column in PAPER_COLUMNS["perception"]:
        columns.setdefault(column.benchmark, {})[column.metric] = column.heading
    return {
        name: outcome(
            list((rng.random(40) < level + 0.05 * place).astype(float)),
            benchmark=Made(name=name, title=name.title(), columns=of_it),
        )
        for place, (name, of_it) in enumerate(columns.items())
        if name != left_out
    }


def test_an_average_is_the_plain_mean_of_ten_columns() -> None:
    results = [ResultSet("A", perception(0.3, 0)), ResultSet("B", perception(0.7, 1))]
    found = compare(results)
    for one in results:
        per_column = [found.figures[one.label, column].value for column in found.columns]
        assert len(per_column) == 10
        assert found.averages[one.label, "perception"].value == pytest.approx(sum(per_column) / 10)
    apart = found.difference("B", "", AVERAGE, "perception")
    assert apart is not None
    assert apart.value == pytest.approx(
        found.averages["B", "perception"].value - found.averages["A", "perception"].value
    )
    assert apart.holds
    figure = found.averages["A", "perception"]
    assert figure.low < figure.value < figure.high
    # HallusionBench counts three times, and so on: weights 1, 1, 3, 3, 2 of 10, 40 questions each.
    values = [column_value(found, name) for name in results[0].outcomes]
    half = Z * math.sqrt(sum((w / 10) ** 2 * v * (1 - v) / 40 for w, v in zip((1, 1, 3, 3, 2), values, strict=True)))
    assert figure.half_width == pytest.approx(half, rel=0.1)
    assert found.missing["A", "reasoning"] == [
        "MathVerse", "MathVista", "LogicVista", "We-Math", "CharXiv-RQ", "DynaMath",
    ]  # fmt: skip


def column_value(found: Comparison, benchmark: str) -> float:
    return next(found.figures["A", column].value for column in found.columns if column.benchmark == benchmark)


def test_without_a_benchmark_there_is_no_average() -> None:
    found = compare([ResultSet("A", perception(0.3, 0)), ResultSet("B", perception(0.7, 1, left_out="mmstar"))])
    assert ("B", "perception") not in found.averages
    assert found.missing["B", "perception"] == ["MMStar"]
    assert ("A", "perception") in found.averages
    assert found.difference("B", "", AVERAGE, "perception") is None
    assert found.difference("B", "mmstar", "accuracy", "perception") is None
    assert found.difference("B", "simplevqa", "f1", "perception") is not None


def test_columns_stand_in_the_papers_order_and_others_behind() -> None:
    outcomes = dict(reversed(perception(0.5, 0).items()))
    found = compare([ResultSet(label, {"made": outcome(RIGHT_20), **outcomes}) for label in "AB"])
    expected = [(column.benchmark, column.metric) for column in PAPER_COLUMNS["perception"]]
    assert [(c.benchmark, c.metric) for c in found.columns] == [*expected, ("made", "accuracy"), ("made", "groups")]


def test_the_same_answers_are_not_apart() -> None:
    found = compare([ResultSet("A", perception(0.5, 0)), ResultSet("B", perception(0.5, 0))])
    assert {(one.value, one.low, one.high, one.p, one.adjusted) for one in found.differences} == {(0, 0, 0, 1, 1)}


def test_alike_models_are_seldom_found_apart() -> None:
    """Of 60 comparisons of equally good models about 5 % have p < .05; none of ten columns should hold after Holm."""
    rng = np.random.default_rng(5)
    small = sum(
        pair(list((rng.random(150) < 0.6).astype(float)), list((rng.random(150) < 0.6).astype(float))).p < 0.05
        for _ in range(60)
    )
    assert small <= 8  # binomial(60, 0.05): more than 8 has a chance below 0.2 %


def test_the_papers_averages_are_means_of_its_columns() -> None:
    for row in PAPER_ROWS:
        for family, figures in row.figures.items():
            assert len(figures) == len(PAPER_COLUMNS[family]) == 10
            # Printed figures are rounded, some are cut.
            assert sum(figures) / 10 == pytest.approx(row.averages[family], abs=0.0101)


def test_the_papers_columns_are_the_benchmarks_own() -> None:
    for columns in PAPER_COLUMNS.values():
        for name in dict.fromkeys(column.benchmark for column in columns):
            if name in BENCHMARKS:
                expected = [column.metric for column in columns if column.benchmark == name]
                assert [metric for metric in BENCHMARKS[name].columns if metric in expected] == expected
