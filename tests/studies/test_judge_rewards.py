"""What survives of a result under a judge that errs: made cells, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from contextrl.studies.cells import Cell, CellStore, Items
from contextrl.studies.judge_rewards import REWARDED, SHOWN, STEPS, result, rewarded, share, survival
from contextrl.studies.study import Found

SET = "miniature:dev"
LABELS = {
    "base": "base policy",
    STEPS: "step judge",
    "contextrl-judge-small": "small judge",
    "contextrl-judge-large": "large judge",
    "contextrl-judge-large-answer": "large judge that sees the answer only",
}


def cell(arm: str, seed: int, right: int) -> Cell:
    """`right` of ten by right steps, the rest wrong."""
    counts = {"false/accepted": 1, "false/rejected": 3, "true/accepted": 4, "wrong/unscored": 2}
    measures = {REWARDED: counts} if "judge" in arm else {}
    return Cell(arm, seed, "s", 60, 1.0, outcomes={SET: "R" * right + "W" * (10 - right)}, measures=measures)


def attempt(status: str | None, audit: str, answer: bool) -> dict[str, object]:
    verdict = None if status is None else {"status": status}
    return {"verdict": verdict, "audit": {"status": audit, "answer_correct": answer}}


def test_attempts_are_counted_by_what_the_audit_says() -> None:
    groups = [
        {"attempts": [attempt("correct", "incorrect", True), attempt("incorrect", "incorrect", True)]},
        {"attempts": [attempt("unscored", "incorrect", False), attempt("correct", "correct", True)]},
        {"attempts": [attempt(None, "correct", True), {"verdict": {"status": "correct"}, "audit": None}]},
    ]
    counts = rewarded(groups)
    assert counts == {"false/accepted": 1, "false/rejected": 1, "true/accepted": 1, "wrong/unscored": 1}
    assert share(counts, "false", "rejected") == 0.5
    assert share(counts, "wrong", "rejected") is None


def test_survival_is_a_share_of_the_step_judges_gain() -> None:
    base, steps = [cell("base", 0, 2)], [cell(STEPS, 0, 6), cell(STEPS, 1, 10)]
    arm = [cell("a", 0, 4), cell("a", 1, 2), cell("a", 2, 9)]
    assert survival(arm, steps, base, SET) == pytest.approx([0.5, 0.0])


def test_a_study_says_what_survives(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store._write(store._items_path(SET), vars(Items(tuple("abcdefghij"), ("miniature/sum/known",) * 10)))
    store.write(cell("base", 0, 2))
    for seed in range(3):
        for name, right in zip(list(LABELS)[1:], (8, 5, 7, 6), strict=True):
            grows = seed == (1 if name.endswith("-answer") else 2)
            store.write(cell(name, seed, right + grows))
    said = result(Found(store, range(3), LABELS), benchmark=SET, classes=("known",))
    assert said.notes[0].startswith("Of what the step judge's run gains in process accuracy, small judge gains 0.5")
    judged = next(table for table in said.tables if "while they learn" in table.title)
    assert judged.rows[0][1:5] == ["0.750", "1.000", "–", "0.200"]
    assert [finding.verdict for finding in said.findings] == ["cannot be told", *["not claimed"] * 3]
    # Of ten items 7, 7 and 8 against 6, 7 and 6.
    assert "large judge, solution less answer: +0.100 [" in said.findings[0].sees
    assert "the step judge's run less that of the small judge: +0.300, 3 seeds" in said.findings[1].sees


def test_how_often_an_adaptive_judge_was_shown_the_solution(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store._write(store._items_path(SET), vars(Items(tuple("abcdefghij"), ("miniature/sum/known",) * 10)))
    name = "contextrl-judge-large-adaptive"
    for seed, share_shown in enumerate((0.1, 0.2, None)):
        measures = {SHOWN: {"judge/escalated": share_shown}}
        store.write(Cell(name, seed, "s", 60, 1.0, outcomes={SET: "R" * 10}, measures=measures))
    said = result(Found(store, range(3), {name: "adaptive judge"}), benchmark=SET, classes=("known",)).notes[0]
    assert said.startswith("The adaptive judge was shown it for 0.150 [")


def test_no_difference_that_counts_disagrees_with_a_point_or_more(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    ids = tuple(map(str, range(1000)))
    store._write(store._items_path(SET), vars(Items(ids, ("miniature/sum/known",) * 1000)))
    for name, rights in {"": (900, 901, 902), "-answer": (902, 903, 903)}.items():
        for seed, right in enumerate(rights):
            letters = "R" * right + "W" * (1000 - right)
            store.write(Cell(f"contextrl-judge-large{name}", seed, "s", 60, 1.0, outcomes={SET: letters}))
    (matters, *_) = result(Found(store, range(3), LABELS), benchmark=SET, classes=("known",)).findings
    # By itself it is told apart from none, on the other side, by less than anybody would care for.
    assert "-0.002 [-0.003, -0.000], p 0.038" in matters.sees
    assert matters.verdict == "disagrees"
    assert matters.why == "The whole interval is within a point of none. The paper's is +0.020."
