"""Rows of sources become candidates: copies, faults by kind, limits, resumed where they were."""

from __future__ import annotations

import base64
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.made_rows import png, stored

from contextrl.building import pipeline
from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.import_settings import SourceSettings
from contextrl.building.importing import BAD_PICTURE, MARKERS, OUTSIDE, Import
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context, Pipeline
from contextrl.building.sources.texts import EMPTY_QUESTION
from contextrl.building.sources.turns import NO_ANSWER, NO_TURN
from contextrl.errors import InputError, ServiceError
from contextrl.settings import validated


def settings(**given: Any) -> SourceSettings:
    return validated(SourceSettings, given, where="sources[0]")


def row(number: int, **changes: Any) -> dict[str, Any]:
    made = {
        "question": f"How many bars are in picture {number}?",
        "answer": str(number % 8 + 1),
        "images": [stored(number)],
    }
    return made | changes


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def jsonl(path: Path, rows: list[Any]) -> Path:
    lines = [one if isinstance(one, str) else json.dumps(one) for one in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def outcomes(step: Import, folder: Path, start: int = 0) -> list[Candidate | Dropped]:
    context = Context(0, PictureStore(folder / "pictures"))
    return [one for name in step.units() for one in step.unit(name, context, start)]


def test_rows_of_ones_own_need_no_solution(tmp_path: Path) -> None:
    rows = [row(0, solution=None), row(1, solution="I count two. Answer: 2"), row(2, answer="blue", images=[])]
    path = parquet(tmp_path / "bars.parquet", rows)
    found = outcomes(Import([settings(path=str(path))]), tmp_path)
    first, second, third = (one for one in found if isinstance(one, Candidate))
    assert (first.id, first.answer, first.answer_type, first.solution, first.reference) == (
        "bars-1",
        "1",
        "number",
        "",
        "",
    )
    assert (second.solution, second.reference) == ("I count two. Answer: 2", "source")
    assert (third.answer_type, third.images) == ("text", ())
    store = PictureStore(tmp_path / "pictures")
    assert store.path(first.images[0]).read_bytes() == png(0), "the bytes that the source has"


def test_numbers_of_a_raw_set_are_answers(tmp_path: Path) -> None:
    answers = [row(0, answer=5), row(1, answer=-3), row(2, answer=True), row(3, answer=None)]
    found = outcomes(
        Import([settings(path=str(jsonl(tmp_path / "x.jsonl", [one | {"images": []} for one in answers])))]), tmp_path
    )
    assert [one.answer for one in found if isinstance(one, Candidate)] == ["5", "-3"]
    halves = parquet(tmp_path / "halves.parquet", [row(0, answer=0.5), row(1, answer=2.0)])
    found = outcomes(Import([settings(path=str(halves))]), tmp_path)
    assert [(one.answer, one.answer_type) for one in found if isinstance(one, Candidate)] == [
        ("0.5", "number"),
        ("2.0", "number"),
    ]


def said(who: str, text: Any) -> dict[str, Any]:
    return {"role": who, "content": text}


@pytest.mark.parametrize(
    "conversation",
    [
        {
            "messages": [
                said("system", "Be brief."),
                said("user", "<image>\nHow many?"),
                said("assistant", "3"),
                said("user", "And twice as many?"),
                said("assistant", "Twice 3 is 6, as 3 + 3 = 6.\nAnswer: 6"),
            ]
        },
        {
            "messages": [
                said("user", [{"type": "image"}, {"type": "text", "text": "How many?"}]),
                said("assistant", "3"),
                said("user", "And twice as many?"),
                said("assistant", [{"type": "text", "text": "Twice 3 is 6, as 3 + 3 = 6.\nAnswer: 6"}]),
            ]
        },
        {
            "conversations": [
                {"from": "human", "value": "How many?\n<image>"},
                {"from": "gpt", "value": "3"},
                {"from": "human", "value": "And twice as many?"},
                {"from": "gpt", "value": "Twice 3 is 6, as 3 + 3 = 6.\nAnswer: 6"},
            ]
        },
        {
            "texts": [
                {"user": "How many?", "assistant": "3"},
                {"user": "And twice as many?", "assistant": "Twice 3 is 6, as 3 + 3 = 6.\nAnswer: 6"},
            ]
        },
    ],
)
def test_turns_of_a_conversation_are_questions(conversation: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(0))
    path = jsonl(tmp_path / "talk.jsonl", [{"id": "t", "images": ["a.png"], "licence": "mit"} | conversation])
    first, second = (
        one for one in outcomes(Import([settings(path=str(path))]), tmp_path) if isinstance(one, Candidate)
    )
    assert (first.id, first.answer, first.solution) == ("talk-t-1", "3", "")
    # A picture that comes first needs no marker.
    comes_after = "How many?\n<image>" in str(conversation.get("conversations", [{}])[0].get("value"))
    assert first.question == ("How many?\n<image>" if comes_after else "How many?")
    assert (second.id, second.question, second.answer) == ("talk-t-2", "And twice as many?", "6")
    assert second.solution.startswith("Twice 3 is 6")
    assert first.images == second.images != ()
    assert first.licence == "mit"


def test_conversations_of_nobody_known_are_told(tmp_path: Path) -> None:
    talks = [[{"role": "narrator", "content": "x"}], [{"role": "User", "content": "2?"}, said("ASSISTANT", "2")]]
    path = jsonl(tmp_path / "rows.jsonl", [{"images": [], "messages": one} for one in talks])
    nobody, known = outcomes(Import([settings(path=str(path))]), tmp_path)
    assert isinstance(nobody, Dropped)
    assert nobody.reason == NO_TURN
    assert isinstance(known, Candidate)
    assert known.answer == "2"


def test_sick_conversations_cost_only_themselves(tmp_path: Path) -> None:
    talks: list[Any] = [
        [said("user", "How many?")],
        [said("assistant", "3")],
        [
            said("user", "Tell me."),
            said("assistant", "I see a long street with many trees and cars, and people who walk about in it."),
        ],
        [said("user", "<image>"), said("assistant", "3")],
        [said("user", "How many?"), said("user", "How many really?"), said("assistant", "4")],
        [5, None, "x"],
        "x",
    ]
    found = outcomes(
        Import([settings(path=str(jsonl(tmp_path / "t.jsonl", [{"messages": one} for one in talks])))]), tmp_path
    )
    assert [one.answer for one in found if isinstance(one, Candidate)] == ["4"]
    reasons = [one.reason for one in found if isinstance(one, Dropped)]
    assert reasons[:5] == [NO_TURN, NO_TURN, NO_ANSWER, EMPTY_QUESTION, NO_TURN]


def test_columns_names_and_types_are_as_the_recipe_says(tmp_path: Path) -> None:
    rows = [{"qid": 7, "query": "<image> Is it red?", "gt": "No", "pic": stored(3), "why": "It is blue. Answer: No"}]
    path = parquet(tmp_path / "x.parquet", rows)
    columns = {"id": "qid", "question": "query", "answer": "gt", "images": "pic", "solution": "why"}
    given = settings(path=str(path), name="mine", columns=columns, task="perception", licence="mit", solutions="ignore")
    (found,) = outcomes(Import([given]), tmp_path)
    assert isinstance(found, Candidate)
    assert (found.id, found.source, found.task, found.licence) == ("mine-7", "mine", "perception", "mit")
    assert (found.question, found.answer_type, found.solution) == ("Is it red?", "yes_no", "")


def test_what_is_wrong_is_told_by_kind_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").write_bytes(png(1))
    (tmp_path / "in" / "sick.png").write_bytes(b"\x89PNG\r\n\x1a\n rest is missing")
    fine = {"question": "How many?", "answer": "1", "images": []}
    lines = [
        fine,
        "{not json",
        {**fine, "images": ["sick.png"]},
        {**fine, "images": ["../secret.png"]},
        {**fine, "images": ["nowhere.png"]},
        {**fine, "question": "<image> <image> two?", "images": []},
        {"question": "no answer", "images": []},
        {**fine, "id": "a"},
        {**fine, "id": "a", "question": "another?"},
    ]
    path = jsonl(tmp_path / "in" / "q.jsonl", lines)
    found = outcomes(Import([settings(path=str(path), name="q")]), tmp_path)
    reasons = [one.reason if isinstance(one, Dropped) else "kept" for one in found]
    assert reasons[0] == reasons[7] == "kept"
    assert reasons[1] == "a line that is no row"
    assert reasons[2] == "a picture that cannot be read"
    assert reasons[3] == "a picture outside the rows' folder"
    assert reasons[4] == "a picture that cannot be read"
    assert reasons[5].startswith("expected a marker for each picture")
    assert reasons[6] == "expected a field 'answer'"
    assert reasons[8] == "an id that an earlier one has"
    assert len({one.id for one in found}) == len(found)


def test_a_row_that_is_left_out_takes_no_other_row_s_id(tmp_path: Path) -> None:
    fine = {"question": "How many?", "answer": "1", "images": []}
    path = jsonl(tmp_path / "q.jsonl", ["{no row", {**fine, "id": "1"}, {**fine, "answer": None}, {**fine, "id": 3}])
    found = outcomes(Import([settings(path=str(path))]), tmp_path)
    assert [one.id for one in found if isinstance(one, Candidate)] == ["q-1", "q-3"]
    assert [one.id for one in found if isinstance(one, Dropped)] == ["q-row1", "q-row3"]


@pytest.mark.parametrize(
    "place",
    [
        "mine.parquet",
        "mine/train-00000.parquet",
        "FanqingM/MMK12/train-00000-of-00001.parquet",
        "FanqingM/MMK12/data/train-00000-of-00001.parquet",
    ],
)
def test_copies_are_found_where_they_are_put(place: str, tmp_path: Path) -> None:
    parquet(tmp_path / "copies" / place, [row(0), row(1)])
    step = Import([settings(path="FanqingM/MMK12", name="mine")], local=tmp_path / "copies")
    step.check()
    assert len(outcomes(step, tmp_path)) == 2


def test_a_configuration_has_its_own_folder(tmp_path: Path) -> None:
    turn = {"user": "<image>\nWhat is shown?", "assistant": "bars"}
    for config, rows in (("arxivqa", 3), ("geoqa+(mathv360k)", 2)):
        folder = tmp_path / "HuggingFaceM4" / "FineVision" / config
        made = [{"images": [stored(n)], "texts": [turn], "source": config} for n in range(rows)]
        parquet(folder / "train-00000-of-00002.parquet", made[:1])
        parquet(folder / "train-00001-of-00002.parquet", made[1:])
    sources = [settings(kind="finevision", config="arxivqa"), settings(kind="finevision", config="geoqa+(mathv360k)")]
    found = outcomes(Import(sources, local=tmp_path), tmp_path)
    others = [f"geoqa+(mathv360k)-{n}" for n in (1, 2)]
    assert [one.id for one in found] == ["arxivqa-1", "arxivqa-2", "arxivqa-3", *others]


def test_without_hub_and_copy_it_says_how_to_have_one_before_anything_is_done() -> None:
    sources = [settings(kind="finevision", config="arxivqa"), settings(path="owner/name:part", revision="abc")]
    with pytest.raises(ServiceError) as caught:
        Import(sources).check()
    message = str(caught.value)
    assert "could not be reached for 2 of the sources" in message
    assert (
        "HuggingFaceM4/FineVision, configuration arxivqa, revision 3c380a731a3429c1d04693d6ec16d7e683def84c" in message
    )
    assert "hf download HuggingFaceM4/FineVision --repo-type dataset --revision 3c380a7" in message
    assert "--include 'arxivqa/*' --local-dir COPIES/HuggingFaceM4/FineVision" in message
    assert "owner/name:part, revision abc" in message
    assert "hf download owner/name --repo-type dataset --revision abc --include 'part/*'" in message
    assert "--local-dir COPIES/owner/name;" in message


def test_all_sources_that_need_a_copy_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Import([settings(kind=kind) for kind in ("mm_math", "arxivqa", "mmk12")])
    message = str(caught.value)
    assert "copies for 2 of them" in message
    assert "source mm_math: expected a copy of THU-KEG/MM_Math, revision none pinned" in message
    assert "MMInstruction/ArxivQA, revision 85a6dca0e2bdc6f0268ae519be8913f83a83cafd" in message
    assert message.count("hf download") == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "finvision"}, "did you mean finevision"),
        ({"kind": "rows"}, "a file, a folder or a hub id"),
        ({"kind": "mmk12", "path": "x"}, "path: expected none for kind mmk12"),
        ({"kind": "mmk12", "config": "x"}, "config: expected none for kind mmk12"),
        ({"path": "x", "answer_type": "word"}, "answer_type"),
        ({"path": "x", "limit": 0}, "limit"),
    ],
)
def test_settings_that_mean_nothing_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        settings(**given)
    assert message in str(caught.value)


