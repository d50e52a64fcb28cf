"""HallusionBench: yes or no as each scorer reads it, and its three counts against arithmetic by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from PIL import Image

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.hallusionbench import HallusionBench, only_word
from contextrl.evaluation.benchmarks.items import Item, Mark, Response, Scored, Scorer
from contextrl.evaluation.benchmarks.outcome import Outcome
from contextrl.evaluation.benchmarks.steps import Ask, finish, without_judge
from contextrl.evaluation.benchmarks.yes_no import read_yes_no

BENCHMARK = HallusionBench()


def row(answer: str = "1", **columns: Any) -> dict[str, Any]:
    made = {
        "category": "VD",
        "subcategory": "figure",
        "visual_input": "1",
        "set_id": "0",
        "figure_id": "0",
        "sample_note": "made",
        "question_id": "0",
        "question": "Are the two lines parallel?",
        "gt_answer_details": "The two lines are parallel.",
        "gt_answer": answer,
        "image": Image.new("RGB", (4, 4)),
    }
    return {**made, **columns}


def item(answer: str = "1", **columns: Any) -> Item:
    made = BENCHMARK.item(row(answer, **columns), 0)
    assert made is not None
    return made


def says(reply: str) -> Callable[[Ask], str]:
    return lambda _ask: reply


# What a response says, as VLMEvalKit's rule reads it (None: the judge is asked), and as it is meant (None: neither).
READINGS: list[tuple[str, str | None, bool | None]] = [
    ("Yes", "Yes", True),
    ("yes", "Yes", True),
    ("Yes.", "Yes", True),
    ("YES!", "Yes", True),
    ("no", "No", False),
    ("No.", "No", False),
    ("No, it is not.", "No", False),
    ("(Yes)", "Yes", True),
    ("Answer: No", "No", False),
    ("answer:no", None, False),
    ("\\boxed{No}", "No", False),
    ("The answer is \\boxed{\\text{Yes}}.", "Yes", True),
    ("<answer>No</answer>", "No", False),
    # Asterisks, apostrophes and long dashes stay in VLMEvalKit's words.
    ("**Yes**", None, True),
    ("The answer is **Yes**", None, True),
    ("**No**, the two lines are not parallel.", None, False),
    ("'Yes'", None, True),
    ("Yes—both are the same.", None, True),
    # The word counts there wherever it stands.
    ("No cats are shown.", "No", None),
    ("There is no way to tell.", "No", None),
    ("There is no Santa in the picture.", "No", None),
    ("No-one is in the picture.", "No", None),
    ('The sign says "No".', "No", None),
    ("No. 3 is the largest.", "No", None),
    ("You might say yes.", "Yes", None),
    ("If the answer is yes, the lines never meet.", "Yes", None),
    ("Is it yes?", "Yes", None),
    ("Yes if you ignore the frame.", "Yes", None),
    ("The answer is not yes.", "Yes", False),
    ("It is a clear no.", "No", False),
    # Both words.
    ("Yes and no.", None, None),
    ("I cannot answer with yes or no.", None, None),
    ("Yes, there is no gap between them.", None, True),
    ("Yes, they are parallel. Wait, no, the left one is tilted.", None, False),
    ("Yes, they are parallel. Wait, no: the left one is tilted.", "Yes", False),  # a colon stays
    ("No. Looking again, yes, they are.", None, True),
    ("Yes, they look equal.\n\nHowever, on closer inspection, no, they are not.", None, False),
    ("Does it grow? Yes. Does it fall? No. So the answer is yes.", None, True),
    ("You might think the answer is yes, but the answer is no.", None, False),
    # Taken back, with or without another answer.
    ("Yes. Wait, the left one is longer.", "Yes", None),
    ("Yes. I was wrong: the claim is false.", "Yes", False),
    # Neither word.
    ("True", None, True),
    ("False.", None, False),
    ("Correct. Both have the same size.", None, True),
    ("Incorrect. The right one is larger.", None, False),
    ("The statement is true.", None, True),
    ("The statement is not true.", None, False),
    ("So the claim isn't correct.", None, False),
    ("To see whether the claim is correct, look at the axis.", None, None),
    ("The lines are parallel.", None, None),
    ("The angle on the right is a right angle.", None, None),
    ("是的", None, True),
    ("是", None, True),
    ("不是。", None, False),
    ("否", None, False),
    ("不，左边的更大。", None, False),
    ("根据图片，是的，这是正确的。", None, True),
    ("这个说法是错误的。", None, False),
    ("该说法并不正确。", None, False),
    ("左边更大，所以答案是：**不是**。", None, False),
    ("请回答是或否。", None, None),
    ("两条线是否平行？是。", None, True),
    # Refusals, nothing, thoughts.
    ("Sorry, I can't help with images of people yet.", None, None),
    ("I cannot determine it from the picture.", None, None),
    ("无法确定", None, None),
    ("", None, None),
    ("   \n", None, None),
    ("<think>It could be no.</think>Yes", None, True),
    ("<think>Yes, or is it", "Yes", None),
]


@pytest.mark.parametrize(("text", "word", "meant"), READINGS, ids=[repr(text)[:40] for text, *_ in READINGS])
def test_what_a_response_says(text: str, word: str | None, meant: bool | None) -> None:
    assert only_word(text) == word
    assert read_yes_no(text) is meant
    for gold in ("1", "0"):
        by_rule = without_judge(BENCHMARK.score(item(gold), Response(text), "vlmevalkit"))
        assert by_rule == (
            Mark(0.0, how="unresolved") if word is None else Mark(float((word == "Yes") == (gold == "1")), word)
        )
        robust = without_judge(BENCHMARK.score(item(gold), Response(text), "robust"))
        assert robust.score == float(meant is not None and meant == (gold == "1"))
        assert robust.how == ("unresolved" if meant is None else "rule")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("cats/no dogs", "No"),  # a mark that touches no space becomes one
        ("1,000 cats/no dogs", None),  # but goes where a comma stands between digits anywhere: "catsno"
        ("yes,it is", "Yes"),
        ("It is (yes)", "Yes"),
        ("a. " * 31 + "Yes.", "Yes"),  # 32 periods go, because re.UNICODE is passed as the count
        ("a. " * 32 + "Yes.", None),
        ("No_one", "No"),
        ("3.no", None),  # a period after a digit stays
        ("yes:it is", None),
    ],
)
def test_punctuation_as_vlmevalkit_drops_it(text: str, word: str | None) -> None:
    assert only_word(text) == word


@pytest.mark.parametrize(
    ("reply", "label", "score", "without_figure"),
    [
        ("correct", "correct", 1.0, 1.0),
        ("Correct.", "correct", 1.0, 1.0),
        ('"incorrect"', "incorrect", 0.0, 0.0),
        ("The prediction is incorrect, not correct.", "incorrect", 0.0, 0.0),
        ("unclear", "unclear", 0.0, 1.0),  # not to know is right where the figure is not shown
        ("", "unclear", 0.0, 1.0),
        ("I do not know.", "unclear", 0.0, 1.0),
    ],
)
def test_authors_judgement(reply: str, label: str, score: float, without_figure: float) -> None:
    mark = finish(BENCHMARK.score(item(), Response("They are."), "official"), says(reply))
    assert mark == Mark(score, how="judge", label=label)
    blind = item(category="VS", visual_input="0", image=None)
    assert finish(BENCHMARK.score(blind, Response("Perhaps."), "official"), says(reply)).score == without_figure


def test_what_the_authors_judge_is_shown() -> None:
    step = BENCHMARK.score(item(), Response("{{answer}} They never meet."), "official", seed=3)
    assert isinstance(step, Ask)
    assert "Are the two lines parallel?" in step.prompt
    assert step.prompt.count("The two lines are parallel.") == 1  # a mark in a response is not filled in
    assert "They never meet." in step.prompt
    assert (step.temperature, step.seed) == (1.0, 3)
    assert without_judge(step).how == "failed"


def test_vlmevalkit_asks_five_times_and_hotter() -> None:
    asked: list[tuple[float, int]] = []

    def unknown(ask: Ask) -> str:
        asked.append((ask.temperature, ask.seed))
        return "Unknown"

    mark = finish(BENCHMARK.score(item(), Response("They never meet."), "vlmevalkit", seed=7), unknown)
    assert mark == Mark(0.0, how="unresolved")
    assert asked == [(0.0, 7), (0.5, 8), (1.0, 9), (1.5, 10), (2.0, 11)]
    replies = iter(["Unknown", "**Yes**", "Yes."])
    step = BENCHMARK.score(item(), Response("They never meet."), "vlmevalkit")
    assert finish(step, lambda _ask: next(replies)) == Mark(1.0, "Yes", how="judge")


def test_robust_asks_only_where_no_rule_decides() -> None:
    step = BENCHMARK.score(item("0"), Response("The left line is tilted."), "robust")
    assert isinstance(step, Ask)
    assert finish(step, says("No")) == Mark(1.0, "No", how="judge")
    assert finish(step, says("Yes")) == Mark(0.0, "Yes", how="judge")
    assert finish(step, says("Unknown")) == Mark(0.0, how="unresolved")
    cut = BENCHMARK.score(item("0"), Response("The left line is", truncated=True), "robust")
    assert cut == Mark(0.0, how="unresolved")


@pytest.mark.parametrize(
    ("text", "truncated", "score"),
    [
        ("I cannot determine it without the chart.", False, 1.0),
        ("我不知道", False, 1.0),
        ("There is no image, so I can't say.", False, 1.0),
        ("I am not sure, but the answer is yes.", False, 0.0),  # an answer all the same
        ("I am not sure, but the answer is no.", False, 1.0),
        ("I cannot determine", True, 0.0),
        ("", False, 0.0),
        ("China is the leading importer.", False, 0.0),
    ],
)
def test_a_question_whose_figure_is_not_shown(text: str, truncated: bool, score: float) -> None:
    blind = item("0", category="VS", visual_input="0", image=None)
    assert without_judge(BENCHMARK.score(blind, Response(text, truncated), "robust")).score == score
    shown = item("0", category="VS", visual_input="1", figure_id="1")
    if "answer is" not in text:
        assert without_judge(BENCHMARK.score(shown, Response(text, truncated), "robust")).score == 0.0


def test_vlmevalkit_never_asks_about_questions_without_a_figure() -> None:
    blind = item("0", category="VS", visual_input="0", image=None)
    assert BENCHMARK.score(blind, Response("Perhaps."), "vlmevalkit") == Mark(0.0, how="unresolved")


# (category, subcategory, visual_input, set, figure, question, score)
MADE: list[tuple[str, str, str, str, str, str, float | None]] = [
    ("VD", "ocr", "1", "0", "0", "0", 1.0),
    ("VD", "ocr", "1", "0", "0", "1", 1.0),
    ("VD", "ocr", "2", "0", "1", "0", 1.0),
    ("VD", "ocr", "2", "0", "1", "1", 0.0),
    ("VS", "ocr", "0", "0", "0", "0", 0.0),  # same set, figure and question as VD's: another group
    ("VS", "ocr", "1", "0", "1", "0", 1.0),
    ("VS", "ocr", "2", "0", "2", "0", 1.0),
    ("VS", "map", "0", "0", "0", "0", 1.0),
    ("VS", "map", "1", "0", "1", "0", 1.0),
]


def scored(marks: Sequence[tuple[str, str, str, str, str, str, float | None]]) -> list[Scored]:
    made = []
    for category, subcategory, visual, set_id, figure, question, score in marks:
        columns = {"category": category, "subcategory": subcategory, "visual_input": visual, "set_id": set_id}
        image = None if visual == "0" else Image.new("RGB", (4, 4))
        made.append(Scored(item(**columns, figure_id=figure, question_id=question, image=image), Mark(score)))
    return made


def values(marks: Sequence[Scored], scorer: Scorer) -> dict[str, float]:
    return {name: metric.value for name, metric in BENCHMARK.summarise(marks, scorer).items()}


def test_three_counts_by_hand() -> None:
    figures = values(scored(MADE), "official")
    assert figures["a_acc"] == pytest.approx(7 / 9)
    # Figures: VD ocr 0 right, VD ocr 1 wrong, VS ocr 1 and 2 right, VS map 1 right; VS figures 0 are none.
    assert figures["f_acc"] == pytest.approx(4 / 5)
    # Groups: VD ocr 0 (right, right), VD ocr 1 (right, wrong), VS ocr 0 (wrong, right, right), VS map 0 (right, right).
    assert figures["q_acc"] == pytest.approx(2 / 4)
    assert figures["a_acc/VD"] == pytest.approx(3 / 4)
    assert figures["f_acc/VS"] == pytest.approx(3 / 3)
    assert figures["q_acc/VS_map"] == 1.0
    # Easy, without altered figures: VD ocr 0, VD ocr 1 and VS map right, VS ocr wrong.
    # Hard, altered figures alone: VD ocr 0 right, VD ocr 1 wrong, VS ocr right.
    assert figures["q_acc/easy"] == pytest.approx(3 / 4)
    assert figures["q_acc/hard"] == pytest.approx(2 / 3)


def test_vlmevalkit_counts_only_questions_with_a_figure() -> None:
    figures = values(scored(MADE), "vlmevalkit")
    assert figures["a_acc"] == pytest.approx(6 / 7)
    assert figures["f_acc"] == pytest.approx(4 / 5)
    assert figures["q_acc"] == pytest.approx(3 / 4)  # VS ocr 0 without its wrong text-only question is right
    assert values(scored(MADE), "robust") == values(scored(MADE), "official")


def test_questions_that_a_protocol_leaves_out_are_in_no_number_of_questions() -> None:
    marks = scored([*MADE, ("VS", "map", "0", "0", "0", "1", None), ("VS", "map", "1", "0", "1", "1", None)])
    told = {scorer: Outcome(BENCHMARK, "official", scorer, marks).as_json(resamples=10) for scorer in BENCHMARK.scorers}
    assert {scorer: (one["n"], one["n_failed"]) for scorer, one in told.items()} == {
        "official": (9, 2),
        "vlmevalkit": (7, 1),
        "robust": (9, 2),
    }
    assert sum(told["vlmevalkit"]["counts"].values()) == 8


def test_a_failed_judgement_leaves_open_only_what_it_could_change() -> None:
    marks = [*MADE[:3], (*MADE[3][:6], None)]
    figures = BENCHMARK.summarise(scored(marks), "official")
    assert (figures["a_acc"].value, figures["a_acc"].n) == (1.0, 3)
    assert (figures["f_acc"].value, figures["f_acc"].n) == (1.0, 1)
    assert (figures["q_acc"].value, figures["q_acc"].n) == (1.0, 1)
    wrong = [(*MADE[0][:6], 0.0), *MADE[1:3], (*MADE[3][:6], None)]
    figures = BENCHMARK.summarise(scored(wrong), "official")
    assert (figures["f_acc"].value, figures["f_acc"].n) == (0.0, 1)


def test_rows_of_both_tables_are_the_same_questions() -> None:
    official = item("0", category="VS", subcategory="table", visual_input="2", set_id="3", figure_id="1")
    tsv = {
        "index": "VS_table_2_3_1_0",
        "question": "Are the two lines parallel?",
        "answer": "No",
        "category": "VS",
        "l2-category": "VS_table",
        "image": Image.new("RGB", (4, 4)),
    }
    other = BENCHMARK.item(tsv, 0)
    assert other is not None
    assert (official.id, official.cluster) == ("VS_table_2_3_1_0", "VS_table_3") == (other.id, other.cluster)
    assert {**official.columns, "gt_answer_details": ""} == {**other.columns, "gt_answer_details": ""}
    assert BENCHMARK.prompt(official, "official") == BENCHMARK.prompt(other, "vlmevalkit")
    assert BENCHMARK.prompt(official, "official") == "Are the two lines parallel?"


def test_rows_without_a_figure_have_no_picture() -> None:
    assert item(category="VS", visual_input="0", image=None).images == ()
    assert len(item().images) == 1


@pytest.mark.parametrize(
    "columns",
    [
        {"gt_answer": "2"},
        {"gt_answer": None},
        {"category": "XX"},
        {"visual_input": "9"},
        {"set_id": None},
        {"question": None},
        {"image": None},
        {"image": 7},
    ],
    ids=str,
)
def test_sick_rows_are_refused_by_name(columns: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="row 3"):
        BENCHMARK.item(row(**columns), 2)
    with pytest.raises(InputError, match="row 1"):
        BENCHMARK.item({"index": "VS_table_2", "answer": "Yes", "question": "?"}, 0)


HOSTILE = [
    "no " * 33_000,
    "yes or no " * 10_000,
    "the answer is " * 7_000,
    "是" * 100_000,
    "(" * 100_000,
    " " * 100_000,
    "it is not " * 10_000 + "right",
    "İ" * 50_000 + " yes",
    "\x00\ud800\u202eno",
    "\\text{" * 20_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("scorer", ["official", "vlmevalkit", "robust"])
def test_no_response_raises(text: str, scorer: Scorer) -> None:
    for reply in ("Yes", "correct", text):
        mark = finish(BENCHMARK.score(item(), Response(text), scorer), says(reply))
        assert mark.score in (0.0, 1.0)
