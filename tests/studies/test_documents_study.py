"""Facts in place of a solution, on made measures, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from contextrl.studies.cells import Cell, CellStore
from contextrl.studies.documents import EXAMINED, result
from contextrl.studies.study import Found

LABELS = "TTTTFFFFWW"
#: False positives that are found: none without facts, half with some, all with every one; all true ones are kept.
VERDICTS = {
    "none": "AAAAAAAARR",
    "answer": "AAAAAAAARR",
    "documents-some": "AAAARRAARR",
    "documents-all": "AAAARRRRRR",
    "solution": "AAAARRRRRR",
}


def found(tmp_path: Path, seeds: int) -> Found:
    store = CellStore(tmp_path)
    for seed in range(seeds):
        # The judge of another seed keeps one true positive less where it sees every fact.
        own = VERDICTS | ({"documents-all": "RAAARRRRRR"} if seed else {})
        measure = {"labels": LABELS, "verdicts": own}
        store.write(Cell("facts-judge-small", seed, "s", 0, 0.0, measures={EXAMINED: measure}))
    return Found(store, range(seeds), {"facts-judge-small": "small judge", "facts-judge-large": "large judge"})


def test_a_row_for_each_thing_that_a_judge_sees(tmp_path: Path) -> None:
    read = result(found(tmp_path, 2))
    assert [row[0] for row in read.tables[0].rows] == [
        "small judge: nothing",
        "small judge: the answer",
        "small judge: facts on some digits, and the answer",
        "small judge: facts on every digit, and the answer",
        "small judge: the solution",
    ]
    assert [row[3][:5] for row in read.tables[0].rows] == ["0.500", "0.500", "0.750", "0.938", "1.000"]
    assert {row[5] for row in read.tables[0].rows} == {"2"}
    assert read.data["small judge, documents-all"] == {0: 1.0, 1: 0.875}
    means = {row["series"]: row["value"] for row in read.figure.rows if row["what"] == "mean"} if read.figure else {}
    assert means["small judge: facts on every digit, and the answer"] == pytest.approx(0.9375)


def test_what_facts_bring_is_no_claim_of_the_papers(tmp_path: Path) -> None:
    findings = result(found(tmp_path, 2)).findings
    assert [one.verdict for one in findings] == ["not claimed"] * 3
    assert "facts on every digit, and the answer less the answer: +0.438" in findings[0].sees
    assert "the solution less facts on every digit, and the answer: +0.062" in findings[2].sees


def test_without_cells_nothing_is_said(tmp_path: Path) -> None:
    read = result(found(tmp_path, 0))
    assert not read.tables[0].rows
    assert not read.findings
