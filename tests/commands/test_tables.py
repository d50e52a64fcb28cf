"""What a run prints at its end."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from contextrl.commands.result_tables import discovery_table, evaluation_table, results_table


def printed(table: Any) -> str:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    return console.export_text()


def evaluation(easy: float, hard: float | None) -> dict[str, Any]:
    parts = {"d/sum/[b]easy": easy, "d/sum/hard": hard}
    rows = {name: {"n": 2, "answer_accuracy": 1.0, "process_accuracy": share} for name, share in parts.items()}
    return {
        "answer_accuracy": 0.5,
        "answer_accuracy_ci95": [0.4, 0.6],
        "process_accuracy": None,
        "process_accuracy_ci95": None,
        "n": 4,
        "unscored": 0,
        "by_source": rows,
    }


def results(before: Any, after: Any) -> dict[str, Any]:
    return {
        "method": "contextrl",
        "seed": 0,
        "steps": 2,
        "before": before,
        "after": after,
        "groups": {"all_negative": 3, "recovered": 1},
        "seconds": {"train": 2.0, "total": 3.0},
    }


def test_the_last_table_shows_the_discovery_by_class() -> None:
    text = printed(discovery_table(results(evaluation(1.0, 0.0), evaluation(0.9, 0.75))))
    assert [line.split("│")[1:4] for line in text.splitlines() if "hard" in line] == [
        [" hard    ", "   0.0% ", " 75.0% "],
    ]
    assert "[b]easy" in text, "what a source says is text"


def test_no_classes_no_table() -> None:
    plain = {**evaluation(1.0, 0.0), "by_source": {"geo170k": {"n": 2, "answer_accuracy": 1.0}}}
    for before, after in ((plain, plain), (None, None), (evaluation(1.0, 0.0), None)):
        assert discovery_table(results(before, after)) is None


def test_a_run_without_evaluation_says_so() -> None:
    assert "not evaluated" in printed(results_table(results(None, None)))


def test_where_nobody_looked_at_the_process_it_is_said() -> None:
    (row,) = [
        line
        for line in printed(evaluation_table({"model": "m", "benchmarks": {"mine": evaluation(1.0, 0.0)}})).splitlines()
        if "mine" in line
    ]
    assert [cell.strip() for cell in row.split("│")[1:5]] == ["mine", "50.0% [40.0%, 60.0%]", "–", "4"]


def test_the_table_names_the_data() -> None:
    row = {**evaluation(1.0, 0.0), "data": "my/rows[b].jsonl"}
    assert "held-out, my/rows[b].jsonl" in printed(results_table(results(row, row)))
