"""The study of references: what the judge made of them, and when it is said that nobody suffers."""

from __future__ import annotations

from pathlib import Path

import pytest

from contextrl.studies.cells import Cell, CellStore
from contextrl.studies.references import VERDICTS, counted, result
from contextrl.studies.study import Found, Result

LABELS = {
    "base": "base policy",
    "contextrl": "whole",
    "ref-weak": "weak",
    "ref-partial": "partial",
    "sft": "SFT",
    "sft-weak": "SFT, weak",
}
VERDICT = {
    "true_positives": 10,
    "true_positives_accepted": 8,
    "true_positives_unscored": 1,
    "false_positives": 4,
    "false_positives_accepted": 2,
    "false_positives_unscored": 1,
    "retries_kept": 5,
    "retries_right": 3,
}


def made(tmp_path: Path, right: dict[str, list[int]]) -> Result:
    store = CellStore(tmp_path)
    record = {"source": "miniature/sum/known", "status": "correct", "answer_correct": True, "process_correct": True}
    store.keep_items("dev", [{"id": str(n), **record} for n in range(1000)])
    for name, counts in right.items():
        for seed, count in enumerate(counts):
            measures = {VERDICTS: VERDICT} if name == "ref-partial" else {}
            groups = {"all_negative": 20, "recovered": 5}
            outcomes = {"dev": "R" * count + "W" * (1000 - count)}
            store.write(Cell(name, seed, "s", 60, 1.0, groups=groups, outcomes=outcomes, measures=measures))
    found = Found(store, range(3), LABELS)
    return result(found, benchmark="dev", classes=("known",), weak="ref-weak", sft="sft", sft_weak="sft-weak")


WHOLE = [700, 705, 710]


@pytest.mark.parametrize(
    ("weak", "verdict"),
    [
        ([698, 704, 707], "agrees"),
        ([600, 604, 611], "disagrees"),
        ([640, 700, 720], "cannot be told"),
        ([700], "cannot be told"),
    ],
    ids=["as good", "worse", "wide", "one seed"],
)
def test_nobody_suffers_only_where_the_whole_interval_says_so(tmp_path: Path, weak: list[int], verdict: str) -> None:
    told = made(tmp_path, {"base": [400], "contextrl": WHOLE, "ref-weak": weak})
    assert [finding.verdict for finding in told.findings] == [verdict]


def test_sft_that_suffers_agrees(tmp_path: Path) -> None:
    told = made(tmp_path, {"contextrl": WHOLE, "sft": [600, 604, 606], "sft-weak": [500, 503, 508]})
    assert [finding.verdict for finding in told.findings] == ["agrees"]


def test_what_is_open_is_told_without_a_verdict(tmp_path: Path) -> None:
    told = made(tmp_path, {"contextrl": WHOLE, "ref-partial": [680, 686, 689]})
    assert told.findings == []
    assert "partial: +0.020" in told.notes[0]
    # Three seeds: of 30 true positives 24, of 12 false ones 12 - 6 - 3; 15 of 60 groups; 9 of 15 retries.
    assert told.tables[1].rows == [["partial", "0.800", "0.250", "0.250", "0.600"]]


def test_verdicts_are_counted_beside_true_ones() -> None:
    verdicts = [
        (1, True, True, False),
        (1, True, False, False),
        (1, True, None, False),
        (1, False, True, False),
        (1, False, False, False),
        (2, True, True, True),
        (2, False, True, True),
        (2, True, True, False),
    ]
    assert counted(verdicts) == {
        "true_positives": 3,
        "true_positives_accepted": 1,
        "true_positives_unscored": 1,
        "false_positives": 2,
        "false_positives_accepted": 1,
        "false_positives_unscored": 0,
        "retries_kept": 2,
        "retries_right": 1,
    }
