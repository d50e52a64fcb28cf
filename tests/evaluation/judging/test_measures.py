"""A judge's rates and the agreement of two judges against arithmetic by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from contextrl.evaluation.judging.measures import Label, agreement, identifiability, label_of
from contextrl.records.verdict import Verdict, unscored

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