def test_copies_that_are_none_are_refused(tmp_path: Path) -> None:
    for given, local in (({"local": str(tmp_path / "x")}, None), ({}, tmp_path / "x")):
        with pytest.raises(InputError):
            Import([settings(path="owner/name", **given)], local=local)
    with pytest.raises(InputError, match="fields: answer"):
        Import([settings(path=str(tmp_path), columns={"anser": "a"})])


def test_the_limit_counts_questions(tmp_path: Path) -> None:
    path = parquet(tmp_path / "bars.parquet", [row(n) for n in range(9)])
    assert len(outcomes(Import([settings(path=str(path), limit=5)]), tmp_path)) == 5
    assert len(outcomes(Import([settings(path=str(path), limit=5)], limit=3), tmp_path)) == 3


def test_what_is_done_is_not_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run begins after the parts that are there; a copy with other rows is another build."""
    monkeypatch.setattr(pipeline, "PART", 4)
    path = parquet(tmp_path / "bars.parquet", [row(n) for n in range(10)])

    def run(folder: str) -> list[str]:
        step = Import([settings(path=str(path))])
        made = Pipeline(tmp_path / folder, [step], Context(0, PictureStore(tmp_path / folder / "pictures")))
        made.run()
        return [one.id for one in made.outcome()]

    whole = run("whole")
    run("stopped")
    steps = tmp_path / "stopped" / "steps" / "01-import"
    for name in ("done.json", "unit-000.done", "part-000-00002.jsonl", "dropped-000-00002.jsonl"):
        (steps / name).unlink()
    put: list[str] = []
    keep = PictureStore.put

    def noted(self: PictureStore, handle: Any, *, where: str) -> str:
        put.append(where)
        return keep(self, handle, where=where)

    monkeypatch.setattr(PictureStore, "put", noted)
    assert run("stopped") == whole
    assert len(put) == 2
    for name in ("part-000-00000.jsonl", "part-000-00002.jsonl"):
        assert (steps / name).read_bytes() == (tmp_path / "whole" / "steps" / "01-import" / name).read_bytes()
    parquet(path, [row(n + 1) for n in range(10)])
    put.clear()
    run("stopped")
    assert len(put) == 10


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Pictures are let go of: more than twice the rows hold no more of them at once."""
    picture = {"bytes": png(1) + bytes(20_000), "path": None}  # what follows a picture's end is not looked at

    def most(rows: int) -> int:
        path = parquet(tmp_path / f"{rows}.parquet", [row(n, images=[picture]) for n in range(rows)])
        step = Import([settings(path=str(path), name="bars")])
        context = Context(0, PictureStore(tmp_path / "pictures"))
        tracemalloc.start()
        kept = sum(isinstance(one, Candidate) for one in step.unit("bars", context, 0))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert kept == rows
        return peak

    few = most(280)
    assert few > 256 * 20_000, "a batch of the file is held"
    assert most(600) < few + 100 * 20_000


