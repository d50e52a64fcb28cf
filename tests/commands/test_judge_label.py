"""What `contextrl judge label --read` shows."""

from __future__ import annotations

import io
import math

from rich.console import Console

from contextrl.commands.judge_label import agreement_table, notices
from contextrl.evaluation.judging.labels import PeopleAgreement
from contextrl.evaluation.judging.people import KINDS
from contextrl.statistics.proportions import Rate

NOTHING = Rate(math.nan, math.nan, math.nan, 0)
FOUND = PeopleAgreement(
    by_kind=dict.fromkeys(KINDS, Rate(1.0, 0.6, 1.0, 2)),
    sample=Rate(1.0, 0.6, 1.0, 6),
    kappa=Rate(1.0, math.nan, math.nan, 6),
    population=NOTHING,
    population_kappa=NOTHING,
    rejects_wrong=None,
    keeps_right=1.0,
    counts={**dict.fromkeys(KINDS, 4), "unscored": 0, "labelled": 6, "undecided": 3},
    between=None,
    conflicts=["r2", "r5"],
)


def test_what_cannot_be_said_is_no_number() -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(agreement_table(FOUND))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "no interval" in shown, "two raters that never differ"
    assert "nan" not in shown


def test_what_people_label_in_two_ways_does_not_flatter_the_judge() -> None:
    said = notices(FOUND)
    assert said[0] == "Undecided, in no figure: 3; labelled in two ways: r2, r5"
    # Six of six, or of eight.
    assert "people agree in 75.0% of the sample" in said[1]
