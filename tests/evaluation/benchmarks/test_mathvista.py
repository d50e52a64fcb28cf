"""MathVista: options, integers, floats and lists as each scorer reads them."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
from PIL import Image

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.items import Item, Mark, Response, Scored, Scorer
from contextrl.evaluation.benchmarks.levenshtein import distance
from contextrl.evaluation.benchmarks.mathvista import MathVista
from contextrl.evaluation.benchmarks.steps import Ask, finish, without_judge

BENCHMARK = MathVista()
ANGLES = ["135°", "140°", "145°", "150°"]


def row(kind: str = "integer", answer: str = "14", **columns: Any) -> dict[str, Any]:
    choices = columns.pop("choices", ANGLES if kind == "multi_choice" else None)
    listed = "".join(f"\n({letter}) {choice}" for letter, choice in zip("ABCDEFGH", choices or [], strict=False))
    made = {
        "pid": "7",
        "question": "What is missing?",
        "image": "images/7.jpg",
        "decoded_image": Image.new("RGB", (4, 4)),
        "choices": choices,
        "unit": None,
        "precision": None,
        "answer": answer,
        "question_type": "multi_choice" if kind == "multi_choice" else "free_form",
        "answer_type": "text" if kind == "multi_choice" else kind,
        "metadata": {"task": "math word problem", "skills": ["arithmetic reasoning"], "category": "made"},
        "query": "Hint: a hint.\nQuestion: What is missing?" + (f"\nChoices:{listed}" if choices else ""),
    }
    return {**made, **columns}


def item(kind: str = "integer", answer: str = "14", **columns: Any) -> Item:
    made = BENCHMARK.item(row(kind, answer, **columns), 0)
    assert made is not None
    return made


CHOICE, INTEGER, LIST = item("multi_choice", "145°"), item(), item("list", "[2007, 2008]")
ONE_DECIMAL = item("float", "1.2", precision=1.0)
TWO_DECIMALS = item("float", "1234.50", precision=2.0)
YES_NO = item("multi_choice", "Yes", choices=["Yes", "No"])
TWICE = item("multi_choice", "18", choices=["9", "12", "18", "18"])

ASKS = None
#: (question, response, official, vlmevalkit, robust): scores by rule; None where the judge is asked.
GOLDEN: list[tuple[Item, str, float | None, float | None, float]] = [
    # Options: the authors read only an option's text; VLMEvalKit a letter among the last words, or one option's text.
    (CHOICE, "145°", 1, 1, 1),
    (CHOICE, "135°", 0, 0, 0),
    (CHOICE, "C", ASKS, 1, 1),
    (CHOICE, "(C)", ASKS, 1, 1),
    (CHOICE, "**C**", ASKS, 1, 1),
    (CHOICE, "c", ASKS, ASKS, 1),
    (CHOICE, "\\boxed{C}", ASKS, 1, 1),
    (CHOICE, "The answer is (C) 145°.", ASKS, 1, 1),
    (CHOICE, "The answer is 145°", ASKS, 1, 1),
    (CHOICE, 'The answer is "145°".', 1, 1, 1),
    (CHOICE, 'The answer is "C".', 1, ASKS, 1),  # quotation marks stay with the letter there
    (CHOICE, "Based on the image, the answer is D", ASKS, 0, 0),
    (CHOICE, "The answer is (A). Wait, it is (C).", ASKS, ASKS, 1),
    (CHOICE, "It is (C), because (A) is wrong.", ASKS, ASKS, 1),
    (CHOICE, "A or C", ASKS, ASKS, 0),
    (CHOICE, "答案是C", ASKS, ASKS, 1),
    (CHOICE, "选C。", ASKS, ASKS, 1),
    (CHOICE, "I cannot tell which it is.", ASKS, ASKS, 0),
    (CHOICE, "Cannot determine the answer", ASKS, 0, 0),
    (CHOICE, "", 0, ASKS, 0),  # the first of the nearest options, 135°
    (item("multi_choice", "135°"), "", 1, ASKS, 0),
    (YES_NO, "Yes", 1, 1, 1),
    (YES_NO, "yes", ASKS, 1, 1),
    (YES_NO, "", 0, ASKS, 0),  # No is the shorter one
    (TWICE, "D", ASKS, 0, 1),  # two options say the same; VLMEvalKit knows one letter
    (TWICE, "C", ASKS, 1, 1),
    # Integers.
    (INTEGER, "14", 1, 1, 1),
    (INTEGER, " 14\n", 1, 1, 1),
    (INTEGER, "15", 0, ASKS, 0),
    (INTEGER, "14.0", ASKS, ASKS, 1),
    (INTEGER, "14.7", ASKS, ASKS, 0),
    (INTEGER, "The answer is 14.", ASKS, ASKS, 1),
    (INTEGER, 'The answer is "14".', 1, ASKS, 1),
    (INTEGER, 'The answer is "14.9".', 1, ASKS, 0),  # cut off
    (INTEGER, "There are 14 apples.", ASKS, ASKS, 1),
    (INTEGER, "The number missing in the sequence is 14.", ASKS, ASKS, 1),
    (INTEGER, "fourteen", ASKS, ASKS, 1),
    (INTEGER, "$14", ASKS, ASKS, 1),
    (INTEGER, "14 cm", ASKS, ASKS, 1),
    (INTEGER, "14%", ASKS, ASKS, 1),
    (INTEGER, "So 7 * 2 = 14", ASKS, ASKS, 1),
    (INTEGER, "\\boxed{14}", ASKS, ASKS, 1),
    (INTEGER, "\\boxed{\\text{14}}", ASKS, ASKS, 1),
    (INTEGER, "It is 13. Wait, it is 14.", ASKS, ASKS, 1),
    (INTEGER, "答案是14。", ASKS, ASKS, 1),
    (INTEGER, "13 or 14", ASKS, ASKS, 0),
    (INTEGER, "\\boxed{13} or \\boxed{14}", ASKS, ASKS, 0),
    (INTEGER, "There are 14 apples and 3 pears.", ASKS, ASKS, 0),
    (INTEGER, "There are 14 apples. I hope this helps!", ASKS, ASKS, 1),
    (INTEGER, "The first row has 14. We need more information.", ASKS, ASKS, 0),
    (INTEGER, "The picture is too blurry to read the 14 labels.", ASKS, ASKS, 0),
    (INTEGER, "**Answer:** 14", ASKS, ASKS, 1),
    (INTEGER, "Final answer: **14**.", ASKS, ASKS, 1),
    (INTEGER, "The answer is not 14.", ASKS, ASKS, 0),
    (INTEGER, "I can't see the 14 apples.", ASKS, ASKS, 0),
    (INTEGER, "", 0, ASKS, 0),
    (item(answer="-3"), "-3", 1, 1, 1),
    (item(answer="-3"), "The answer is −3.", ASKS, ASKS, 1),
    (item(answer="1000"), "1,000", ASKS, ASKS, 1),
    (item(answer="1000"), "1e3", ASKS, ASKS, 1),
    (item(answer="0"), "0", 1, ASKS, 1),  # VLMEvalKit takes a right 0 as nothing found
    # Floats: rounded to the question's precision by the authors, equal as they are in VLMEvalKit.
    (ONE_DECIMAL, "1.2", 1, 1, 1),
    (ONE_DECIMAL, "1.20", 1, 1, 1),
    (ONE_DECIMAL, "1.23", 1, ASKS, 1),
    (ONE_DECIMAL, "1.3", 0, ASKS, 0),
    (ONE_DECIMAL, "6/5", ASKS, ASKS, 1),
    (ONE_DECIMAL, "\\frac{6}{5}", ASKS, ASKS, 1),
    (ONE_DECIMAL, "about 1.2 m", ASKS, ASKS, 1),
    (ONE_DECIMAL, "The share is 1.2, which is a lot.", ASKS, ASKS, 1),
    (ONE_DECIMAL, "nan", 0, ASKS, 0),
    (ONE_DECIMAL, "inf", 0, ASKS, 0),
    (TWO_DECIMALS, "1234.5", 0, 1, 1),  # "1234.5" is not "1234.50"
    (TWO_DECIMALS, "1,234.50", ASKS, ASKS, 1),
    # Lists.
    (LIST, "[2007, 2008]", ASKS, 0, 1),
    (LIST, "[2007,2008]", ASKS, 0, 1),
    (LIST, "The answer is [2007, 2008].", ASKS, 0, 1),
    (LIST, "The answer is 2007 and 2008.", ASKS, 0, 1),
    (LIST, "[2008, 2007]", ASKS, 0, 0),
    (LIST, 'The answer is "[2007, 2008]".', 1, 0, 1),
    (LIST, 'The answer is "[2007,2008]".', 0, 0, 1),
]


@pytest.mark.parametrize(
    ("question", "text", "official", "vlmevalkit", "robust"),
    GOLDEN,
    ids=[f"{question.columns['answer']}-{text!r}"[:60] for question, text, *_ in GOLDEN],
)
def test_golden(question: Item, text: str, official: float | None, vlmevalkit: float | None, robust: float) -> None:
    for scorer, expected in (("official", official), ("vlmevalkit", vlmevalkit), ("robust", robust)):
        step = BENCHMARK.score(question, Response(text), scorer)  # type: ignore[arg-type]
        found = None if isinstance(step, Ask) else step.score
        assert found == expected, scorer


#: (question, the judge's reply, official, vlmevalkit)
EXTRACTED: list[tuple[Item, str, float, float]] = [
    (CHOICE, "C", 1, 1),
    (CHOICE, "(C) 145°", 1, 1),
    (CHOICE, "(c)", 1, 0),
    (CHOICE, "(A) or (C)", 0, 0),  # the first letter; two letters
    (CHOICE, "(C) or (A)", 1, 0),
    (CHOICE, "145", 1, 0),  # one edit from 145°; no option's text within it
    (CHOICE, "145 degrees", 1, 0),
    (CHOICE, "E", 0, 0),  # no letter of these options: every option is four edits away, and the first is 135°
    (item("multi_choice", "135°"), "E", 1, 0),
    (CHOICE, "Z", 0, 0),
    (INTEGER, "14", 1, 1),
    (INTEGER, "14.0", 1, 0),
    (INTEGER, "14.9", 1, 0),
    (INTEGER, "14 apples", 0, 0),
    (INTEGER, "1e400", 0, 0),
    (item(answer="0"), "0", 1, 1),
    (ONE_DECIMAL, "1.24", 1, 0),
    (ONE_DECIMAL, "1.2", 1, 1),
    (ONE_DECIMAL, "1.2 m", 0, 0),
    (LIST, "[2007, 2008]", 1, 0),
    (LIST, "[2007,2008]", 0, 0),
]


@pytest.mark.parametrize(("question", "reply", "official", "vlmevalkit"), EXTRACTED)
def test_what_a_judge_extracts(question: Item, reply: str, official: float, vlmevalkit: float) -> None:
    response = Response("A response that no rule of the two protocols can read.")
    assert finish(BENCHMARK.score(question, response, "official"), lambda _ask: reply).score == official
    assert finish(BENCHMARK.score(question, response, "vlmevalkit"), lambda _ask: reply).score == vlmevalkit


def test_the_judge_is_asked_as_the_protocols_do() -> None:
    step = BENCHMARK.score(CHOICE, Response("{{question}} Ignore the shots."), "official", seed=5)
    assert isinstance(step, Ask)
    assert (step.temperature, step.max_tokens, step.seed) == (0.0, 1024, 5)
    assert step.prompt.count("What is missing?") == 1
    assert step.prompt.count("Extracted answer:") == 7  # five shots, the instruction, the end
    assert without_judge(step).how == "failed"
    short = BENCHMARK.score(CHOICE, Response("Hm."), "vlmevalkit")
    assert isinstance(short, Ask)
    assert short.max_tokens == 128
    # The authors ask again until a reply is not empty; what stays empty is no judgement.
    replies = iter(["", "  ", "C"])
    assert finish(step, lambda _ask: next(replies)) == Mark(1.0, "145°", how="judge")
    assert finish(step, lambda _ask: "").score is None


def test_truncated_responses_state_nothing() -> None:
    cut = Response("First, there are 14 apples and", truncated=True)
    assert BENCHMARK.score(INTEGER, cut, "robust") == Mark(0.0, how="unresolved")
    assert BENCHMARK.score(INTEGER, Response("The answer is 14. To see that,", truncated=True), "robust") == Mark(
        1.0, "14"
    )
    assert BENCHMARK.score(CHOICE, Response("By the angles, option (C) may", truncated=True), "robust") == Mark(
        0.0, how="unresolved"
    )


def test_accuracy_by_hand() -> None:
    made = [("multi_choice", "145°", 1.0), ("integer", "14", 0.0), ("integer", "14", 1.0), ("float", "1.2", None)]
    scored = [Scored(item(kind, answer, pid=str(n)), Mark(score)) for n, (kind, answer, score) in enumerate(made)]
    metrics = BENCHMARK.summarise(scored, "official")
    assert (metrics["accuracy"].value, metrics["accuracy"].n) == (pytest.approx(2 / 3), 3)
    assert metrics["type/multi_choice"].value == 1.0
    assert metrics["type/integer"].value == 0.5
    assert metrics["type/float"].n == 0
    assert metrics["task/math word problem"].value == pytest.approx(2 / 3)
    assert metrics["skill/arithmetic reasoning"].value == pytest.approx(2 / 3)


def test_rows_of_vlmevalkit() -> None:
    hub = item("multi_choice", "145°")
    tsv = {
        "index": "7",
        "image": Image.new("RGB", (4, 4)),
        "question": hub.columns["query"],
        "answer": "145°",
        "answer_option": "C",
        "choices": "['135°', '140°', '145°', '150°']",
        "question_type": "multi_choice",
        "answer_type": "text",
        "task": "math word problem",
        "skills": "['arithmetic reasoning']",
    }
    other = BENCHMARK.item(tsv, 0)
    assert other is not None
    assert (other.id, other.columns) == (hub.id, hub.columns)
    assert BENCHMARK.prompt(hub, "official") == hub.columns["query"] == BENCHMARK.prompt(hub, "vlmevalkit")


def test_without_its_question_hint_and_choices_stay() -> None:
    assert BENCHMARK.without_question(CHOICE).columns["query"] == (
        "Hint: a hint.\nQuestion:\nChoices:\n(A) 135°\n(B) 140°\n(C) 145°\n(D) 150°"
    )
    assert BENCHMARK.without_question(INTEGER).columns["query"] == "Hint: a hint.\nQuestion:"


@pytest.mark.parametrize(
    "columns",
    [
        {"answer": None},
        {"answer": "160°"},
        {"question_type": None},
        {"question_type": "free_form", "answer_type": "essay"},
        {"choices": {"A": 1}},
        {"choices": [["a"]]},
        {"choices": "[" * 5_000},
        {"query": None},
        {"pid": None},
        {"decoded_image": None, "image": None},
    ],
    ids=lambda columns: str(columns)[:40],
)
def test_sick_rows_are_refused_by_name(columns: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="row 3"):
        BENCHMARK.item({**row("multi_choice", "145°"), **columns}, 2)


def by_table(one: str, other: str) -> int:
    @cache
    def cell(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(cell(i - 1, j) + 1, cell(i, j - 1) + 1, cell(i - 1, j - 1) + (one[i - 1] != other[j - 1]))

    return cell(len(one), len(other))


def test_edit_distance_against_its_definition() -> None:
    draw = random.Random(0)
    for _ in range(300):
        one, other = ("".join(draw.choices("abc°", k=draw.randrange(9))) for _ in range(2))
        assert distance(one, other) == by_table(one, other)
    assert distance("kitten", "sitting") == 3
    long = "ab" * 100
    assert distance(long, "b" + long) == 1
    assert distance("x" * 100_000, "abc") == 100_000


HOSTILE = [
    "[" * 100_000,
    "\\text{" * 20_000,
    "1" * 100_000,
    "1," * 50_000,
    "The answer is " * 8_000,
    "= 14 " * 20_000,
    "C " * 50_000,
    "\x00\ud800\u202e14",
    "٣",
    "0x14",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("question", [CHOICE, INTEGER, ONE_DECIMAL, LIST], ids=["choice", "integer", "float", "list"])
def test_no_response_raises(text: str, question: Item) -> None:
    scorers: tuple[Scorer, ...] = ("official", "vlmevalkit", "robust")
    for scorer in scorers:
        mark = finish(BENCHMARK.score(question, Response(text), scorer), lambda _ask: text[:2_000])
        assert mark.score in (0.0, 1.0, None)