def test_text_that_no_file_takes_is_left_out_and_said(tmp_path: Path) -> None:
    """Half of a surrogate pair in any field; a line end of Unicode is text like any other."""
    fine = {"question": "How many?", "answer": "1", "images": []}
    half = '"\\ud83d"'
    lines = [json.dumps({**fine, field: "@"}).replace('"@"', half) for field in ("question", "answer", "id", "source")]
    path = jsonl(tmp_path / "q.jsonl", [*lines, {**fine, "question": "One\u2028two\u0085three?"}])
    pipeline = Pipeline(
        tmp_path / "out", [Import([settings(path=str(path))])], Context(0, PictureStore(tmp_path / "p"))
    )
    (counts,) = pipeline.run()
    assert counts.given == 1
    assert sum(counts.dropped.values()) == 4
    (kept,) = pipeline.outcome()
    assert kept.question == "One\u2028two\u0085three?"


@pytest.mark.parametrize(
    ("written", "answer", "kind", "solution"),
    [
        ("<answer> 3 </answer>", "3", "number", ""),
        ("$\\boxed{\\frac{1}{2}}$", "\\frac{1}{2}", "number", ""),
        ("The answer is 7 cm.", "7 cm", "number", ""),
        ("Answer: B", "B", "choice", ""),
        ("答案：5", "5", "number", ""),
        ("It is two and three.\n#### 5", "5", "number", "It is two and three.\nAnswer: 5"),
        ("As it is round, there is one.\nAnswer: 1", "1", "number", "As it is round, there is one.\nAnswer: 1"),
        ("The White House", "The White House", "text", ""),
    ],
)
def test_answers_with_something_around_them(
    written: str, answer: str, kind: str, solution: str, tmp_path: Path
) -> None:
    path = jsonl(tmp_path / "rows.jsonl", [{"question": "Which?", "answer": written, "images": []}])
    (one,) = outcomes(Import([settings(path=str(path))]), tmp_path)
    assert isinstance(one, Candidate)
    assert (one.answer, one.answer_type, one.solution) == (answer, kind, solution)


