"""Judges' figures on made measures, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contextrl.studies.cells import Cell, CellStore
from contextrl.studies.judging import (
    EXAMINED,
    _chosen_recalls,
    balanced,
    calibration,
    chosen_by,
    recall,
    recall_on,
    result,
    retention,
    unscored,
)
from contextrl.studies.study import Found

LABELS = "TTTTFFFFWW"
#: By judge and context; the small one finds nothing without the solution, the large one half.
SMALL = {"none": "AAAAAAAARR", "answer": "AAAAARAARR", "solution": "RAAARRRURR"}
LARGE = {"none": "AAARAARRRR", "answer": "AAAAARRRRR", "solution": "RAAARRRRRR"}


def measure(verdicts: dict[str, str]) -> dict[str, Any]:
    bins = [[0, 0.0, 0]] * 8 + [[2, 1.7, 1], [2, 1.9, 2]]
    counts = {"compared": 20, "agreed": 15, "rejected": 4, "same_first": 3}
    change = {"n": 10, "before": 9, "after": 2, "flipped": 7}
    return {
        "labels": LABELS,
        "verdicts": verdicts,
        "calibration": {context: {"word": bins, "path": [[0, 0.0, 0]] * 10} for context in verdicts},
        "steps": dict.fromkeys(verdicts, counts),
        "changed": {"picture": dict.fromkeys(verdicts, change), "reference": {"solution": change}},
    }


def found(tmp_path: Path, seeds: int) -> Found:
    store = CellStore(tmp_path)
    for seed in range(seeds):
        for name, verdicts in (("judge-small", SMALL), ("judge-large", LARGE)):
            # Judges of other seeds differ in one true positive without context.
            own = verdicts | {"none": ("R" if seed % 2 else "A") + verdicts["none"][1:]}
            store.write(Cell(name, seed, "s", 0, 0.0, measures={EXAMINED: measure(own)}))
    return Found(store, range(seeds), {"judge-small": "small judge", "judge-large": "large judge"})


def test_rates_are_of_what_has_a_verdict() -> None:
    own = measure(SMALL)
    assert recall(own, "none") == 0
    assert recall(own, "solution") == 1, "three of the three that are scored"
    assert retention(own, "solution") == pytest.approx(3 / 4)
    assert balanced(own, "solution") == pytest.approx(7 / 8)
    assert unscored(own, "solution") == pytest.approx(1 / 10)


def test_the_papers_set_holds_what_both_reject_and_a_true_positive_among_it() -> None:
    small, large = measure(SMALL), measure(LARGE)
    chosen = chosen_by(small, large)
    assert list(chosen.places) == [0, 4, 5, 6]
    assert chosen.false == 3
    # Of these the large judge rejects none of four without context but 6: one; by known labels two of four.
    assert recall_on(large, "none", chosen) == pytest.approx(1 / 4)
    assert recall(large, "none") == pytest.approx(2 / 4)
    assert recall_on(large, "solution", chosen) == 1


def test_calibration_by_hand() -> None:
    # Four verdicts: 1.7 + 1.9 of confidence, three right; bins are off by 0.7 and 0.1 of four.
    assert calibration([[2, 1.7, 1], [2, 1.9, 2]]) == pytest.approx((0.9, 0.75, 0.2))
    assert calibration([[0, 0.0, 0]]) is None


def test_tables_have_a_row_for_each_judge_and_context(tmp_path: Path) -> None:
    said = result(found(tmp_path, 2))
    assert [len(table.rows) for table in said.tables] == [6, 6, 6, 6]
    honest, protocol, sure, hangs = said.tables
    assert honest.rows[5][0] == "large judge, solution"
    assert [cell[:5] for cell in honest.rows[5][1:4]] == ["1.000", "0.750", "0.875"]
    # On the other seed's set one judge rejects two of four, the other one; by known labels both half.
    assert protocol.rows[3][1].startswith("0.375")
    assert protocol.rows[3][3].startswith("-0.125 [")
    # Two judges, whatever the number of sets: 0.25 and 0.5, so that t has 1 degree of freedom, 12.706.
    half = 12.706 * 0.125 * 2**0.5 / 2**0.5
    assert protocol.rows[3][1] == f"0.375 [0.000, {min(1.0, 0.375 + half):.3f}]"
    assert "0.250 is right after all" in protocol.note
    assert any("0.750 are false positives" in finding.sees for finding in said.findings), "of the same sets"
    assert sure.rows[0][1:] == ["0.900", "0.750", "0.200", "–", "–", "–"]
    assert hangs.rows[2][1:] == ["0.750", "0.750", "0.900", "0.200", "0.200", "–", "–"]
    assert hangs.rows[0][5] == "–", "without a solution there is no reference to be wrong"
    assert said.figure is not None
    assert {row["series"] for row in said.figure.rows if row["what"] == "mean"} == {row[0] for row in honest.rows}


def test_a_rise_is_found_and_one_seed_tells_nothing(tmp_path: Path) -> None:
    said = result(found(tmp_path / "three", 3))
    rise = next(f for f in said.findings if "small judge, recall of false positives, solution less none" in f.sees)
    assert "less none (the paper's recall: +0.357): +1.000, 3 seeds" in rise.sees
    assert rise.why.startswith("The seeds do not differ")
    # The paper measures recall alone.
    rise = next(f for f in said.findings if "small judge, balanced accuracy, solution less none" in f.sees)
    assert (rise.verdict, rise.why) == ("not claimed", "Told apart from none.")
    assert "the small judge accepts 0.200 of the responses that agree with their reference" in said.notes[1]
    alone = result(found(tmp_path / "one", 1))
    assert {finding.verdict for finding in alone.findings} == {"cannot be told", "not claimed"}
    assert any("95.8 %" in finding.sees for finding in said.findings)


def test_a_judge_on_two_sets_is_one_observation(tmp_path: Path) -> None:
    three = found(tmp_path, 3)
    judges = {name: {cell.seed: cell.measures[EXAMINED] for cell in three.cells(name)} for name in three.labels}
    # Each of three judges is measured on the sets of the two others.
    assert {context: len(_chosen_recalls(judges, "judge-large", context)) for context in LARGE} == dict.fromkeys(
        LARGE, 3
    )
    protocol = result(three).tables[1]
    # Recalls 0.25, 0.5 and 0.25; by known labels 0.5 each.
    assert protocol.rows[3][3].startswith("-0.167 [")


def test_without_cells_there_is_nothing_to_say(tmp_path: Path) -> None:
    said = result(Found(CellStore(tmp_path), [0], {"judge-small": "small judge"}))
    assert not said.findings
    assert all(not table.rows for table in said.tables)
