"""Questions that rules leave out, each for its own reason, and those that they keep."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from contextrl.building import filters
from contextrl.building.answer_rules import ELSEWHERE, EMPTY, LONG, NO_OPTIONS, NOT_LISTED, TYPE, UNVERIFIABLE, words
from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.filter_settings import FilterSettings
from contextrl.building.filters import Filter
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context
from contextrl.records.example import AnswerType

GOOD = Candidate("one", "How many dogs are in the picture?", "3", "number", "perception", "made")


class Bench:
    def __init__(self, folder: Path) -> None:
        self.store = PictureStore(folder)

    def picture(self, width: int, height: int) -> str:
        return self.store.put(Image.new("L", (width, height)), where="test")

    def outcome(
        self, one: Candidate, ratings: dict[str, dict[str, float]] | None = None, **settings: Any
    ) -> Candidate | Dropped:
        step = Filter(FilterSettings.model_validate(settings), ratings or {})
        return next(iter(step.each([one], Context(0, self.store))))

    def reason(self, one: Candidate, ratings: dict[str, dict[str, float]] | None = None, **settings: Any) -> str:
        """Why a candidate is dropped; empty where it is kept."""
        outcome = self.outcome(one, ratings, **settings)
        return outcome.reason if isinstance(outcome, Dropped) else ""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_good_question_is_kept_with_its_language(bench: Bench) -> None:
    assert bench.outcome(GOOD) == replace(GOOD, language="en")


def test_a_language_that_the_source_knows_is_kept(bench: Bench) -> None:
    assert bench.outcome(replace(GOOD, language="de")) == replace(GOOD, language="de")


def test_outcomes_are_in_order_one_for_each(bench: Bench) -> None:
    rows = [replace(GOOD, id="a"), replace(GOOD, id="b", answer=""), replace(GOOD, id="c")]
    outcomes = list(Filter(FilterSettings(), {}).each(rows, Context(0, bench.store)))
    assert [one.id for one in outcomes] == ["a", "b", "c"]
    assert [isinstance(one, Dropped) for one in outcomes] == [False, True, False]


@pytest.mark.parametrize(
    ("rating", "least", "reason"),
    [
        (3.0, 3.0, ""),
        (4.0, 3.0, ""),
        (2.0, 3.0, "rating visual_dependency too low"),
        (None, 3.0, "no rating visual_dependency"),
        (math.nan, 3.0, "no rating visual_dependency"),
    ],
)
def test_ratings(bench: Bench, rating: float | None, least: float, reason: str) -> None:
    ratings = {} if rating is None else {"visual_dependency": rating, "relevance": 1.0}
    one = replace(GOOD, ratings=ratings)
    assert bench.reason(one, {"made": {"visual_dependency": least}}) == reason
    assert bench.reason(one, {"another": {"visual_dependency": least}}) == ""


def test_a_rating_that_is_absent_may_count_as_kept(bench: Bench) -> None:
    least = {"made": {"relevance": 3.0, "formatting": 2.0}}
    assert bench.reason(GOOD, least, without_rating="keep") == ""
    assert bench.reason(replace(GOOD, ratings={"formatting": 1}), least, without_rating="keep") == (
        "rating formatting too low"
    )


def test_all_ratings_of_a_source_count(bench: Bench) -> None:
    least = {"made": {"relevance": 3.0, "visual_dependency": 2.0}}
    assert bench.reason(replace(GOOD, ratings={"relevance": 5, "visual_dependency": 1}), least) == (
        "rating visual_dependency too low"
    )
    assert bench.reason(replace(GOOD, ratings={"relevance": 5, "visual_dependency": 2}), least) == ""


OPTIONS = "Which animal is it?\nA. cat\nB. dog\nC. cow"


@pytest.mark.parametrize(
    ("question", "answer", "answer_type", "reason"),
    [
        ("How many?", "12", "number", ""),
        ("How long?", "12 cm", "number", ""),
        ("How much?", "$1,200", "number", ""),
        ("How large?", r"2\sqrt{3}", "number", ""),
        ("Simplify it.", r"\frac{x+1}{2}", "math", ""),
        ("Which?", "x=3 or x=-1", "math", ""),
        ("Is it?", "yes", "yes_no", ""),
        ("Is it?", "No.", "yes_no", ""),
        ("What is it?", "a red bus", "text", ""),
        ("What is it?", "一只狗", "text", ""),
        (OPTIONS, "B", "choice", ""),
        (OPTIONS, "(B)", "choice", ""),
        (OPTIONS, "B. dog", "choice", ""),
        (OPTIONS, "A, C", "choice", ""),
        ("What?", "", "text", EMPTY),
        ("What?", "  \n", "number", EMPTY),
        ("How many?", "several", "number", UNVERIFIABLE),
        ("How many?", "unknown", "number", UNVERIFIABLE),
        ("Is it?", "maybe", "yes_no", UNVERIFIABLE),
        ("What?", "...", "text", UNVERIFIABLE),
        ("Draw it.", "Omitted", "text", ELSEWHERE),
        ("Prove it.", "See the solution.", "text", ELSEWHERE),
        ("证明它。", "见解析", "text", ELSEWHERE),
        ("画出来。", "略．", "text", ELSEWHERE),
        (OPTIONS, "dog", "choice", UNVERIFIABLE),
        (OPTIONS, "A or B", "choice", UNVERIFIABLE),
        (OPTIONS, "D", "choice", NOT_LISTED),
        (OPTIONS, "A, D", "choice", NOT_LISTED),
        (f"{OPTIONS}\n(D) none of these", "D", "choice", ""),
        ("Which is it: (a) cat (b) dog?", "B", "choice", ""),
        ("Which point is higher, A or B?", "B", "choice", ""),
        ("Which animal is it?", "B", "choice", NO_OPTIONS),
        ("What?", "one two three four five six seven eight nine ten", "text", ""),
        ("What?", "one two three four five six seven eight nine ten eleven", "text", LONG),
        ("What?", "图中的人正在骑一辆红色的自行车去上学", "text", ""),
        ("What?", "图中的人正在骑一辆红色的自行车去上学路上遇到了很多朋友", "text", LONG),
    ],
)
def test_answers(bench: Bench, question: str, answer: str, answer_type: AnswerType, reason: str) -> None:
    assert bench.reason(replace(GOOD, question=question, answer=answer, answer_type=answer_type)) == reason


def test_words_of_scripts_without_spaces_are_counted_by_their_characters() -> None:
    assert words("a red bus") == 3
    assert words("红色的公共汽车") == 4  # seven characters
    assert words("一辆bus") == 2
    assert words("") == 0


def test_options_may_be_in_the_picture(bench: Bench) -> None:
    one = replace(GOOD, question="Which animal is it?", answer="B", answer_type="choice")
    assert bench.reason(replace(one, images=(bench.picture(64, 64),))) == ""
    listed = replace(one, question=OPTIONS, answer="D", images=(bench.picture(64, 64),))
    assert bench.reason(listed) == NOT_LISTED


def test_answer_types_and_words_are_settings(bench: Bench) -> None:
    text = replace(GOOD, answer="a big red bus", answer_type="text")
    assert bench.reason(text, answer_types=["number", "choice"]) == TYPE
    assert bench.reason(text, text_words=3) == LONG
    assert bench.reason(text, text_words=4) == ""


def test_giveaways(bench: Bench) -> None:
    one = replace(GOOD, question="The answer is 3. How many dogs are in the picture?")
    outcome = bench.outcome(one)
    assert outcome == Dropped(
        "one", "a question that states its answer", "answer is 3. How many dogs are in the picture?"
    )
    assert bench.reason(one, giveaways=False) == ""


@pytest.mark.parametrize(
    ("size", "settings", "reason"),
    [
        ((64, 64), {}, ""),
        ((13, 64), {}, filters.SMALL),
        ((64, 13), {}, filters.SMALL),
        ((14, 14), {}, ""),
        ((64, 31), {"least_side": 32}, filters.SMALL),
        ((101, 50), {"greatest_side": 100}, filters.LARGE),
        ((100, 50), {"greatest_side": 100}, ""),
        ((20, 401), {}, filters.LONG_PICTURE),
        ((20, 400), {}, ""),
        ((400, 20), {"aspect_ratio": 19.9}, filters.LONG_PICTURE),
        ((30, 30), {"pixels": (901, 10_000)}, filters.FEW_PIXELS),
        ((30, 30), {"pixels": (900, 10_000)}, ""),
        ((101, 100), {"pixels": (900, 10_000)}, filters.MANY_PIXELS),
    ],
)
def test_pictures_sizes(bench: Bench, size: tuple[int, int], settings: dict[str, Any], reason: str) -> None:
    good, own = bench.picture(80, 80), bench.picture(*size)
    assert bench.reason(replace(GOOD, images=(good, own)), **settings) == reason


def test_numbers_of_pictures(bench: Bench) -> None:
    two = replace(GOOD, images=(bench.picture(64, 64), bench.picture(65, 64)))
    assert bench.reason(two, pictures=(1, 1)) == filters.MANY_PICTURES
    assert bench.reason(two, pictures=(2, 2)) == ""
    assert bench.reason(GOOD, pictures=(1, 8)) == filters.FEW_PICTURES
    assert bench.reason(GOOD) == ""


def test_pictures_are_not_decoded(bench: Bench) -> None:
    name = bench.picture(300, 200)
    path = bench.store.path(name)
    path.write_bytes(path.read_bytes()[:60])  # a header and no pixels
    assert bench.reason(replace(GOOD, images=(name,))) == ""
    path.write_bytes(b"no picture")
    assert bench.reason(replace(GOOD, images=(name,))) == filters.UNREADABLE
    assert bench.reason(replace(GOOD, images=("ab/gone.png",))) == filters.UNREADABLE


@pytest.mark.parametrize(
    ("question", "solution", "settings", "reason"),
    [
        ("x?", "", {}, filters.SHORT_QUESTION),
        ("<image>x?", "", {}, filters.SHORT_QUESTION),
        ("Why is it so? " * 10, "", {"question_characters": (3, 100)}, filters.LONG_QUESTION),
        ("How many?", "Answer: 3", {"solution_characters": (20, 100)}, filters.SHORT_SOLUTION),
        ("How many?", "I count. " * 20 + "Answer: 3", {"solution_characters": (20, 100)}, filters.LONG_SOLUTION),
        ("How many?", "There are one, two, three. Answer: 3", {"solution_characters": (20, 100)}, ""),
        ("How many?", "", {"solution_characters": (20, 100)}, ""),
    ],
)
def test_lengths(bench: Bench, question: str, solution: str, settings: dict[str, Any], reason: str) -> None:
    assert bench.reason(replace(GOOD, question=question, solution=solution), **settings) == reason


def test_a_solution_that_does_not_end_with_the_answer(bench: Bench) -> None:
    wrong = replace(GOOD, solution="One and one. Answer: 2", reference="source")
    right = replace(GOOD, solution="One, two, three. Answer: 3", reference="source")
    assert bench.outcome(wrong) == replace(GOOD, language="en")
    assert bench.outcome(right) == replace(right, language="en")
    assert bench.reason(wrong, unverified_solutions="drop") == filters.UNVERIFIED
    assert bench.reason(right, unverified_solutions="drop") == ""
    assert bench.outcome(wrong, unverified_solutions="keep") == replace(wrong, language="en")


@pytest.mark.parametrize(
    ("question", "settings", "reason"),
    [
        ("How many dogs are in the picture?", {"languages": ["en"]}, ""),
        ("Wie viele Hunde sind auf dem Bild?", {"languages": ["en"]}, filters.LANGUAGE),
        ("Wie viele Hunde sind auf dem Bild?", {"languages": ["en", "de"]}, ""),
        ("Wie viele Hunde sind auf dem Bild?", {}, ""),
        ("图中有多少只狗?", {"languages": ["en"]}, filters.LANGUAGE),
        ("求x的值。", {"languages": ["en"]}, filters.LANGUAGE),
        ("求x的值。", {"languages": ["zh"]}, ""),
        ("求x的值。", {"languages": ["zh"], "undecided_language": "drop"}, filters.UNDECIDED),
        ("Сколько яблок на картинке?", {"languages": ["en", "zh"]}, filters.LANGUAGE),
        ("Сколько яблок на картинке?", {"languages": ["ru"]}, ""),
        ("翻译 hello world 是什么意思？", {"languages": ["en"]}, ""),
        ("α + β = 90", {"languages": ["en"]}, ""),
        ("Find x.", {"languages": ["zh"]}, ""),
        ("Find x.", {"languages": ["zh"], "undecided_language": "drop"}, filters.UNDECIDED),
        ("Find x.", {"undecided_language": "drop"}, ""),
    ],
)
def test_languages(bench: Bench, question: str, settings: dict[str, Any], reason: str) -> None:
    assert bench.reason(replace(GOOD, question=question), **settings) == reason


@pytest.mark.parametrize(
    ("settings", "words_of_the_error"),
    [
        ({"languages": ["english"]}, "english"),
        ({"pixels": (10, 5)}, "least and most"),
        ({"question_characters": (-1, 5)}, "least and most"),
        ({"least_side": 100, "greatest_side": 50}, "greatest_side"),
        ({"answer_types": []}, "at least 1"),
        ({"answer_types": ["numbers"]}, "number"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any], words_of_the_error: str) -> None:
    with pytest.raises(ValidationError, match=words_of_the_error):
        FilterSettings.model_validate(settings)


def test_its_identity_is_all_that_outcomes_depend_on() -> None:
    plain = Filter(FilterSettings(), {"made": {}}).identity()
    assert plain == Filter(FilterSettings(), {}).identity()
    assert plain != Filter(FilterSettings(text_words=5), {}).identity()
    assert plain != Filter(FilterSettings(), {"made": {"relevance": 3}}).identity()
    assert "py3langid" in plain