def test_an_answer_in_tags_is_no_solution(tmp_path: Path) -> None:
    columns = {"question": "problem", "answer": "solution", "images": None}
    said = ["<answer> 3 </answer>", "There are three of them here. <answer> 3 </answer>"]
    path = jsonl(tmp_path / "rows.jsonl", [{"problem": f"How many, {one}?", "solution": one} for one in said])
    bare, worked = outcomes(Import([settings(path=str(path), columns=columns)]), tmp_path)
    assert isinstance(bare, Candidate)
    assert isinstance(worked, Candidate)
    assert (bare.answer, bare.solution, bare.reference) == ("3", "", "")
    assert (worked.answer, worked.solution, worked.reference) == ("3", said[1], "source")


def test_a_path_beside_the_picture_itself(tmp_path: Path) -> None:
    made = {"question": "Which <image1>?", "answer": "x", "image": "images/1.jpg", "decoded_image": stored(1)}
    (one,) = outcomes(Import([settings(path=str(parquet(tmp_path / "rows.parquet", [made])))]), tmp_path)
    assert isinstance(one, Candidate)
    assert (len(one.images), one.question) == (1, "Which <image>?")


def test_options_that_are_pictures(tmp_path: Path) -> None:
    made = {"question": "Which, <image 1> or <image 2>?", "options": "['<image 1>', '<image 2>']", "answer": "B"}
    rows = [made | {"image_1": stored(1), "image_2": stored(2)}]
    (one,) = outcomes(Import([settings(path=str(parquet(tmp_path / "rows.parquet", rows)))]), tmp_path)
    assert isinstance(one, Candidate)
    assert (one.question, one.answer) == ("Which, <image> or <image>?\nA. <image 1>\nB. <image 2>", "B")
    assert len(one.images) == 2


