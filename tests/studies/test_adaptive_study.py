"""Adaptive context's figures on made measures, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contextrl.studies.adaptive import VOTES, at_random, kept, result, shown
from contextrl.studies.cells import Cell, CellStore
from contextrl.studies.study import Found

LABELS = "TTTTFFFFWW"
VERDICTS = {
    "first-greedy": "AARRAARRRR",
    "solution-greedy": "AAAARRRRRR",
    "first-drawn": "AARRAARRRR",
    "solution-drawn": "AAAARRRRRR",
    "votes-2": "AAARRARRRR",
}


def measure(**verdicts: str) -> dict[str, Any]:
    said = VERDICTS | {name.replace("_", "-"): letters for name, letters in verdicts.items()}
    return {
        "first": "none",
        "temperature": 0.5,
        "labels": LABELS,
        "verdicts": said,
        "shown": dict.fromkeys(said, "0" * 10) | {"votes-2": "0010100001"},
        "requests": dict.fromkeys(said, 10) | {"votes-2": 23},
        "tokens": dict.fromkeys(said, 1000) | {"votes-2": 2500},
    }


def test_what_is_kept_is_compared_with_as_many_shown_by_lot() -> None:
    one = measure()
    assert shown(one, "votes-2") == pytest.approx(0.3)
    # Never shown 0.5 and 0.5, always 1 and 1. One of four of each kind is shown: 0.5 + 1/4 of 0.5.
    assert at_random(one, "votes-2") == pytest.approx(0.625)
    # Three of four of each kind are right where votes part: half of what the solution brings.
    assert kept([one, one], "votes-2") == pytest.approx(0.5)
    assert kept([one], "votes-2") is None, "one seed"


def test_a_solution_that_brings_nothing_has_no_gain_to_keep() -> None:
    nothing = measure(solution_drawn=VERDICTS["first-drawn"])
    assert kept([nothing, nothing], "votes-2") is None
    # It helps one judge and harms the other: a share of what may be nothing says nothing, and no seed is left out.
    assert (
        kept([measure(), measure(first_drawn=VERDICTS["solution-drawn"], solution_drawn="R" * 10)], "votes-2") is None
    )


def test_the_study_says_what_is_shown_kept_and_paid(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    for seed, letters in enumerate((VERDICTS["votes-2"], VERDICTS["solution-drawn"])):
        store.write(Cell("votes-small", seed, "s", 0, 0.0, measures={VOTES: measure(votes_2=letters)}))
    said = result(Found(store, range(2), {"votes-small": "small judge", "votes-large": "large judge"}))
    (table,) = said.tables
    assert table.title == "Small judge"
    row = next(row for row in table.rows if row[0] == "shown where 2 votes part")
    assert row[1].startswith("0.875"), "0.75 and 1"
    assert row[4].startswith("0.625")
    assert row[5:] == ["0.300", "2.30", "250", "0.000"]
    note, verdict = said.notes
    assert "not tokens" in verdict
    assert "for 30% of the responses" in note
    assert "75% of what the solution brings" in note, "half of it and all of it"
    (votes,) = said.findings
    # 0.75 and 1 less 0.625.
    assert votes.sees.startswith(
        "Votes part where the small judge errs, 2 votes: balanced accuracy less that by lot: +0.250"
    )
    assert (votes.verdict, votes.why[:26]) == ("not claimed", "The interval has room for ")
    assert "2.5 times the tokens" in note
    assert said.figure is not None
    assert {row["series"] for row in said.figure.rows} >= {"small judge: shown where 2 votes part"}
