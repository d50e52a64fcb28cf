"""A row's tolerance goes through a build: from the source to every check, and into the set."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_models import chat_model, client, context_in, server

from contextrl.building.balance import Balance
from contextrl.building.candidates import Candidate, Dropped, candidate_of
from contextrl.building.difficulty import Difficulty
from contextrl.building.filter_settings import FilterSettings
from contextrl.building.filters import Filter
from contextrl.building.finish_settings import BalanceSettings, WritingSettings
from contextrl.building.import_settings import SourceSettings
from contextrl.building.importing import Import
from contextrl.building.model_settings import DifficultySettings, ReferenceSettings
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context, Pipeline
from contextrl.building.references import References
from contextrl.building.solved import Solved
from contextrl.building.writing import BuildRecord, write_set
from contextrl.data.loading import load_examples
from contextrl.judge.rules import RulesJudge

PI = Candidate("pi", "How large is pi about?", "3.1416", "number", "reasoning", "made", tolerance=0.01)
SAID = "We measure. Answer: 3.14"


def imported(folder: Path, *rows: dict[str, Any]) -> tuple[Import, list[Candidate | Dropped]]:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    step = Import([SourceSettings(path=str(path))])
    return step, list(step.unit("rows", Context(0, PictureStore(folder / "pictures")), 0))


def test_lines_without_a_tolerance_are_as_they_were() -> None:
    exact = replace(PI, tolerance=None)
    assert "tolerance" not in exact.as_line()
    for one in (exact, PI, replace(PI, tolerance="1%")):
        assert candidate_of(json.loads(one.as_line()), "line 1") == one


def test_it_is_read_from_rows_and_conversations(tmp_path: Path) -> None:
    fine = {"question": "How large?", "answer": "3", "images": []}
    talk = {"messages": [{"role": "user", "content": "How large?"}, {"role": "assistant", "content": "3"}]}
    rows = [fine, fine | {"tolerance": 0.5}, fine | {"tolerance": "1%"}, talk | {"tolerance": 1}]
    _, found = imported(tmp_path, *rows, fine | {"tolerance": "some"}, talk | {"tolerance": -1})
    assert [one.tolerance for one in found if isinstance(one, Candidate)] == [None, 0.5, "1%", 1]
    assert len([one for one in found if isinstance(one, Dropped)]) == 2


def test_rules_keep_a_solution_within_it(tmp_path: Path) -> None:
    context = Context(0, PictureStore(tmp_path))
    step = Filter(FilterSettings(), {})
    near, far = (replace(PI, solution=f"Answer: {value}", reference="source") for value in ("3.14", "3.2"))
    kept, emptied = step.each([near, far], context)
    assert isinstance(kept, Candidate)
    assert isinstance(emptied, Candidate)
    assert (kept.solution, emptied.solution) == ("Answer: 3.14", "")
    assert [type(one) for one in Solved().each([near, far], context)] == [Candidate, Dropped]


@pytest.mark.parametrize(("tolerance", "right"), [(0.01, 4), (None, 0)])
def test_responses_within_it_are_right(tolerance: float | None, right: int, tmp_path: Path) -> None:
    with chat_model(lambda _: SAID) as model:
        settings = DifficultySettings.model_validate({"policy": server(model.url), "drop": []})
        with client(settings.policy, "difficulty.policy") as completions:
            step = Difficulty(settings, completions, RulesJudge(), tmp_path / "difficulty")
            # Verdicts that were kept for another tolerance are none for this one.
            list(step.each([replace(PI, tolerance=5)], context_in(tmp_path)))
            (one,) = step.each([replace(PI, tolerance=tolerance)], context_in(tmp_path))
    assert isinstance(one, Candidate)
    assert one.right == right


def test_a_sample_within_it_becomes_the_reference(tmp_path: Path) -> None:
    with chat_model(lambda _: SAID) as model:
        settings = ReferenceSettings.model_validate({"model": server(model.url)})
        with client(settings.model, "references.model") as completions:
            step = References(settings, completions, RulesJudge(), tmp_path / "references")
            (one,) = step.each([PI], context_in(tmp_path))
    assert isinstance(one, Candidate)
    assert one.solution == SAID


def test_the_set_has_it_as_training_reads_it(tmp_path: Path) -> None:
    fine = {"question": "How large?", "answer": "3", "solution": "Answer: 3", "images": []}
    step, _ = imported(tmp_path, fine, fine | {"tolerance": 0.5}, fine | {"tolerance": "1%"})
    store = PictureStore(tmp_path / "pictures")
    pipeline = Pipeline(tmp_path / "build", [step, Balance(BalanceSettings())], Context(0, store))
    record = BuildRecord(0, {}, list(zip(("import", "balance"), pipeline.run(), strict=True)), tmp_path / "build")
    write_set(tmp_path / "set", pipeline.outcome, WritingSettings(), store, record)
    assert [one.tolerance for one in load_examples(str(tmp_path / "set"))] == [None, "0.5", "1%"]