def test_the_recipe_may_say_that_answers_are_no_letters(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", [{"question": "Which?\nA. 3\nB. 4", "answer": "4", "images": []}])
    for kind, answer in (("auto", "B"), ("number", "4")):
        (one,) = outcomes(Import([settings(path=str(path), answer_type=kind)]), tmp_path)
        assert isinstance(one, Candidate)
        assert one.answer == answer


def test_a_solution_that_states_no_answer_leaves_its_type_to_the_answer(tmp_path: Path) -> None:
    choice = "Which one is red?\nA. the ball\nB. the cup"
    rows = [
        row(0, question=choice, answer="B", solution="The cup is red, as the picture shows."),
        row(1, answer="12", solution="There are plenty of them."),
        row(2, answer="yes", solution="It has ice in it."),
        row(3, answer="blue", solution="It looks blue to me."),
        row(4, answer="12", answer_type="text", solution="There are plenty of them."),
    ]
    path = jsonl(tmp_path / "x.jsonl", [one | {"images": []} for one in rows])
    found = outcomes(Import([settings(path=str(path))]), tmp_path)
    types = [one.answer_type for one in found if isinstance(one, Candidate)]
    assert types == ["choice", "number", "yes_no", "text", "text"]


@pytest.mark.parametrize(
    ("columns", "pictures"),
    [
        ({"image_path": "a.png"}, "a"),
        ({"img": "b.png"}, "b"),
        ({"images": None, "Img_Path": ["b.png", "a.png"]}, "ba"),
        ({"image_2": "b.png", "image_1": "a.png", "image_3": None}, "ab"),
        ({"image_1": "b.png", "image_2": ""}, "b"),
        ({"image_1": "b.png"}, "b"),
        ({"image": "b.png", "file_name": "a.png"}, "b"),
        ({"file_name": "shard.jsonl"}, ""),
        ({"images": [], "img": "a.png"}, ""),
        ({"image_path": None, "img": ""}, ""),
        ({"meta": {"path": "shard.jsonl"}, "pid": "a.png"}, ""),
        ({"image_path": "gone.png"}, BAD_PICTURE),
        ({"image_path": "https://example.org/1"}, f"expected a local path|{BAD_PICTURE}"),
        ({"figure": "a.png"}, "expected columns of pictures by a known name"),
        ({"image_url": "https://example.org/a.png"}, "expected columns of pictures by a known name"),
    ],
)
@pytest.mark.parametrize("asks", [True, False], ids=["question", "conversation"])
def test_pictures_under_other_names_are_not_lost(
    columns: dict[str, Any], pictures: str, asks: bool, tmp_path: Path
) -> None:
    for number, name in enumerate("ab"):
        (tmp_path / f"{name}.png").write_bytes(png(number))
    question = {"question": "What is shown?", "answer": "bars"}
    turns = {"messages": [said("user", "What is shown?"), said("assistant", "bars")]}
    path = jsonl(tmp_path / "x.jsonl", [columns | (question if asks else turns)])
    (one,) = outcomes(Import([settings(path=str(path))]), tmp_path)
    if isinstance(one, Dropped):
        assert one.reason in pictures.split("|")
        return
    store = PictureStore(tmp_path / "pictures")
    assert [store.path(name).read_bytes() for name in one.images] == [png("ab".index(name)) for name in pictures]


def test_columns_that_hold_something_else_are_no_fields(tmp_path: Path) -> None:
    made = row(1) | {"task": "closed choice", "answer_type": "integer", "tolerance": "none"}
    path = str(parquet(tmp_path / "rows.parquet", [made]))
    (left_out,) = outcomes(Import([settings(path=path)]), tmp_path)
    assert isinstance(left_out, Dropped)
    assert "columns: {answer_type: null}" in left_out.detail
    columns = {"task": None, "answer_type": None, "tolerance": None}
    (one,) = outcomes(Import([settings(path=path, columns=columns)]), tmp_path)
    assert isinstance(one, Candidate)
    assert (one.answer_type, one.task, one.tolerance) == ("number", "reasoning", None)


def test_the_recipe_says_which_column_has_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(0))
    path = jsonl(tmp_path / "x.jsonl", [{"figure": "a.png", "question": "What is shown?", "answer": "bars"}])
    for named, count in (("figure", 1), (None, 0)):
        (one,) = outcomes(Import([settings(path=str(path), columns={"images": named})]), tmp_path)
        assert isinstance(one, Candidate)
        assert len(one.images) == count


