"""What counts as agreement, and what a study's Markdown says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contextrl.statistics.seeds import PairedDifference
from contextrl.studies import ablations, accuracies, methods, rates
from contextrl.studies.cells import Cell, CellStore, Items
from contextrl.studies.figures import Comparison
from contextrl.studies.findings import Claim, findings_of, says, undecided
from contextrl.studies.study import Finding, Found, Result
from contextrl.studies.tables import Table
from contextrl.studies.writing import HOW, Written, markdown, seeds_said


def comparison(mean: float, p: float | None, n: int = 5) -> Comparison:
    ends = (None, None) if p is None else (mean - 0.01, mean + 0.01)
    return Comparison("ours", "other", "all", PairedDifference(mean, *ends, p, n), p)


@pytest.mark.parametrize(
    ("mean", "p", "higher", "verdict"),
    [
        (0.2, 0.01, True, "agrees"),
        (0.2, 0.01, False, "disagrees"),
        (-0.2, 0.01, True, "disagrees"),
        (-0.2, 0.01, False, "agrees"),
        (0.2, 0.05, True, "cannot be told"),
        (0.2, None, True, "cannot be told"),
    ],
)
def test_only_a_significant_difference_says_anything(mean: float, p: float | None, higher: bool, verdict: str) -> None:
    assert says(comparison(mean, p), higher=higher) == verdict


def test_where_nothing_can_be_told_the_reason_is_said() -> None:
    assert undecided(PairedDifference(0.01, -0.19, 0.21, 0.9, 3)) == "The interval has room for -0.190 and for +0.210."
    # An interval that excludes the paper's effect says so: small differences are not all the same to tell.
    wide = comparison(0.005, 0.9)
    assert (
        one(wide, paper=0.0196).why == "The interval has room for -0.0050 and for +0.015, not for the paper's +0.020."
    )
    assert one(wide, paper=0.0043).why.endswith("and for +0.015.")
    assert "do not differ" in undecided(PairedDifference(-0.002, None, None, None, 2))
    assert one(comparison(0.2, None, 1)).why == "One seed has no interval."
    assert one(comparison(0.2, 0.01)) == Finding("agrees", "a less b: +0.200 [+0.190, +0.210], p 0.01, 5 seeds.")


def one(pair: Comparison, **changes: Any) -> Finding:
    (found,) = findings_of([Claim(pair, "a less b", **changes)])
    return found


def test_claims_are_adjusted_together_and_ours_apart() -> None:
    claims = [Claim(comparison(0.2, p), "a less b") for p in (0.03, 0.04)]
    ours = [Claim(comparison(0.2, 0.04), "a less c", of_the_paper=False)]
    first, second, own = findings_of([*claims, *ours])
    assert [first.verdict, second.verdict] == ["cannot be told"] * 2
    assert "p 0.06, 5" in first.sees
    # Significant alone, not after adjusting: the interval has no room for none, and must not be said to.
    assert first.why == "By itself the interval is on one side; adjusted for the others it is not."
    assert (own.verdict, own.why) == ("not claimed", "Told apart from none.")
    assert "p 0.04, 5" in own.sees


@pytest.mark.parametrize(("paper", "verdict"), [(0.02, "disagrees"), (-0.02, "disagrees"), (0.004, "cannot be told")])
def test_a_point_that_is_not_there_disagrees(paper: float, verdict: str) -> None:
    narrow = Comparison("ours", "other", "all", PairedDifference(0.001, -0.006, 0.009, 0.7, 5), 0.7)
    assert one(narrow, paper=paper).verdict == verdict
    assert one(narrow).verdict == "cannot be told", "of no size that is claimed"
    assert one(narrow, of_the_paper=False).why == "The whole interval is within a point of none."


LABELS = {
    "base": "base policy",
    "contextrl": "ContextRL",
    "grpo": "GRPO",
    "grpo-process": "GRPO, process reward",
    "without-cas": "w/o CAS",
    "scale-1": "lambda = 1",
    "reference-model": "larger model",
}
#: Of 40 items: right by right steps in seed 0. Further seeds have one less each; but for two arms, the last does not.
RIGHT = {"base": 10, "contextrl": 36, "grpo": 20, "grpo-process": 22, "without-cas": 21, "scale-1": 36}


@pytest.fixture
def store(tmp_path: Path) -> CellStore:
    made = CellStore(tmp_path)
    kinds = ["read", "sum"] * 20
    records = [
        {"id": str(n), "source": f"miniature/{kind}/{'known' if n < 20 else 'misconceived'}", "status": "correct"}
        | {"answer_correct": True, "process_correct": True}
        for n, kind in enumerate(kinds)
    ]
    for name in ("test", "blank"):
        made.keep_items(name, records)
    for name, right in RIGHT.items():
        for seed in range(1 if name == "base" else 3):
            less = seed if name in ("contextrl", "scale-1") else min(seed, 1)
            letters = ("R" * (right - less)).ljust(38, "W") + "FF"
            cost = 150.0 if name == "contextrl" else 100.0
            cell = Cell(
                name,
                seed,
                "s",
                60,
                9.0,
                {"sampled": 1000},
                outcomes={"test": letters, "blank": "W" * 40},
                measures={"processor": cost, "leaks": {"report/leaked_answer": 0.25}},
            )
            made.write(cell)
    made.write(Cell("reference-model", 0, "s", 0, 0.0, outcomes={"test": "R" * 39 + "W", "blank": "W" * 40}))
    return made


def test_items_by_kind_and_class() -> None:
    items = Items(("a", "b", "c"), ("m/read/known", "m/sum/known", "odd"))
    assert (items.of_kinds(["sum"]), items.of_class("known")) == ([1], [0, 1])


def test_the_main_comparison(store: CellStore) -> None:
    tasks = {"perception": ["read"], "reasoning": ["sum"]}
    found = Found(store, range(3), LABELS)
    result = methods.result(found, benchmark="test", blank="blank", classes=["misconceived"], tasks=tasks)
    by_said = {finding.sees.split(":")[0]: finding for finding in result.findings}
    # 36, 35 and 34 of 40 by right steps against 20, 19 and 19.
    process = by_said["Answers by right steps, ContextRL less GRPO"]
    assert process.sees.startswith("Answers by right steps, ContextRL less GRPO: +0.392")
    assert (process.verdict, process.why) == ("not claimed", "Told apart from none.")
    # Answers to 20 questions of a kind: 19, 19 and 18 against 11 each.
    grpo = by_said["ContextRL less GRPO with the answer reward, answers in perception (paper"]
    assert grpo.verdict == "agrees"
    assert "(paper: +0.97 points): +0.383" in grpo.sees
    assert "Stage 2 costs 50% of processor time" in result.notes[0]
    # Of 20 questions of each kind: 19, 19 and 18, and 19, 18 and 18, against 20 and 19; the paper is ahead in one.
    larger = [f for f in result.findings if "larger model" in f.sees]
    assert "answers in perception (paper: +1.12 points): -0.067" in larger[0].sees
    assert "answers in reasoning (paper: -2.66 points): -0.033" in larger[1].sees
    tables = {table.title: table for table in result.tables}
    assert tables["Perception and reasoning"].rows[0][:3] == ["base policy", "0.300", "0.250"]
    assert result.figure is not None
    assert result.figure.before == 0.25
    assert [row["value"] for row in result.figure.rows if row["series"] == "ContextRL"] == [0.875, 0.9, 0.875, 0.85]


def test_a_seed_that_was_not_evaluated_on_a_set_has_no_dot(store: CellStore) -> None:
    cell = store.read("grpo", 1)
    assert cell is not None
    store.write(replace(cell, outcomes={"blank": cell.outcomes["blank"]}))
    dots = accuracies.dots_of("GRPO", store.seeds("grpo", range(3)), "test")
    assert [(row["what"], row.get("seed")) for row in dots] == [("mean", None), ("seed", 0), ("seed", 2)]


def test_ablations_name_what_makes_no_difference(store: CellStore) -> None:
    result = ablations.result(Found(store, range(3), LABELS), benchmark="test", classes=["misconceived"])
    by_name = dict(note.split(": ", 1) for note in result.notes)
    assert by_name["Within a point of ContextRL, by the whole interval"] == "lambda = 1."
    assert "w/o CAS (+0.3" in by_name["ContextRL is better than"]
    assert "ContextRL is worse than" not in by_name
    leaks = next(table for table in result.tables if table.title.startswith("Answers that reports"))
    assert ["reports of level hint (ContextRL)", "0.250"] in [list(row) for row in leaks.rows]


def test_rates_compare_methods_at_one_rate_and_one_seed_tells_nothing(store: CellStore) -> None:
    more = {"contextrl-1e-4": 30, "grpo-1e-4": 20, "contextrl-3e-4": 30, "grpo-3e-4": 35}
    for name, right in more.items():
        store.write(Cell(name, 0, "s", 60, 9.0, outcomes={"test": "R" * right + "W" * (40 - right)}))
    labels = {name: name for name in ("base", "contextrl", "grpo", *more)}
    result = rates.result(
        Found(store, range(3), labels),
        benchmark="test",
        classes=["misconceived"],
        rates={"contextrl": ["contextrl-1e-4", "contextrl-3e-4"], "grpo": ["grpo-1e-4", "grpo-3e-4"]},
    )
    assert len(result.tables) == 1
    assert result.figure is not None
    # ContextRL's best rate is its own, with 36, 35 and 34 of 40; GRPO's is the highest, of one seed.
    assert [finding.sees for finding in result.findings] == [
        "contextrl, less grpo: +0.392 [+0.356, +0.428], p 0.00045, 3 seeds.",
        "contextrl-1e-4, less grpo-1e-4: +0.250, 1 seed.",
        "contextrl-3e-4, less grpo-3e-4: -0.125, 1 seed.",
        "Each at its best: contextrl, less grpo-3e-4: +0.025, 1 seed.",
    ]
    assert {finding.verdict for finding in result.findings} == {"not claimed"}


def test_markdown_says_claim_command_findings_and_tables() -> None:
    result = Result(
        [Table("T", ["a", "b"], [["x", "1"]])], [Finding("disagrees", "It falls.", "Because.")], None, ["N"]
    )
    text = markdown("Studies", [Written("m", "Main", "claims.", "contextrl reproduce m", "3 seeds", result)], {})
    for part in (
        "## Main",
        "The paper: claims.",
        "- **disagrees**: It falls. Because.",
        "| x | 1 |",
        "3 seeds.",
        "\nN\n",
    ):
        assert part in text
    assert "![" not in text
    assert HOW in text


def test_missing_seeds_are_named() -> None:
    assert seeds_said({"a": 3, "b": 3}, {"a": 3, "b": 3}) == "3 seeds"
    assert seeds_said({"a": 5, "b": 1}, {"a": 5, "b": 3}) == "1 or 5 seeds; unfinished: b 1 of 3"
    # Made by another study that asks for more seeds: all of them are in the tables.
    assert seeds_said({"a": 5, "b": 3}, {"a": 3, "b": 3}) == "3 or 5 seeds"
    assert seeds_said({"a": 5, "b": 0}, {"a": 3, "b": 3}) == "5 seeds; unfinished: b 0 of 3"
    assert seeds_said({}, {}) == "no arm depends on a seed"
