"""The study of false positives in SFT data: lines over shares, from made cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from contextrl.studies.cells import Cell, CellStore
from contextrl.studies.false_positives import PAPER, least_squares, result
from contextrl.studies.study import Found, Result

SHARES = {"zero": 0.0, "ten": 0.1, "thirty": 0.3}
LABELS = {
    "base": "base policy",
    **{name: f"{share:.0%}" for name, share in SHARES.items()},
    "references": "references",
    "own": "own voice",
}


def made(tmp_path: Path, right: dict[str, list[int]], false: dict[str, list[int]] | None = None) -> Result:
    """Of 100 items so many are right in each seed, and so many false positives."""
    store = CellStore(tmp_path)
    record = {"source": "miniature/sum/known", "status": "correct", "answer_correct": True, "process_correct": True}
    store.keep_items("dev", [{"id": str(n), **record} for n in range(100)])
    for name, counts in right.items():
        for seed, count in enumerate(counts):
            wrong = (false or {}).get(name, [0] * len(counts))[seed]
            outcome = "R" * count + "F" * wrong + "W" * (100 - count - wrong)
            store.write(Cell(name, seed, "s", 60, 1.0, outcomes={"dev": outcome}))
    found = Found(store, range(3), LABELS)
    return result(
        found,
        benchmark="dev",
        classes=("known",),
        shares=SHARES,
        references={"references": "references by another hand", "own": "in its voice"},
    )


FALLING = {"zero": [60, 61, 62], "ten": [57, 58, 60], "thirty": [51, 53, 53], "references": [50, 50, 51], "base": [40]}


def test_the_slope_is_that_of_the_nearest_line() -> None:
    # Through the middle (1, 3): (-1 * -2 + 0 * 1 + 1 * 1) / 2
    assert least_squares([0, 1, 2], [1, 4, 4]) == pytest.approx(1.5)
    assert least_squares([0.0, 0.1, 0.3], [0.5, 0.47, 0.41]) == pytest.approx(-0.3)


def test_a_fall_agrees_and_so_do_better_positives(tmp_path: Path) -> None:
    process, answer, own = made(tmp_path, FALLING).findings
    assert [process.verdict, answer.verdict, own.verdict] == ["agrees"] * 3
    # Seed 0 falls by 9 points over 30 %; 60, 57, 51 lie on a line.
    assert "answer and process: -0.0" in process.sees
    assert "3 seeds" in process.sees
    assert "less SFT on references by another hand (paper: own" in own.sees


def test_references_in_the_policys_voice_are_no_claim_of_the_papers(tmp_path: Path) -> None:
    *_, by_another, own_voice = made(tmp_path, FALLING | {"own": [60, 61, 61]}).findings
    assert (by_another.verdict, own_voice.verdict) == ("agrees", "not claimed")
    assert own_voice.sees.startswith("SFT on own positives less SFT on in its voice: +0.003")


def test_a_rise_disagrees_and_no_slope_tells_nothing(tmp_path: Path) -> None:
    rising = FALLING | {"zero": [50, 51, 52], "ten": [53, 54, 56], "thirty": [60, 61, 61]}
    assert made(tmp_path / "a", rising).findings[0].verdict == "disagrees"
    flat = FALLING | {"zero": [50, 52, 51], "ten": [51, 50, 52], "thirty": [51, 51, 51]}
    told = made(tmp_path / "b", flat).findings[0]
    assert told.verdict == "cannot be told"
    assert told.why.startswith("The interval has room for -")
    one = {name: counts[:1] for name, counts in FALLING.items()}
    assert made(tmp_path / "c", one).findings[0].why == "One seed has no interval."


def test_right_answers_by_wrong_steps_move_the_answers_alone(tmp_path: Path) -> None:
    flat = {name: [50, 51, 52] for name in (*SHARES, "references")}
    false = {"zero": [0, 0, 0], "ten": [3, 4, 3], "thirty": [9, 10, 10]}
    process, answer, _ = made(tmp_path, flat, false).findings
    assert process.verdict == "cannot be told"
    assert answer.verdict == "disagrees"
    assert "answer: +0.09" in answer.sees


def test_the_figure_has_a_line_for_each_accuracy_and_the_table_the_papers_numbers(tmp_path: Path) -> None:
    told = made(tmp_path, FALLING)
    assert told.figure is not None
    assert [(row["series"], row["step"]) for row in told.figure.rows] == [
        (series, step) for series in ("answer and process", "answer") for step in (0, 10, 30)
    ]
    row = told.figure.rows[0]
    assert row["value"] == pytest.approx(0.61)
    assert row["low"] < 0.61 < row["high"]
    assert told.tables[1].rows[0] == ["We-Math strict", "63.05", "62.76", "61.33", "61.29"]
    assert {len(values) for values in PAPER.values()} == {4}


def test_what_is_not_finished_says_nothing(tmp_path: Path) -> None:
    told = made(tmp_path, {"zero": [50, 51], "ten": [50]})
    assert told.findings == []
    assert told.figure is not None
    assert len(told.figure.rows) == 4
