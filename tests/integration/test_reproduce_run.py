"""A study for real, cut to two steps: cells hold what is asked of them, and the command writes its pages from them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from contextrl.commands.reproduction.arms import BASE, CONTEXTRL
from contextrl.commands.reproduction.pages import write_markdown, write_results, written
from contextrl.commands.reproduction.runner import Plan, Runner
from contextrl.commands.reproduction.studies import STUDIES
from contextrl.commands.shipped_configs import CONFIGS
from contextrl.studies.cells import CellStore


def test_a_study_of_two_steps(tmp_path: Path) -> None:
    arms = (BASE, CONTEXTRL)
    study = replace(STUDIES["ablations"], arms=arms, measured={"contextrl": ("processor", "leaks")}, more_seeds={})
    store = CellStore(tmp_path)
    runner = Runner(store, Plan(CONFIGS / "miniature", [study], items=8, steps=2, jobs=2), Console(file=io.StringIO()))
    runner.run(arms, [0])
    cell = store.read("contextrl", 0)
    assert cell is not None
    assert cell.steps == 2
    assert set(cell.outcomes) == {"miniature:dev"}
    assert len(cell.outcomes["miniature:dev"]) == 8
    assert cell.measures["processor"] > 1
    assert 0 <= cell.measures["leaks"]["report/leaked_answer"] <= 1
    assert runner.finished(CONTEXTRL, 0) == cell
    result = written(store, study, [0])
    assert result is not None
    write_results(tmp_path, [result])
    write_markdown(tmp_path / "page.md", [result])
    assert "ContextRL" in (tmp_path / "reproduction.html").read_text(encoding="utf-8")
    assert "## Ablations" in (tmp_path / "page.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "reproduction.json").read_text(encoding="utf-8"))["ablations"]["seeds"] == "1 seed"
