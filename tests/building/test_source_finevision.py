"""FineVision's rows: a question a turn, markers left out, ratings by turn, worked solutions and bare answers."""

from __future__ import annotations

from typing import Any

import pytest

from contextrl.building.sources.finevision import _PERCEPTION, FineVision, finevision
from contextrl.building.sources.finevision_sets import SETS
from contextrl.building.sources.source import Found, Sick
from contextrl.building.sources.texts import stated
from contextrl.building.sources.turns import NO_ANSWER
from contextrl.data.raw_rows import RawRow
from contextrl.errors import InputError


def asked(config: str = "arxivqa", **columns: Any) -> list[Found | Sick]:
    return list(FineVision(config).questions(RawRow("made, row 1", "made-1", None, columns)))


def turn(user: str, assistant: str) -> dict[str, str]:
    return {"user": user, "assistant": assistant}


def test_each_turn_is_a_question_with_its_own_ratings() -> None:
    found = asked(
        images=[b"picture"],
        texts=[turn("<image>\nHow many?", "3"), turn("And which colour <image>?", "The colour is red.\nAnswer: red")],
        source="visual7w",
        relevance_ratings=[5, 2],
        relevance_min=2,
        image_correspondence_ratings=None,
        image_correspondence_min=1,
        visual_dependency_ratings=[4, None],
        visual_dependency_min=3,
    )
    first, second = (one for one in found if isinstance(one, Found))
    assert (first.question, first.answer, first.solution, first.id) == ("How many?", "3", "", "1")
    assert (second.question, second.answer, second.id) == ("And which colour  ?", "red", "2")
    assert second.solution == "The colour is red.\nAnswer: red"
    assert first.ratings == {"relevance": 5.0, "image_correspondence": 1.0, "visual_dependency": 4.0}
    assert second.ratings == {"relevance": 2.0, "image_correspondence": 1.0}
    assert first.images == [b"picture"]
    assert first.origin == {"set": "visual7w"}


def test_one_turn_has_no_number_and_rows_may_have_no_picture() -> None:
    (found,) = asked(images=[], texts=[turn("2 + 2?", "4")], source="text_set")
    assert isinstance(found, Found)
    assert (found.id, found.images) == ("", [])


@pytest.mark.parametrize(
    ("said", "solution", "answer"),
    [
        ("42", "", "42"),
        ("Yes.", "", "Yes"),
        ("B", "", "B"),
        ("Answer: 7 cm", "", "7 cm"),
        ("The answer is C.", "", "C"),
        ("AB = 5, so AC = 10.\nAnswer: 10", "AB = 5, so AC = 10.\nAnswer: 10", "10"),
        ("We add them to get $x = 3$. Therefore \\boxed{3}", "We add them to get $x = 3$. Therefore \\boxed{3}", "3"),
        ("Two and two make four.\n#### 4", "Two and two make four.\nAnswer: 4", "4"),
        ("#### 4", "", "4"),
        ("Therefore, the correct option is (B).", "", "(B)"),
        ("Answer:\nB", "", "B"),
        ("Therefore, the final answer is $\\boxed{x=5}$.", "", "x=5"),
        ("So AB = 5. Therefore, the answer is 5.", "So AB = 5. Therefore, the answer is 5.", "5"),
        ("Answer: 10 p.m.", "", "10 p.m."),
        ("U.S.", "", "U.S."),
        ("Therefore $x$ is \\boxed{1} or \\boxed{2}.", "Therefore $x$ is \\boxed{1} or \\boxed{2}.", "1 or 2"),
        ("Answer: cab.\nRationale: He has bags.", "He has bags.\nAnswer: cab", "cab"),
        ("Thirty.\n\n**Explanation:** It says 30.", "It says 30.\nAnswer: Thirty", "Thirty"),
        ("Answer: B. Reasoning: It barks.", "It barks.\nAnswer: B", "B"),
    ],
)
def test_worked_solutions_and_bare_answers(said: str, solution: str, answer: str) -> None:
    assert stated(said) == (solution, answer)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Answer: ",
        "The picture shows a long street in the evening, with many people who walk home under their umbrellas.",
        "(1) As AB is 3, \\boxed{3} is BC. (2) So the area is \\boxed{4}.",
        "First we look at the angle. Then we see that it is acute, so that the others are larger than it is.",
    ],
)
def test_prose_without_a_final_answer(said: str) -> None:
    assert stated(said) is None


def test_a_row_without_turns_is_told() -> None:
    (found,) = asked(images=[], texts=[], source="x")
    assert isinstance(found, Sick)


def test_sick_turns_leave_the_others() -> None:
    turns: list[Any] = [
        {"user": "only"},
        turn("<image>", "3"),
        turn("Why?", "Because of " + "many words " * 20),
        turn("How?", "so"),
    ]
    found = asked(images=[], texts=turns, source="x")
    assert [one.reason if isinstance(one, Sick) else one.answer for one in found] == [
        "a turn without user and assistant",
        "an empty question",
        NO_ANSWER,
        "so",
    ]
    assert [one.id for one in found] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("columns", "field"),
    [({"texts": []}, "images"), ({"images": []}, "texts"), ({"images": [], "texts": "x"}, "texts")],
)
def test_another_schema_is_named(columns: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        asked(**columns)
    assert repr(field) in str(caught.value)
    assert "made, row 1" in str(caught.value)


def test_configurations_that_there_are() -> None:
    assert len(set(SETS)) == 185
    assert set(_PERCEPTION) <= set(SETS)
    assert {finevision(name).task for name in ("arxivqa", "ai2d_merged", "chartqa")} == {"perception"}
    assert {finevision(name).task for name in ("geoqa+(mathv360k)", "geo170k(qa)", "geo3k")} == {"reasoning"}
    for name, hint in (("geoqa+(mathv360)", "did you mean geoqa"), ("ArxivQA", "did you mean arxivqa"), ("", "none")):
        with pytest.raises(InputError, match=hint):
            finevision(name)
