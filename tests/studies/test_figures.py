"""Figures over seeds by hand, and paired differences against scipy."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy.stats import ttest_rel

from contextrl.errors import InputError
from contextrl.statistics.seeds import paired_difference
from contextrl.studies.cells import Cell, CellStore
from contextrl.studies.figures import (
    adjusted_together,
    answer_accuracy,
    by_seed,
    compare,
    false_positive_rate,
    process_accuracy,
)
from contextrl.studies.tables import Table, accuracy_table, comparison_table, comparisons, quote


def cell(arm: str, seed: int, outcomes: str) -> Cell:
    return Cell(arm, seed, "s", 80, 60.0, {"sampled": 12_000}, entropy=0.25, outcomes={"test": outcomes})


@pytest.mark.parametrize(
    ("outcomes", "process", "answer", "false"),
    [
        ("RRFW", 0.5, 0.75, 1 / 3),
        ("RUUU", 1.0, 1.0, 0.0),
        ("WW", 0.0, 0.0, None),
        ("UU", None, None, None),
    ],
)
def test_shares(outcomes: str, process: float | None, answer: float | None, false: float | None) -> None:
    assert (process_accuracy(outcomes), answer_accuracy(outcomes), false_positive_rate(outcomes)) == (
        process,
        answer,
        false,
    )


def test_figures_over_some_items() -> None:
    cells = [cell("a", 0, "RFWR"), cell("a", 1, "RRRR"), Cell("a", 2, "s", 1, 1.0)]
    assert by_seed(cells, "test", process_accuracy) == [0.5, 1.0]
    assert by_seed(cells, "test", process_accuracy, [1, 2]) == [0.0, 1.0]
    assert by_seed(cells, "other", process_accuracy) == []


def test_a_paired_difference_by_hand_and_by_scipy() -> None:
    first, second = [0.9, 0.8, 0.85], [0.5, 0.45, 0.4]
    found = paired_difference(first, second)
    # Differences 0.40, 0.35, 0.45: mean 0.4, deviation 0.05; t(0.975, 2) = 4.3027.
    assert found.mean == pytest.approx(0.4)
    assert (found.low, found.high) == pytest.approx(
        (0.4 - 4.3027 * 0.05 / 3**0.5, 0.4 + 4.3027 * 0.05 / 3**0.5), abs=1e-4
    )
    assert found.p == pytest.approx(float(ttest_rel(first, second).pvalue))
    assert paired_difference([0.5], [0.25]).p is None
    same = paired_difference([0.906, 0.907], [0.911, 0.912])
    # Rounding makes 1e-16 of a spread, and would make p 1e-13 of it.
    assert (same.low, same.high, same.p, same.n) == (None, None, None, 2), "nothing varies"


def test_comparisons_are_of_shared_seeds_and_adjusted_together() -> None:
    ours = [cell("ours", seed, "RRRW" if seed else "RRRR") for seed in range(3)]
    worse = [cell("worse", seed, "RWWW" if seed != 1 else "RRWW") for seed in range(3)]
    fewer = [cell("fewer", 2, "WWWW")]
    measures = {"all": (process_accuracy, None), "first": (process_accuracy, [0])}
    found = {(c.other, c.measure): c for c in compare(ours, [worse, fewer], "test", measures)}
    assert found["worse", "all"].difference.mean == pytest.approx((0.75 + 0.25 + 0.5) / 3)
    assert found["worse", "all"].difference.n == 3
    assert found["worse", "first"].adjusted is None, "both always right: nothing to test"
    assert (found["fewer", "all"].difference.mean, found["fewer", "all"].adjusted) == (0.75, None)
    assert found["worse", "all"].adjusted == found["worse", "all"].difference.p, "one test only"


def test_tables_say_what_the_cells_say(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    sources = ["d/sum/known", "d/sum/known", "d/sum/hard", "d/sum/hard"]
    records = [
        {"id": str(n), "source": s, "status": "correct", "answer_correct": True, "process_correct": True}
        for n, s in enumerate(sources)
    ]
    store.keep_items("test", records)
    arms = {"Ours": [cell("ours", 0, "RRRF"), cell("ours", 1, "RRRR")], "Others": [cell("others", 0, "RRWW")]}
    table = accuracy_table(store, arms, "test", title="T", classes=("hard",))
    assert table.rows[1] == ["Others", "0.500", "0.500", "0.000", "0.000", "0.250", "12k", "1"]
    assert table.rows[0][4].startswith("0.750 [")
    found = comparisons(store, arms["Ours"], {"Others": arms["Others"]}, "test", ("hard",))
    rows = comparison_table(found, {"others": "Others"}, title="D").rows
    assert rows[0] == ["Others", "all", "+0.250", "–", "1"]
    assert rows[1][:3] == ["Others", "hard", "+0.500"]
    assert table.markdown().splitlines()[2:4] == ["| " + " | ".join(table.columns) + " |", "|---|" + "---:|" * 7]


def test_a_file_quotes_a_table_between_its_markers(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(
        "a\n<!-- reproduce: methods -->\nold\n<!-- /reproduce -->\nb\n<!-- reproduce: other -->\n<!-- /reproduce -->\n"
    )
    quote(file, "methods", "new \\1\n")
    quote(file, "methods", "newer \\1\n")
    assert file.read_text().startswith(
        "a\n<!-- reproduce: methods -->\nnewer \\1\n<!-- /reproduce -->\nb\n<!-- reproduce: other"
    )
    with pytest.raises(InputError, match="reproduce: missing"):
        quote(file, "missing", "x")


def test_a_seed_without_a_value_is_left_out_of_a_comparison() -> None:
    # The second seed of the other has no right answer, so no share of false positives.
    ours, other = (
        [cell("ours", seed, "RRFF") for seed in range(3)],
        [cell("b", n, s) for n, s in enumerate(["RF", "WW"])],
    )
    other.append(cell("b", 2, "RR"))
    (found,) = compare(ours, [other], "test", {"false positives": (false_positive_rate, None)})
    assert (found.difference.n, found.difference.mean) == (2, pytest.approx(0.25))


def test_comparisons_of_several_arms_are_adjusted_together() -> None:
    ours = [cell("ours", seed, "RRRR") for seed in range(3)]
    others = [[cell(name, seed, letters) for seed, letters in enumerate(own)] for name, own in WORSE.items()]
    apart = [pair for other in others for pair in compare(ours, [other], "test", {"all": (process_accuracy, None)})]
    # Differences 1/4, 1/2, 1/2 in some order: t = 5 with 2 degrees of freedom, p 0.0377; twice that, for there are two.
    assert [pair.adjusted for pair in apart] == pytest.approx([0.0377, 0.0377], abs=1e-4)
    assert [pair.adjusted for pair in adjusted_together(apart)] == pytest.approx([0.0755, 0.0755], abs=1e-4)


WORSE = {"a": ["RRRW", "RRWW", "RRWW"], "b": ["RRWW", "RRRW", "RRWW"]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("w/o CAR: ρ_fp, 0.5 [0.4, 0.6]", "w/o CAR: ρ_fp, 0.5 [0.4, 0.6]"),
        ("`Digits: 3 < 4`", "`Digits: 3 < 4`"),
        ("`a|b`", r"`a\|b`"),
        ("`a` | `b`", r"\`a\` \| \`b\`"),
        ("a\n# b\u202e\x1b[31m", "a # b [31m"),
        ("<img src=x>&amp;[l](http://evil)", r"&lt;img src=x>&amp;amp;[l]\(http://evil)"),
    ],
)
def test_text_of_a_cell_cannot_leave_it(text: str, shown: str) -> None:
    assert Table("T", ["a", "b"], [["x", text]]).markdown().splitlines()[4] == f"| x | {shown} |"