def talk(*asked: Any, images: str = "ab") -> dict[str, Any]:
    turns = [one for text in asked for one in (said("user", text), said("assistant", "bars"))]
    return {"images": [f"{name}.png" for name in images], "messages": turns}


def part(text: str = "", **picture: Any) -> dict[str, Any]:
    return {"type": "text", "text": text} if text else {"type": "image", **picture}


DATA = "data:image/png;base64," + base64.b64encode(png(1)).decode()
URL = {"type": "image_url", "image_url": {"url": DATA}}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (talk("Which is taller, <image> or <image>?"), [("Which is taller, <image> or <image>?", "ab")]),
        (talk("<image>\nWhat is it?", "<image>\nAnd this?"), [("What is it?", "a"), ("And this?", "b")]),
        (talk("Is <image> red?", "Is it?", "<image>?"), [("Is <image> red?", "a"), ("Is it?", "ab"), ("?", "b")]),
        (talk("Is <image 2> red?", "Or <image 1>?"), [("Is <image> red?", "b"), ("Or <image>?", "a")]),
        (talk("Is <image_2> as <image_1>?"), [("Is <image> as <image>?", "ba")]),
        (talk("<image><image>\nIs it?", "<image><image>\nAnd?"), [("Is it?", "ab"), ("And?", "ab")]),
        (talk("<image>\nIs it?", "And now?"), [("Is it?", "ab"), ("And now?", "ab")]),
        (talk("What is it?"), [("What is it?", "ab")]),
        (talk("Is <image> red?"), [MARKERS]),
        (talk("Is <image 3> red?"), [MARKERS]),
        (talk("Is <image> red?", images=""), [MARKERS]),
        (
            talk([part("Is"), part(), part("as"), part(image="b.png"), part("?")], images="a"),
            [("Is\n<image>\nas\n<image>\n?", "ab")],
        ),
        (talk([part("Is it red?"), part(image="a.png")], images=""), [("Is it red?\n<image>", "a")]),
        (talk([part(path="a.png"), part("What?")], "And?", images=""), [("What?", "a"), ("And?", "a")]),
        (talk("Hello?", [URL, part("What is it?")], images=""), [("Hello?", ""), ("What is it?", "b")]),
        (talk([part("Is <image> as <image>?"), URL, part(url="a.png")], images=""), [("Is <image> as <image>?", "ba")]),
        (talk([part(image="https://example.org/a.png"), part("What is it?")], images=""), [BAD_PICTURE]),
        (talk([part(image="../c.png"), part("What is it?")], images=""), [OUTSIDE]),
        (talk([part(), part("What is it?")], images=""), [MARKERS]),
    ],
)
def test_each_turn_has_the_pictures_that_it_marks(
    row: dict[str, Any], expected: list[str | tuple[str, str]], tmp_path: Path
) -> None:
    for number, name in enumerate("ab"):
        (tmp_path / f"{name}.png").write_bytes(png(number))
    store = PictureStore(tmp_path / "pictures")
    shown = {png(number): name for number, name in enumerate("ab")}
    found = outcomes(Import([settings(path=str(jsonl(tmp_path / "x.jsonl", [row])))]), tmp_path)
    assert [
        one.reason
        if isinstance(one, Dropped)
        else (one.question, "".join(shown[store.path(name).read_bytes()] for name in one.images))
        for one in found
    ] == expected
