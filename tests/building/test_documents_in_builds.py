"""A column of documents through a build: from a source's rows to the set, and to the judges of the steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from chat_models import Asked, chat_model, client, context_in, server, summed

from contextrl.building.candidates import Candidate, Dropped, candidate_of
from contextrl.building.difficulty import Difficulty
from contextrl.building.duplicates import SAME, Duplicates
from contextrl.building.filter_settings import FilterSettings
from contextrl.building.filters import UNTOLD, Filter
from contextrl.building.finish_settings import DuplicateSettings, WritingSettings
from contextrl.building.import_settings import SourceSettings
from contextrl.building.importing import Import
from contextrl.building.model_settings import DifficultySettings, ReferenceSettings
from contextrl.building.pictures import PictureStore
from contextrl.building.references import References
from contextrl.building.solved import UNSOLVED, Solved
from contextrl.building.writing import BuildRecord, write_set
from contextrl.data.loading import load_examples
from contextrl.judge.documents import check_documents
from contextrl.judge.protocol import JudgeRequest
from contextrl.records.verdict import Verdict

FACTS = ("Two dogs are on the left.", "One dog is on the right.")


def imported(folder: Path, rows: list[dict[str, Any]], **settings: Any) -> list[Candidate | Dropped]:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    step = Import([SourceSettings(path=str(path), **settings)])
    return [one for name in step.units() for one in step.unit(name, context_in(folder), 0)]


def asked(number: int, **fields: Any) -> dict[str, Any]:
    return {"question": f"How many dogs are in picture {number}?", "answer": "3", "images": [], **fields}


def told(number: int, *documents: str, **changes: Any) -> Candidate:
    return replace(summed(number), documents=documents, **changes)


# ---- import and filter -----------------------------------------------------------------------------------------------


def test_they_come_from_their_column_whatever_its_name(tmp_path: Path) -> None:
    rows = [asked(0, facts=list(FACTS)), asked(1, facts=FACTS[0]), asked(2, facts=None), asked(3, facts=["", " x "])]
    found = imported(tmp_path, rows, columns={"documents": "facts"})
    assert [one.documents for one in found if isinstance(one, Candidate)] == [FACTS, FACTS[:1], (), ("x",)]
    (own,) = imported(tmp_path, [asked(0, documents=list(FACTS))])
    assert isinstance(own, Candidate)
    assert own.documents == FACTS


def test_each_turn_of_a_conversation_has_its_rows(tmp_path: Path) -> None:
    turns = [("user", "How many dogs?"), ("assistant", "3"), ("user", "How many cats?"), ("assistant", "1")]
    messages = [{"role": role, "content": text} for role, text in turns]
    found = imported(tmp_path, [{"messages": messages, "documents": list(FACTS)}])
    assert [one.documents for one in found if isinstance(one, Candidate)] == [FACTS, FACTS]


@pytest.mark.parametrize(
    "row", [asked(0), {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "3"}]}]
)
def test_what_is_no_text_leaves_the_row_out(tmp_path: Path, row: dict[str, Any]) -> None:
    (one,) = imported(tmp_path, [{**row, "documents": [7]}])
    assert isinstance(one, Dropped)
    assert one.reason == "expected a list of texts"


def test_a_part_on_disk_has_them() -> None:
    one = told(1, *FACTS)
    assert candidate_of(json.loads(one.as_line()), "a part") == one


@pytest.mark.parametrize(("setting", "left"), [("keep", ["sums-1", "sums-2"]), ("drop", ["sums-1"])])
def test_questions_without_any_can_be_left_out(tmp_path: Path, setting: str, left: list[str]) -> None:
    step = Filter(FilterSettings.model_validate({"without_documents": setting}), {})
    outcomes = list(step.each([told(1, *FACTS), told(2)], context_in(tmp_path)))
    assert [one.id for one in outcomes if isinstance(one, Candidate)] == left
    assert [one.reason for one in outcomes if isinstance(one, Dropped)] == [UNTOLD] * (2 - len(left))


# ---- duplicates ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [
        pytest.param({}, {"documents": FACTS}, "second", id="documents-before-none"),
        pytest.param({"documents": FACTS}, {}, "first", id="the-earlier-one-has-them"),
        pytest.param({"documents": FACTS}, {"solution": "Answer: 2"}, "second", id="a-solution-before-documents"),
        pytest.param(
            {"solution": "Answer: 2"}, {"solution": "Answer: 2", "documents": FACTS}, "second", id="both-before-one"
        ),
        pytest.param({"documents": FACTS}, {"documents": FACTS[:1]}, "first", id="equals"),
    ],
)
def test_of_duplicates_one_with_documents_stays(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], stays: str
) -> None:
    rows = [replace(summed(1), id="first", **first), replace(summed(1), id="second", **second)]
    step = Duplicates(DuplicateSettings(workers=1), tmp_path / "prints")
    outcomes = list(step.whole(lambda: iter(rows), context_in(tmp_path)))
    kept = next(row for row in rows if row.id == stays)
    assert [one for one in outcomes if isinstance(one, Candidate)] == [kept]
    (gone,) = (one for one in outcomes if isinstance(one, Dropped))
    assert (gone.reason, gone.detail) == (SAME, f"{stays} (equal)")


# ---- judges of the steps ---------------------------------------------------------------------------------------------


class ByDocuments:
    """Right where the documents say so; notes what it was asked."""

    name = "by-documents"
    context: Any = "documents"

    def __init__(self) -> None:
        self.asked: list[JudgeRequest] = []

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        self.asked += requests
        return [
            Verdict("correct" if one.context == "documents" else "incorrect", answer_correct=True) for one in requests
        ]


def says(_: Asked) -> str:
    return "Answer: 2"


def tried(folder: Path, url: str, candidates: Sequence[Candidate], judge: ByDocuments) -> list[Candidate | Dropped]:
    given = {"policy": server(url), "attempts": 1, "drop": [], "judge": {"context": "documents"}}
    settings = DifficultySettings.model_validate(given)
    with client(settings.policy, "difficulty.policy") as completions:
        return list(Difficulty(settings, completions, judge, folder / "kept").each(candidates, context_in(folder)))


def test_a_judge_sees_them_where_there_are_some(tmp_path: Path) -> None:
    judge = ByDocuments()
    with chat_model(says) as policy:
        outcomes = tried(tmp_path, policy.url, [told(1, *FACTS), told(2)], judge)
        assert [one.right for one in outcomes if isinstance(one, Candidate)] == [1, 0]
        seen = {(one.example.id, one.context, tuple(one.example.documents)) for one in judge.asked}
        assert seen == {("sums-1", "documents", FACTS), ("sums-2", "answer", ())}
        # They are no part of what the policy is asked.
        assert not any("dogs" in one.text for one in policy.asked)
        # A verdict is of the documents that were seen: with others it is asked for again, with the same it is not.
        tried(tmp_path, policy.url, [told(1, *FACTS), told(2)], judge)
        assert len(judge.asked) == 2
        tried(tmp_path, policy.url, [told(1, FACTS[0]), told(2)], judge)
        assert [one.example.id for one in judge.asked[2:]] == ["sums-1"]
        assert len(policy.asked) == 2


def test_samples_of_references_are_judged_by_them(tmp_path: Path) -> None:
    given = {"model": server("URL"), "samples": 1, "choose": "first", "judge": {"context": "documents"}}
    judge = ByDocuments()
    with chat_model(says) as model:
        settings = ReferenceSettings.model_validate({**given, "model": server(model.url)})
        with client(settings.model, "references.model") as completions:
            step = References(settings, completions, judge, tmp_path / "kept")
            outcomes = list(step.each([told(1, *FACTS), told(1, id="without")], context_in(tmp_path)))
    assert outcomes[0] == told(
        1,
        *FACTS,
        solution="Answer: 2",
        reference="sampled",
        origin={"reference_model": "m", "right_samples": 1, "chosen_by": "only"},
    )
    assert isinstance(outcomes[1], Dropped)


# ---- the set ---------------------------------------------------------------------------------------------------------


def test_without_references_they_stand_in_place_of_a_solution(tmp_path: Path) -> None:
    own = told(3, *FACTS, solution="3 and 1 is 4. Answer: 4", reference="source")
    # An answer that no rule can verify makes no row that trains.
    vague = replace(told(4, *FACTS), answer="some of them", answer_type="number")
    outcomes = list(Solved().each([told(1, *FACTS), told(2), own, vague], context_in(tmp_path)))
    assert outcomes == [
        told(1, *FACTS, solution="Answer: 2", reference="answer"),
        Dropped("sums-2", UNSOLVED),
        own,
        Dropped("sums-4", UNSOLVED),
    ]


def written(folder: Path, *rows: Candidate) -> dict[str, Any]:
    return write_set(folder, lambda: iter(rows), WritingSettings(), PictureStore(folder), BuildRecord())


def test_the_set_has_them_as_training_reads_them(tmp_path: Path) -> None:
    manifest = written(tmp_path, told(1, *FACTS, solution="Answer: 2"), told(2, FACTS[0], solution="Answer: 3"))
    examples = load_examples(str(tmp_path))
    assert [tuple(one.documents) for one in examples] == [FACTS, FACTS[:1]]
    check_documents("documents", examples)
    assert manifest["documents"] == {"rows": 2, "texts": 3}
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "Documents for a judge that sees them (`judge.context: documents`): 3 in 2 of 2 rows." in card


def test_rows_of_one_set_may_lack_them(tmp_path: Path) -> None:
    # 64 rows are a group: the first has none of them.
    rows = [told(n, solution=f"Answer: {n + 1}") for n in range(70)]
    rows[69] = replace(rows[69], documents=FACTS)
    manifest = written(tmp_path, *rows)
    found = {one.id: tuple(one.documents) for one in load_examples(str(tmp_path))}
    assert manifest["documents"] == {"rows": 1, "texts": 2}
    assert {name: documents for name, documents in found.items() if documents} == {"sums-69": FACTS}


def test_a_set_without_any_has_no_column_of_them(tmp_path: Path) -> None:
    manifest = written(tmp_path, told(1, solution="Answer: 2"))
    assert manifest["documents"] == {"rows": 0, "texts": 0}
    assert "documents" not in pq.read_schema(tmp_path / "train-00000.parquet").names
    assert "Documents" not in (tmp_path / "README.md").read_text(encoding="utf-8")
