"""Reachability of made cells, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contextrl.studies.cells import Cell, CellStore
from contextrl.studies.reachability import (
    REACHED,
    counts,
    lost,
    lost_greedily,
    never_solved,
    of_class,
    pass_on,
    reached,
    result,
)
from contextrl.studies.study import Found

SOURCES = ["digits/sum/known", "digits/sum/misconceived"]


def sample(
    question: str, place: int, answer: bool | None, process: bool | None, source: str = "s/k/c"
) -> dict[str, Any]:
    verdict = {"answer_correct": answer, "process_correct": process}
    return {"id": question, "source": source, "sample": place, **verdict}


def test_samples_are_counted_by_question_and_draw() -> None:
    records = [
        *(sample("a", place, True, place % 2 == 0) for place in range(4)),
        *(sample("b", place, False, True) for place in range(4)),
        sample("c", 0, True, True, "s/k/other"),
        *(sample("c", place, None, None, "s/k/other") for place in range(1, 4)),
    ]
    found = counts(records, 2)
    assert found == {
        "samples": 2,
        "sources": ["s/k/c", "s/k/other"],
        "of": [0, 0, 1],
        "answer": [[2, 0, 1], [2, 0, 0]],
        "process": [[1, 0, 1], [1, 0, 0]],
    }


def measure(process: list[list[int]], *, samples: int = 4, steps: dict[str, Any] | None = None) -> dict[str, Any]:
    of = [n % 2 for n in range(len(process[0]))]
    found = {"samples": samples, "sources": SOURCES, "of": of, "answer": process, "process": process}
    return found if steps is None else {**found, "steps": steps}


BASE = measure([[4, 0, 0, 0, 4, 1], [4, 0, 1, 0, 3, 1]])


def test_what_is_never_solved_is_of_the_first_draw_and_measured_on_the_second() -> None:
    places = never_solved(BASE)
    assert places == [1, 2, 3]
    assert of_class(BASE, "misconceived", places) == [1, 3]
    # One of three has 1 of 4 right in the second draw: pass@1 = 1/12, pass@2 = (1/2)/3, pass@4 = 1/3.
    assert [pass_on(BASE, places, k) for k in (1, 2, 4)] == pytest.approx([1 / 12, 1 / 6, 1 / 3])
    assert reached(BASE, [1, 3]) == 0.0
    assert reached(BASE, []) is None
    assert pass_on(BASE, [0, 99], 1) == 1.0, "what was not sampled is left out"


def test_what_is_lost() -> None:
    # Solved before: places 0 and 4 (4 of 4). Now 1 of 4 and 2 of 4: the first is lost.
    assert lost(BASE, measure([[1, 0, 0, 0, 2, 0]])) == 0.5
    assert lost(measure([[0, 0]]), measure([[4, 4]])) is None
    assert lost_greedily("RRFW", "RWRR") == 0.5
    assert lost_greedily("RR", "UF") == 1.0, "what could not be judged says nothing"
    assert lost_greedily("FW", "RR") is None


def found(tmp_path: Path, seeds: int) -> Found:
    store = CellStore(tmp_path)
    store.write(Cell("base", 0, "s", 0, 0.0, outcomes={"dev": "RWWWRF"}, measures={REACHED: BASE}))
    for seed in range(seeds):
        on_the_way = {"15": measure([[4, 1, 0, 0]])}
        ours = (
            measure([[4, 4, 4, 3, 4, 4]], steps=on_the_way) if seed else measure([[4, 4, 1, 0, 0, 4]], steps=on_the_way)
        )
        store.write(Cell("ours", seed, "s", 9, 1.0, outcomes={"dev": "RRRRWR"}, measures={REACHED: ours}))
        plain = measure([[4, 0, 4, 0, 4, 4]])
        store.write(Cell("plain", seed, "s", 9, 1.0, outcomes={"dev": "RWRWRR"}, measures={REACHED: plain}))
    return Found(store, range(seeds), {"base": "base policy", "plain": "GRPO", "ours": "ContextRL"})


def test_the_study(tmp_path: Path) -> None:
    shown = result(found(tmp_path, 5), benchmark="dev", classes=("known", "misconceived"), ours="ours", plain="plain")
    passes = {row[0]: row[1:] for row in shown.tables[0].rows}
    assert passes["base policy"][:3] == ["0.083", "0.167", "0.333"]
    assert passes["GRPO"][2] == "0.333"
    # Of three questions 2 are reached with one seed and 3 with four.
    assert passes["ContextRL"][2].startswith("0.933")
    by_class = {row[0]: row[1:] for row in shown.tables[1].rows}
    assert shown.tables[1].columns == ["policy", "known (1)", "misconceived (2)"]
    assert by_class["GRPO"][1].startswith("0.000")
    assert by_class["ContextRL"][1].startswith("0.900")
    assert shown.tables[2].columns == ["policy", "step 15"]
    assert {row[0]: row[1][:5] for row in shown.tables[2].rows} == {"GRPO": "–", "ContextRL": "0.333"}
    forgotten = {row[0]: row[1:] for row in shown.tables[3].rows}
    # Sampled, the first seed loses place 4 of 0 and 4; greedily place 4 of 0 and 4, with every seed.
    assert forgotten["ContextRL"][0].startswith("0.100")
    assert forgotten["ContextRL"][1].startswith("0.500")
    assert forgotten["GRPO"][0].startswith("0.000")
    assert [finding.verdict for finding in shown.findings] == ["agrees", *["not claimed"] * 3]
    # Differences 1/3 and four of 2/3: t = 9 with 4 degrees of freedom, p 0.00084; its parts by class do not weaken it.
    assert "+0.600 [+0.415, +0.785], p 0.00084, 5 seeds" in shown.findings[0].sees
    assert shown.figure is not None
    assert {row["step"] for row in shown.figure.rows} == {1, 2, 4}
    assert "3 of 6" in shown.notes[0]


def test_one_seed_tells_nothing(tmp_path: Path) -> None:
    shown = result(found(tmp_path, 1), benchmark="dev", classes=(), ours="ours", plain="plain")
    assert [finding.verdict for finding in shown.findings] == ["cannot be told", "not claimed"]


def test_without_the_base_policy_there_is_nothing(tmp_path: Path) -> None:
    none = Found(CellStore(tmp_path), range(2), {"base": "base policy"})
    assert result(none, benchmark="dev", classes=(), ours="ours", plain="plain").tables == []
