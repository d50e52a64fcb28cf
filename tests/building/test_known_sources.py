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
from contextrl.building.sources.registry import KNOWN, source_of
from contextrl.building.sources.source import Found, Sick
from contextrl.building.sources.texts import with_options
from contextrl.data.raw_rows import RawRow
from contextrl.errors import InputError

CONFIGS = {"finevision": "arxivqa", "thinklite": "hard-11k"}


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
    assert one.question == "Given  , find y."
    assert found_in("mmk12", question="y?", answer="1", subject=None, image=None).images == []


def test_geometry3k() -> None:
    one = found_in("geometry3k", images=[stored(1)], problem="<image>Find m$\\angle$1.", answer="23 \\sqrt { 2 }")
    assert (one.question, one.answer, len(one.images)) == ("Find m$\\angle$1.", "23 \\sqrt { 2 }", 1)


@pytest.mark.parametrize(
    ("label", "letter"),
    [
        ("A", "A"),
        ("B)", "B"),
        ("(C)", "C"),
        ("b", "B"),
        ("D. Four", "D"),
        ("['A']", "A"),
        ("Three", "C"),
        ("C) Three", "C"),
    ],
)
def test_arxivqa(label: str, letter: str) -> None:
    options = ["A) One", "B) Two", "C) Three", "D) Four"]
    columns = {"id": "cond-mat-2", "image": "images/1804.00103_0.jpg", "options": options, "question": "How many?"}
    one = found_in("arxivqa", **columns, label=label, rationale="There are peaks.")
    assert (one.answer, one.answer_type, one.row_id) == (letter, "choice", "cond-mat-2")
    assert one.question == "How many?\nA) One\nB) Two\nC) Three\nD) Four"
    assert one.solution == f"There are peaks.\nAnswer: {letter}"
    assert one.origin == {"paper": "1804.00103"}


@pytest.mark.parametrize("label", ["E", "Five", "-", "Apples"])
def test_arxivqa_with_a_label_that_is_no_option(label: str) -> None:
    columns = {"id": "1", "image": "a.jpg", "options": ["One", "Two"], "question": "How many?", "rationale": ""}
    assert isinstance(asked("arxivqa", **columns, label=label), Sick)


def test_options_have_letters_once() -> None:
    assert with_options("Which?", ["red", "blue"]) == "Which?\nA. red\nB. blue"
    assert with_options("Which?", ["A. red", "(B) blue"]) == "Which?\nA. red\n(B) blue"
    assert with_options("Which?", ["Apple", "Banana"]) == "Which?\nA. Apple\nB. Banana"


def test_mmfinereason_by_part() -> None:
    said = "<think>Let me see. It may be 7.</think>The sides are 3 and 4, so it is 5.\n\\boxed{5}"
    common = {"question": "<image>Find c.", "image": stored(1), "qwen3vl_235b_thinking_response": said}
    one = found_in("mmfinereason", **common, original_answer="5", caption="a triangle", source="geometry3k")
    assert (one.answer, one.origin["set"]) == ("5", "geometry3k")
    assert one.solution == "The sides are 3 and 4, so it is 5.\n\\boxed{5}"
    other = found_in("mmfinereason", **common, answer="12")
    assert (other.answer, other.solution) == ("12", ""), "the model's solution ends with another answer"
    own = found_in("mmfinereason", **{**common, "qwen3vl_235b_thinking_response": ""}, solution="So c = 5. Answer: 5")
    assert (own.answer, own.solution) == ("5", "So c = 5. Answer: 5")
    assert isinstance(asked("mmfinereason", **common), Sick)


def test_mm_math(tmp_path: Path) -> None:
    (tmp_path / "Image").mkdir()
    (tmp_path / "Image" / "7.png").write_bytes(png(7))
    columns = {
        "question": "As shown, find $BD$.",
        "file_name": "7.png",
        "year": "eight",
        "difficult": "hard",
        "knowledge": "k",
    }
    one = found_in("mm_math", base=tmp_path, **columns, solution="By the theorem, $BD=\\boxed{6}$")
    assert (one.answer, one.images) == ("6", ["Image/7.png"])
    assert one.solution == "By the theorem, $BD=\\boxed{6}$"
    assert one.origin == {"year": "eight", "difficult": "hard", "knowledge": "k"}
    assert isinstance(
        asked("mm_math", **columns, solution="We prove it as follows, by looking at the triangles and so on."), Sick
    )


@pytest.mark.parametrize(("kind", "file"), [("mm_math", "Image.zip"), ("arxivqa", "images.tgz")])
def test_archives_of_pictures_need_a_copy(kind: str, file: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        Import([SourceSettings(kind=kind)])
    assert file in str(caught.value)
    assert "hf download" in str(caught.value)
    source = source_of(SourceSettings(kind=kind))
    folder = tmp_path / source.hub
    (folder / "Image").mkdir(parents=True)
    (folder / "Image" / "1.png").write_bytes(png(1))
    rows = {
        "mm_math": {"question": "x?", "file_name": "1.png", "solution": "So \\boxed{6}"},
        "arxivqa": {
            "id": "1",
            "image": "Image/1.png",
            "options": ["a", "b"],
            "question": "x?",
            "label": "A",
            "rationale": "so",
        },
    }
    (folder / "rows.jsonl").write_text(json.dumps(rows[kind]) + "\n", encoding="utf-8")
    step = Import([SourceSettings(kind=kind)], local=tmp_path)
    (one,) = step.unit(kind, Context(0, PictureStore(tmp_path / "pictures")), 0)
    assert isinstance(one, Candidate)
    assert len(one.images) == 1


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
