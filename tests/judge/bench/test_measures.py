"""Rates, intervals and agreement against arithmetic by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from contextrl.judge.bench.measures import (
    Label,
    agreement,
    cohens_kappa,
    identifiability,
    label_of,
    mean_rate,
    rate,
    wilson,
)
from contextrl.judge.types import Verdict, unscored

RIGHT, WRONG = Verdict("correct"), Verdict("incorrect")
FAILED, TIED = unscored("timeout", "after 600 s"), unscored("tie", "1 vote each way")
FP: Label = "false_positive"
TP: Label = "true_positive"
WA: Label = "wrong_answer"


def apart(count: int, prefix: str = "q") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("answer", "process", "label"), [(True, True, TP), (True, False, FP), (False, True, WA), (False, False, WA)]
)
def test_label(answer: bool, process: bool, label: Label) -> None:
    assert label_of(answer_correct=answer, process_correct=process) == label


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


def figures(labels: Sequence[Label], verdicts: Sequence[Verdict]) -> tuple[float, ...]:
    found = identifiability(labels, verdicts, apart(len(labels)))
    rates = found.recall_false_positives, found.retention_true_positives, found.balanced_accuracy
    return tuple(one.value for one in (*rates, found.rejected_wrong_answers))


@pytest.mark.parametrize(
    ("labels", "verdicts", "expected"),
    [
        # Of 2 false positives 1 found, of 3 true positives 2 kept, of 1 wrong answer 1 rejected.
        pytest.param(
            [FP, FP, TP, TP, TP, WA],
            [WRONG, RIGHT, RIGHT, RIGHT, WRONG, WRONG],
            (1 / 2, 2 / 3, (1 / 2 + 2 / 3) / 2, 1.0),
            id="mixed",
        ),
        pytest.param([FP, FP, TP, WA], [WRONG] * 4, (1.0, 0.0, 0.5, 1.0), id="always-rejects"),
        pytest.param([FP, FP, TP, WA], [RIGHT] * 4, (0.0, 1.0, 0.5, 0.0), id="always-accepts"),
    ],
)
def test_identifiability(labels: list[Label], verdicts: list[Verdict], expected: tuple[float, ...]) -> None:
    assert figures(labels, verdicts) == pytest.approx(expected)


def test_unscored_is_counted_apart_and_in_no_rate() -> None:
    found = identifiability([FP, FP, FP, TP, WA], [WRONG, FAILED, TIED, RIGHT, FAILED], apart(5))
    assert (found.recall_false_positives.value, found.recall_false_positives.n) == (1.0, 1)
    assert found.unscored == {"timeout": 2, "tie": 1}
    assert found.unscored_classes == {FP: 2, WA: 1}
    assert found.n == {FP: 3, TP: 1, WA: 1}
    assert (found.rejected_wrong_answers.n, math.isnan(found.rejected_wrong_answers.value)) == (0, True)


@pytest.mark.parametrize(
    ("labels", "verdicts"),
    [
        pytest.param([TP, TP], [RIGHT, WRONG], id="no-false-positives"),
        pytest.param([TP, FP], [RIGHT, FAILED], id="all-of-them-unscored"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_half_of_a_balanced_accuracy_is_none(labels: list[Label], verdicts: list[Verdict]) -> None:
    found = identifiability(labels, verdicts, apart(len(labels)))
    assert math.isnan(found.balanced_accuracy.value)


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


def test_agreement_counts_what_both_scored() -> None:
    pairs = [(RIGHT, RIGHT)] * 20 + [(RIGHT, WRONG)] * 5 + [(WRONG, RIGHT)] * 10 + [(WRONG, WRONG)] * 15
    pairs += [(FAILED, RIGHT), (WRONG, TIED), (FAILED, FAILED)]
    found = agreement([a for a, _ in pairs], [b for _, b in pairs], apart(len(pairs)))
    assert found.table == {
        "correct/correct": 20,
        "correct/incorrect": 5,
        "incorrect/correct": 10,
        "incorrect/incorrect": 15,
    }
    assert (found.agreement.value, found.agreement.n, found.kappa.n) == (0.7, 50, 50)
    assert found.kappa.value == pytest.approx(0.4)
    # Kappa's standard error here is sqrt(0.7 * 0.3 / 50) / 0.5 = 0.13: the interval is about 0.4 +- 0.25.
    assert (found.kappa.low, found.kappa.high) == pytest.approx((0.15, 0.65), abs=0.05)
    assert found == agreement([a for a, _ in pairs], [b for _, b in pairs], apart(len(pairs))), "seeded"


def test_kappas_interval_is_wider_where_responses_share_a_question() -> None:
    pairs = [(RIGHT, RIGHT)] * 20 + [(RIGHT, WRONG)] * 5 + [(WRONG, RIGHT)] * 10 + [(WRONG, WRONG)] * 15
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    alone = agreement(first, second, apart(50)).kappa
    shared = agreement(first, second, [f"q{number // 5}" for number in range(50)]).kappa
    assert shared.high - shared.low > 1.5 * (alone.high - alone.low)


def test_agreement_on_nothing() -> None:
    found = agreement([FAILED], [RIGHT], ["q"])
    assert (found.agreement.n, math.isnan(found.kappa.value)) == (0, True)
