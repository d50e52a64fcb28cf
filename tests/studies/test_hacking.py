"""The hacking study of made cells, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contextrl.studies.cells import Cell, CellStore
from contextrl.studies.hacking import AUDIT, by_kind, gap, kind_of, onset, pattern_share, rate, result
from contextrl.studies.study import Found, Result

STEPS = 6


def audit(
    *, wrong: int = 1, rewarded: list[int] | None = None, at: int | None = None, text: str = "Sum: 5."
) -> dict[str, Any]:
    """Six steps of ten samples: five right answers each, `wrong` of these by a wrong process."""
    paid = [0] * STEPS if rewarded is None else [count - 4 for count in rewarded]
    return {
        "step": list(range(1, STEPS + 1)),
        "samples": [10] * STEPS,
        "right": [5] * STEPS,
        "false_positives": [wrong] * STEPS,
        "audited": [0 if rewarded is None else 10] * STEPS,
        "rewarded": rewarded or [0] * STEPS,
        "deserved": [0 if rewarded is None else 4] * STEPS,
        "paid_in_error": paid,
        "looked_at": {"false_positives": STEPS * wrong, "paid_in_error": sum(paid)},
        "kinds": {
            "digits/sum/known": {"right": 20, "false_positives": 4 * wrong},
            "digits/sum/shaky": {"right": 5, "false_positives": 0},
            "digits/read/known": {"right": 5, "false_positives": 0},
            "digits/count/known": {"right": 0, "false_positives": 0},
        },
        "patterns": {
            "invented digit": {
                "samples": 9,
                "false_positives": 3 * wrong,
                "paid_in_error": sum(paid) // 2,
                "ends": [0.0, 0.1],
                "examples": [text],
            }
        },
        "parting": None if at is None else {"step": at, "before": 0.0, "after": 0.4},
    }


def test_figures_by_hand() -> None:
    one = audit(rewarded=[4, 4, 6, 6, 8, 8], at=3)
    assert rate(one) == pytest.approx(0.2)
    assert rate(one, slice(0, 0)) is None
    assert gap(one) == pytest.approx(0.2)
    assert gap(one, slice(4, 6)) == pytest.approx(0.4)
    assert gap(audit()) is None, "nobody audits"
    assert (onset(one), onset(audit())) == (3, None)
    assert by_kind(one) == {"read": 0.0, "sum": pytest.approx(4 / 25)}
    assert (kind_of("digits/sum/known"), kind_of("own rows")) == ("sum", "own rows")
    # Three of six false positives; six of twelve samples that were paid in error.
    assert pattern_share(one, "invented digit") == pytest.approx(0.5)
    assert pattern_share(one, "invented digit", "paid_in_error") == pytest.approx(0.5)
    assert pattern_share(one, "unknown") == 0.0
    assert pattern_share(audit(wrong=0), "invented digit") == 0.0


def study(tmp_path: Path, cells: list[Cell], baselines: tuple[str, ...] = ("grpo",)) -> Result:
    store = CellStore(tmp_path)
    for cell in cells:
        store.write(cell)
    labels = {"base": "base policy", "grpo": "GRPO", "hack-grpo": "GRPO, biased", "hack-contextrl": "ContextRL, biased"}
    labels |= {"hot-grpo": "GRPO, hot", "contextrl": "ContextRL"}
    return result(
        Found(store, range(3), labels),
        benchmark="dev",
        controls={"picture blanked": "dev-blank"},
        hacked={"hack-grpo": "hot-grpo", "hack-contextrl": "hot-contextrl"},
        baselines=baselines,
    )


def cell(arm: str, seed: int, measure: dict[str, Any] | None = None, blank: str = "FWWW") -> Cell:
    outcomes = {"dev": "RRFW", "dev-blank": blank}
    return Cell(arm, seed, "s", STEPS, 1.0, outcomes=outcomes, measures={} if measure is None else {AUDIT: measure})


def test_the_study(tmp_path: Path) -> None:
    cells = [cell("base", 0), *(cell("grpo", seed, audit()) for seed in range(3))]
    for seed in range(3):
        cells.append(cell("hack-grpo", seed, audit(rewarded=[4, 4, 6, 6, 8, 8 + seed], at=3 + seed, text="a|b`\n c")))
        cells.append(cell("hack-contextrl", seed, audit(rewarded=[4, 4, 4, 4, 4, 5], at=None)))
        cells.append(cell("hot-grpo", seed, audit(rewarded=[7 - seed] * STEPS) | {"deserved": [7 - seed] * STEPS}))
    shown = study(tmp_path, cells)
    titles = [table.title for table in shown.tables]
    tables = {table.title: {row[0]: list(row[1:]) for row in table.rows} for table in shown.tables}
    assert len(titles) == 5
    assert tables["Right answers with a wrong process"]["GRPO"][0] == "0.200"
    assert tables["The same by kind of question"]["GRPO"] == ["0.000", "0.160"], "seeds that do not differ"
    looks = tables["How they look"]["invented digit"]
    # Of GRPO 3 in each of three seeds; of the biased judges half of what was paid in error: 6, 6, 7 and none.
    assert looks[0] == str(9 + sum(sum(one - 4 for one in (4, 4, 6, 6, 8, 8 + seed)) // 2 for seed in range(3)))
    assert looks[1].startswith("0.500")
    assert looks[-1] == "`a b c`", "of the run that has most of it; what would break a table is gone"
    planted = tables["A judge that accepts what is long"]
    assert planted["GRPO, biased"][0] == "3, 4, 5"
    assert planted["ContextRL, biased"][0] == "never, never, never"
    # Two steps of ten samples: (4 + 4 + seed) / 20, over seeds 0.4, 0.45, 0.5.
    assert planted["GRPO, biased"][3].startswith("0.450")
    assert tables["Without the right picture"]["GRPO"][2:] == ["0.250", "0.000"]
    assert planted["GRPO, hot"][0] == "never, never, never"
    # Four of ten, and seven less the seed.
    assert (planted["GRPO, biased"][-1], planted["GRPO, hot"][-1][:5]) == ("0.400", "0.600")
    seen = [finding.sees for finding in shown.findings]
    assert {finding.verdict for finding in shown.findings} == {"not claimed"}, "of ContextRL there is no run without it"
    assert "at step 3, 4, 5, in 3 of 3 runs" in seen[0]
    assert "not within the run, in 0 of 3 runs" in seen[1]
    assert seen[2].startswith("What the audit accepts in the last third, GRPO, biased less GRPO, hot: -0.200")
    # Gap of the last third: 0.05 less 0.45.
    assert seen[3].startswith("Gap of the last third, ContextRL, biased less GRPO, biased: -0.400")
    assert seen[4].endswith("picture blanked 0.000.")
    assert "a digit that is not there: 9 of 18 in 3 runs, such as `Sum: 5.`" in shown.notes[0]
    assert shown.figure is not None
    (first,) = (r for r in shown.figure.rows if r["series"] == "GRPO, biased: rewarded" and r["step"] == 5)
    assert first["value"] == pytest.approx(28 / 50)


def test_examples_are_of_false_positives_alone(tmp_path: Path) -> None:
    """A run that has none of a pattern keeps examples of other samples that have it."""
    spare, own = audit(text="Sum: 9."), audit(text="Sum: 5.")
    spare["patterns"]["invented digit"]["false_positives"] = 0
    own["patterns"]["invented digit"] |= {"false_positives": 1, "examples": ["Sum: 5.", "Sum: 8."]}
    shown = study(tmp_path, [cell("grpo", 0, spare), cell("grpo", 1, own)])
    assert "1 of 12 in 2 runs, such as `Sum: 5.`" in shown.notes[0]
    table = next(table for table in shown.tables if table.title == "How they look")
    assert table.rows[0][-1] == "`Sum: 5.`"


def test_few_false_positives_disagree_and_a_process_without_a_picture_is_told(tmp_path: Path) -> None:
    runs = [cell("contextrl", seed, audit(wrong=0), blank="RRWW") for seed in range(3)]
    shown = study(tmp_path, runs, baselines=("contextrl",))
    assert [finding.verdict for finding in shown.findings] == ["disagrees", "not claimed"]
    assert "0.500" in shown.findings[1].sees
    assert shown.findings[1].why.startswith("Not below 5%.")
    assert shown.figure is None, "nobody audits"


def test_one_seed_and_no_cell(tmp_path: Path) -> None:
    one = study(tmp_path / "a", [cell("contextrl", 0, audit())], baselines=("contextrl",))
    assert one.findings[0].verdict == "cannot be told"
    assert study(tmp_path / "b", []).findings == []
