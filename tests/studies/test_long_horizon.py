"""The study of longer questions, from made cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from contextrl.studies.cells import Cell, CellStore
from contextrl.studies.long_horizon import result
from contextrl.studies.study import Found, Result

LABELS = {"before": "base policy", "grpo": "GRPO", "ours": "ContextRL"}


def made(tmp_path: Path, right: dict[str, list[int]]) -> Result:
    store = CellStore(tmp_path)
    record = {"source": "miniature/running/known", "status": "correct", "answer_correct": True, "process_correct": True}
    store.keep_items("dev", [{"id": str(n), **record} for n in range(100)])
    for name, counts in right.items():
        for seed, count in enumerate(counts):
            groups = {"all_negative": 100 + 10 * seed, "recovered": 55 if name == "ours" else 0}
            outcomes = {"dev": "R" * count + "W" * (100 - count)}
            store.write(Cell(name, seed, "s", 60, 1.0, groups={} if name == "before" else groups, outcomes=outcomes))
    found = Found(store, range(3), LABELS)
    return result(
        found, benchmark="dev", classes=("known",), contextrl="ours", base="before", others=("grpo", "missing")
    )


@pytest.mark.parametrize(
    ("ours", "why"),
    [
        ([70, 72, 71], "Told apart from none."),
        ([30, 31, 33], "Told apart from none."),
        ([50, 40, 60], "The interval has room for -0.273 and for +0.273."),
    ],
)
def test_contextrl_is_held_against_the_others(tmp_path: Path, ours: list[int], why: str) -> None:
    told = made(tmp_path, {"before": [20], "grpo": [50, 51, 49], "ours": ours})
    assert [(finding.verdict, finding.why) for finding in told.findings] == [("not claimed", why)]
    assert told.figure is not None
    assert told.figure.before == pytest.approx(0.2)
    # 100, 110 and 120 groups, of which 55 each were recovered: 165 of 330.
    assert told.tables[1].rows == [["GRPO", "110", "–"], ["ContextRL", "110", "0.500"]]


def test_what_is_not_finished_says_nothing(tmp_path: Path) -> None:
    assert made(tmp_path, {"before": [20], "grpo": [50]}).findings == []
