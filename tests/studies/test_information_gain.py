"""Information gain of made cells, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contextrl.records import metrics
from contextrl.studies.cells import Cell, CellStore
from contextrl.studies.information_gain import SERIES, curve, negatives, over_training, result, series
from contextrl.studies.study import Found

FP, R, GAIN = metrics.KNOWLEDGE_RHO_FP, metrics.KNOWLEDGE_RHO_R, metrics.KNOWLEDGE_GAIN


def cell(arm: str, seed: int, fp: list[float], r: list[float]) -> Cell:
    count = len(fp)
    measure: dict[str, Any] = {
        "step": list(range(1, count + 1)),
        FP: fp,
        R: r,
        GAIN: [a + b for a, b in zip(fp, r, strict=True)],
        metrics.GROUP_OF["all_negative"]: [0.25] * count,
        metrics.ACCURACY_ANSWER: [0.5] * count,
        metrics.ACCURACY_PROCESS: [0.4] * count,
        metrics.JUDGE_FALSE_POSITIVE_RATE: [0.2] * count,
    }
    return Cell(arm, seed, "s", count, 1.0, measures={SERIES: measure})


def found(tmp_path: Path, cells: list[Cell]) -> Found:
    store = CellStore(tmp_path)
    for one in cells:
        store.write(one)
    return Found(store, sorted({one.seed for one in cells}), {"contextrl": "ContextRL", "grpo": "GRPO"})


def test_a_series_joins_lines_of_a_step_and_rounds() -> None:
    lines = [
        {"step": 0, "eval/answer_accuracy": 0.5},
        {"step": 2, FP: 0.123456},
        {"step": 1, FP: 0.25, "loss": 1.0},
        {"step": 2, R: 0.5, FP: float("nan")},
    ]
    assert series(lines, [FP, R]) == {"step": [1, 2], FP: [0.25, 0.1235], R: [None, 0.5]}


def test_means_leave_out_what_was_not_logged() -> None:
    one = Cell("a", 0, "s", 3, 1.0, measures={SERIES: {"step": [1, 2, 3], FP: [0.2, None, 0.4]}})
    assert over_training(one, FP) == pytest.approx(0.3)
    assert over_training(one, FP, slice(1, 2)) == pytest.approx(0.4)
    assert over_training(one, R) is None
    assert negatives(one) is None
    assert negatives(cell("a", 0, [0.1], [0.1])) == pytest.approx(0.6)


def test_a_curve_is_of_blocks_and_over_seeds() -> None:
    cells = [cell("a", 0, [0.1, 0.3, 0.5], [0.0] * 3), cell("a", 1, [0.3, 0.5, 0.1], [0.0] * 3)]
    points = curve(cells, FP, block=2)
    assert [step for step, _ in points] == [2, 4]
    # Blocks of the seeds: 0.2 and 0.4, then 0.5 and 0.1.
    assert [spread.mean for _, spread in points] == pytest.approx([0.3, 0.3])
    assert points[0][1].values == pytest.approx([0.2, 0.4])


def test_the_study_of_gains_that_count(tmp_path: Path) -> None:
    cells = [cell("contextrl", seed, [0.1, 0.09, 0.05 + seed / 100], [0.2, 0.1, 0.0]) for seed in range(3)]
    cells += [cell("grpo", seed, [0.1, 0.1, 0.1 + seed / 100], [0.0] * 3) for seed in range(3)]
    shown = result(found(tmp_path, cells))
    rows = {row[0]: row for row in shown.tables[0].rows}
    assert rows["the paper"][1:4] == ["0.089", "0.086", "0.175"]
    assert rows["ContextRL"][2] == "0.100", "the same with every seed"
    assert rows["GRPO"][2].startswith("0.000")
    assert rows["GRPO"][4].startswith("0.600")
    assert [finding.verdict for finding in shown.findings] == ["agrees", "agrees", "cannot be told", "not claimed"]
    # Last less first: 0.05 + seed / 100 less 0.3, so -0.24 in the mean.
    assert "-0.240" in shown.findings[3].sees
    assert shown.figure is not None
    assert {row["series"] for row in shown.figure.rows} == {
        "ContextRL: ρ_fp",
        "ContextRL: ρ_r",
        "ContextRL: gain",
        "GRPO: ρ_fp",
    }


def test_no_gain_disagrees_and_one_seed_tells_nothing(tmp_path: Path) -> None:
    none = [cell("contextrl", seed, [0.001 * seed] * 3, [0.0] * 3) for seed in range(3)]
    assert [one.verdict for one in result(found(tmp_path / "a", none)).findings][:2] == ["disagrees", "disagrees"]
    one = result(found(tmp_path / "b", none[:1]))
    assert {finding.verdict for finding in one.findings} == {"cannot be told"}


def test_a_study_without_cells_is_empty(tmp_path: Path) -> None:
    shown = result(Found(CellStore(tmp_path), range(3), {"contextrl": "ContextRL"}))
    assert (shown.findings, shown.figure) == ([], None)
    assert len(shown.tables[0].rows) == 1
