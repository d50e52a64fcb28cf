"""Rows in each known set's documented schema, and rows that are not: what they ask, or why they are left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.made_rows import png, stored

from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.import_settings import KINDS, ROWS, SourceSettings
from contextrl.building.importing import Import
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context
from contextrl.building.sources.registry import KNOWN, example_config, source_of
from contextrl.building.sources.source import Found, Sick
from contextrl.data.raw_rows import RawRow
from contextrl.errors import InputError

CONFIGS = {"finevision": "arxivqa", "thinklite": "hard-11k", "mmfinereason": "MMK12"}


def asked(kind: str, config: str = "", base: Path | None = None, **columns: Any) -> Found | Sick:
    source = source_of(SourceSettings(kind=kind, config=config or CONFIGS.get(kind, "")))
    (found,) = source.questions(RawRow("made, row 1", "made-1", base, columns))
    return found


def found_in(kind: str, config: str = "", base: Path | None = None, **columns: Any) -> Found:
    found = asked(kind, config, base, **columns)
    assert isinstance(found, Found), found
    return found


def test_all_kinds_are_known() -> None:
    assert {*KNOWN, ROWS} == set(KINDS)
    for kind in KNOWN:
        assert "/" in source_of(SourceSettings(kind=kind, config=example_config(kind))).hub


def test_thinklite() -> None:
    one = found_in("thinklite", image=stored(1), problem="<image>Find x.", answer="12")
    assert (one.question, one.answer, one.solution, len(one.images)) == ("Find x.", "12", "", 1)
    assert isinstance(asked("thinklite", image=stored(1), problem="<image>", answer="12"), Sick)
    assert source_of(SourceSettings(kind="thinklite", config="70k")).hub == "russwang/ThinkLite-VL-70k"
    for config in ("", "70"):
        with pytest.raises(InputError, match="70k or hard-11k"):
            source_of(SourceSettings(kind="thinklite", config=config))


def test_mmk12() -> None:
    one = found_in(
        "mmk12", id="a7", question="Given <image>, find y.", answer="$\\frac{1}{2}$", subject="math", image=stored(2)
    )
    assert (one.row_id, one.answer, one.origin) == ("a7", "$\\frac{1}{2}$", {"subject": "math"})
    # The picture stays where the question shows it; one marker is not two pictures.
    assert one.question == "Given <image>, find y."
    numbered = {"answer": "1", "subject": None, "image": [stored(1), stored(2)]}
    assert "<image 2>" in found_in("mmk12", question="Is <image 2> above <image 1>?", **numbered).question
    assert found_in("mmk12", question="Is <image 3> above it?", **numbered).question == "Is   above it?"
    twice = found_in("mmk12", question="<image>Given <image>, find y.", answer="1", subject=None, image=stored(2))
    assert "<image>" not in twice.question
    assert found_in("mmk12", question="y?", answer="1", subject=None, image=None).images == []


def test_geometry3k() -> None:
    one = found_in("geometry3k", images=[stored(1)], problem="<image>Find m$\\angle$1.", answer="23 \\sqrt { 2 }")
    assert (one.question, one.answer, len(one.images)) == ("Find m$\\angle$1.", "23 \\sqrt { 2 }", 1)


def test_thinklite_choices_apart_become_options() -> None:
    columns = {"image": png(1), "problem": "<image>Which is it?", "choices": ["red", "blue"], "id": 3}
    one = found_in("thinklite", **columns, answer="blue")
    assert (one.question, one.answer, one.answer_type) == ("Which is it?\nA. red\nB. blue", "B", "choice")
    # Ids of the sets that it is made of repeat each other: they name no row.
    assert (one.row_id, one.origin) == ("", {"id": "3"})
    listed = "<image>Which is it? (A) red (B) blue"
    one = found_in("thinklite", **{**columns, "problem": listed}, answer="B")
    assert (one.question, one.answer, one.answer_type) == (listed.removeprefix("<image>"), "B", "choice")
    numbers = found_in("thinklite", **{**columns, "choices": [3.5, 4.5]}, answer="4.5")
    assert (numbers.question, numbers.answer, numbers.answer_type) == ("Which is it?\nA. 3.5\nB. 4.5", "B", "choice")
    assert isinstance(asked("thinklite", **{**columns, "choices": [3.5, 4.5]}, answer="5"), Sick)
    # Numbers of the question are no list of options.
    angles = {**columns, "problem": "<image>AB = 3, CD = 4. Which is x?", "choices": ["3", "4"]}
    assert found_in("thinklite", **angles, answer="B").question.endswith("\nA. 3\nB. 4")
    assert isinstance(asked("thinklite", **columns, answer="green"), Sick)
    assert found_in("thinklite", **{**columns, "choices": None}, answer=None, ground_truth="7").answer == "7"


ARXIVQA = {
    "id": "cond-mat-2",
    "image": "images/1804.00103_0.jpg",
    "options": ["A) One", "B) Two", "C) Three", "D) Four", "-"],
    "question": "How many?",
    "rationale": "There are three peaks, so option C fits.",
}


def test_arxivqa() -> None:
    one = found_in("arxivqa", **ARXIVQA, label="[C]")
    assert (one.answer, one.answer_type, one.row_id) == ("C", "choice", "cond-mat-2")
    assert one.question == "How many?\nA) One\nB) Two\nC) Three\nD) Four"
    assert one.solution == "There are three peaks, so option C fits.\nAnswer: C"
    assert (one.images, one.origin) == (["images/1804.00103_0.jpg"], {"paper": "1804.00103"})


def test_arxivqa_labels_are_letters_before_texts() -> None:
    letters = {**ARXIVQA, "options": ["A) c", "B) d", "C) A", "D) b"]}
    assert found_in("arxivqa", **letters, label="D").answer == "D"
    assert found_in("arxivqa", **letters, label="A").answer == "A"
    assert found_in("arxivqa", **letters, label="d").answer == "B"
    bare = {**ARXIVQA, "options": ["C", "A", "B"]}
    assert found_in("arxivqa", **{**bare, "options": ["A", "B", "C"]}, label="C").answer == "C"
    found = asked("arxivqa", **bare, label="C")
    assert isinstance(found, Sick)
    assert found.reason == "a letter that is also what another option says"


def test_arxivqa_rationales_for_another_option_are_no_solutions() -> None:
    argued = "The line has three peaks. The correct answer is C."
    assert found_in("arxivqa", **{**ARXIVQA, "rationale": argued}, label="B").solution == ""
    assert found_in("arxivqa", **{**ARXIVQA, "rationale": argued}, label="C").solution == f"{argued}\nAnswer: C"
    assert found_in("arxivqa", **{**ARXIVQA, "rationale": None}, label="C").solution == ""


@pytest.mark.parametrize(
    ("image", "paper"),
    [
        ("images/0805.4509_1.jpg", "0805.4509"),
        ("images/1804.00103v2_0.jpg", "1804.00103"),
        ("cond-mat9901001_1.jpg", "cond-mat9901001"),
        ("images/figure.jpg", None),
    ],
)
def test_arxivqa_papers(image: str, paper: str | None) -> None:
    assert found_in("arxivqa", **{**ARXIVQA, "image": image}, label="C").origin.get("paper") == paper


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label": "E"}, "a label that is none of the options"),
        ({"label": "Five"}, "a label that is none of the options"),
        ({"label": "A, B"}, "a label that is none of the options"),
        ({"label": "A", "options": ["A) One", "C) Two"]}, "options that their letters do not tell apart"),
        ({"label": "A", "options": ["One"]}, "options that their letters do not tell apart"),
        ({"label": "A", "options": [1, 2]}, "options that their letters do not tell apart"),
    ],
)
def test_arxivqa_rows_that_say_no_option(changes: dict[str, Any], reason: str) -> None:
    found = asked("arxivqa", **{**ARXIVQA, **changes})
    assert isinstance(found, Sick)
    assert found.reason == reason


SAID = "<think>Let me see. It may be 7.</think>The sides are 3 and 4.\n\nThe final answer is <answer>5</answer>."
SAID_AFTER = "The sides are 3 and 4.\n\nThe final answer is <answer>5</answer>."


def test_mmfinereason_by_part() -> None:
    common = {"question": "<image>Find c.", "image": stored(1), "id": 12, "qwen3vl_235b_thinking_response": SAID}
    one = found_in("mmfinereason", **common, answer="5", original_answer="c^2 = 25, so c = 5", source="geometry3k")
    assert (one.answer, one.solution, one.row_id) == ("5", SAID_AFTER, "")
    assert one.origin == {"id": "12", "set": "geometry3k", "solution": "qwen3vl_235b_thinking_response"}
    longer = found_in("mmfinereason", **common, answer=None, original_answer="c^2 = 25.\nAnswer: 5")
    assert (longer.answer, longer.solution) == ("5", SAID_AFTER)
    other = found_in("mmfinereason", **common, answer="12", data_source="MMK12-train")
    assert (other.answer, other.solution) == ("12", ""), "the model's solution ends with another answer"
    assert other.origin == {"id": "12", "set": "MMK12-train"}
    own = found_in("mmfinereason", **{**common, "qwen3vl_235b_thinking_response": ""}, solution="So c = 5. Answer: 5")
    assert (own.answer, own.solution) == ("5", "So c = 5. Answer: 5")
    cut = found_in("mmfinereason", **{**common, "qwen3vl_235b_thinking_response": "<think>It may be 5"}, answer="5")
    assert cut.solution == "", "a response that never leaves its thoughts"
    assert cut.origin["set"] == "MMK12"
    assert isinstance(asked("mmfinereason", **common), Sick)


def test_mmfinereason_answers_with_letters() -> None:
    said = {"qwen3vl_235b_thinking_response": "<think>x</think>It barks, so it is the dog.\n<answer>B</answer>"}
    common = {"question": "<image>Which?\n(A) cat\n(B) dog", "image": stored(1), **said}
    one = found_in("mmfinereason", **common, answer="dog")
    assert (one.answer, one.answer_type, one.solution) == (
        "B",
        "choice",
        "It barks, so it is the dog.\n<answer>B</answer>",
    )
    found = asked("mmfinereason", **common, answer="A. dog")
    assert isinstance(found, Sick)
    for bare in ("B", "The answer is B.", "dog"):
        own = found_in("mmfinereason", question=common["question"], image=stored(1), solution=bare)
        assert (own.answer, own.solution) == ("B", ""), "an answer is no solution"


def test_mmfinereason_checks_are_ratings() -> None:
    one = found_in("mmfinereason", question="c?", image=stored(1), answer="5", pass_rate=0.25, is_consistent=True)
    assert one.ratings == {"pass_rate": 0.25, "is_consistent": 1.0}


def test_mmfinereason_parts_and_selections() -> None:
    part = source_of(SourceSettings(kind="mmfinereason", config="FineVision-geo170k(qa)"))
    assert (part.hub, part.config) == (
        "OpenDataArena/MMFineReason-Full-2.3M-Qwen3-VL-235B-Thinking",
        "FineVision-geo170k(qa)",
    )
    selection = source_of(SourceSettings(kind="mmfinereason", config="SFT-123K"))
    assert (selection.hub, selection.config) == ("OpenDataArena/MMFineReason-SFT-123K-Qwen3-VL-235B-Thinking", "")
    with pytest.raises(InputError, match="did you mean ViRL39K"):
        source_of(SourceSettings(kind="mmfinereason", config="ViRL39"))


MM_MATH = {
    "question": "As shown, find $BD$.",
    "file_name": "7.png",
    "solution": "\\textbf{Solution:} By the theorem, $BD=\\boxed{6}$",
    "year": "eight",
    "difficult": "hard",
    "knowledge": {"level_1": "Properties of Shapes", "level_2": "Triangles"},
}


@pytest.mark.parametrize("folder", ["MM_Math", "Image", "images", "."])
def test_mm_math(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "7.png").write_bytes(png(7))
    one = found_in("mm_math", base=tmp_path, **MM_MATH)
    assert (one.answer, one.images) == ("6", [f"{folder}/7.png"])
    assert one.solution == MM_MATH["solution"]
    assert one.origin == {"year": "eight", "difficult": "hard", "knowledge": "Properties of Shapes / Triangles"}


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("Therefore $x$ is $\\boxed{1}$ or $\\boxed{2}$.", "1 or 2"),
        ("We get $y=\\boxed{-x^2+3}$. Hence it opens down.", "-x^2+3"),
        # Half of an answer is none, and neither is a short text without a box.
        ("(1) As AB = BC, \\boxed{3}; (2) so the area is \\boxed{4}", None),
        ("Here x = 3.", None),
    ],
)
def test_mm_math_boxes(solution: str, answer: str | None) -> None:
    found = asked("mm_math", **{**MM_MATH, "solution": solution})
    assert (found.answer if isinstance(found, Found) else None) == answer


def test_mm_math_that_is_sick(tmp_path: Path) -> None:
    proof = "We prove it as follows, by looking at the triangles and so on."
    assert isinstance(asked("mm_math", **{**MM_MATH, "solution": proof}), Sick)
    assert found_in("mm_math", **{**MM_MATH, "knowledge": "k", "year": None, "file_name": None}).images == []
    for name in ("x" * 5000, "a\0b", "../7.png"):
        assert found_in("mm_math", base=tmp_path, **{**MM_MATH, "file_name": name}).images == [name]


def rows_of(kind: str, picture: str) -> dict[str, Any]:
    return {"mm_math": MM_MATH | {"file_name": picture}, "arxivqa": ARXIVQA | {"image": picture, "label": "C"}}[kind]


@pytest.mark.parametrize(
    ("kind", "command", "place"),
    [
        ("mm_math", "unzip MM_Math.zip", "THU-KEG/MM_Math/MM_Math/MM_Math.jsonl"),
        ("arxivqa", "tar xzf images.tgz", "MMInstruction/ArxivQA/arxivqa.jsonl"),
    ],
)
def test_archives_of_pictures_need_a_copy_that_is_unpacked(kind: str, command: str, place: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        Import([SourceSettings(kind=kind)])
    assert command in str(caught.value)
    assert "hf download" in str(caught.value)
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    lines = [json.dumps(rows_of(kind, f"images/{name}.png") | {"id": name}) + "\n" for name in ("gone", "1")]
    file.write_text("{no row\n" + "".join(lines), encoding="utf-8")
    step = Import([SourceSettings(kind=kind)], local=tmp_path)
    with pytest.raises(InputError) as caught:
        step.check()
    assert command in str(caught.value)
    assert "gone.png" in str(caught.value)
    (file.parent / "images").mkdir()
    (file.parent / "images" / "1.png").write_bytes(png(1))
    step.check()
    outcomes = list(step.unit(kind, Context(0, PictureStore(tmp_path / "pictures")), 0))
    assert [type(one) for one in outcomes] == [Dropped, Dropped, Candidate]


@pytest.mark.parametrize("kind", sorted(KNOWN))
@pytest.mark.parametrize(
    "columns", [{}, {"question": [3]}, {"problem": ["x"], "question": None, "images": 1, "texts": 2, "options": 3}]
)
def test_rows_of_another_schema_stop_nothing(kind: str, columns: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(columns) + "\n", encoding="utf-8")
    settings = SourceSettings(kind=kind, config=CONFIGS.get(kind, ""), name="made", local=str(path))
    (one,) = Import([settings]).unit("made", Context(0, PictureStore(tmp_path / "pictures")), 0)
    assert isinstance(one, Dropped)
    assert one.reason.startswith(("expected ", "no final answer"))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("mine/questions.jsonl", "questions"),
        ("owner/name:config", "name-config"),
        ("mine/*.jsonl", "mine"),
        ("mine/train-*.parquet", "train"),
        ("sets/*/metadata.jsonl", "metadata"),
        ("sets/*/*.jsonl", "sets"),
        ("part-[0-9].jsonl", "part"),
        ("**/*.jsonl", "rows"),
    ],
)
def test_a_source_without_a_name_is_called_as_its_path_says(path: str, name: str) -> None:
    assert SourceSettings(path=path).unit == name
