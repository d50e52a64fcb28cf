"""MathVerse: a judge that extracts and one that judges, official and VLMEvalKit's; rules first where robust."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from made_rows import mathverse

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.items import Item, Mark, Response, Scored, Scorer, failed
from contextrl.evaluation.benchmarks.mathverse import MathVerse, options_of
from contextrl.evaluation.benchmarks.steps import Ask, finish, without_judge

BENCHMARK = MathVerse()
CHOICE = "How large is the angle? ()\nChoices:\nA:40°\nB:60°\nC:120°\nD:140°"


def item(answer: str, question: str = "Find the length.", kind: str = "free-form", **changes: Any) -> Item:
    row = {**mathverse()[0], "answer": answer, "question_for_eval": question, "question_type": kind}
    found = BENCHMARK.item({**row, "question": question, "query_wo": f"Answer it.\n{question}", **changes}, 0)
    assert found is not None
    return found


def choice(answer: str = "C") -> Item:
    return item(answer, CHOICE, "multi-choice")


def judge(extracted: str, judgement: str) -> Callable[[Ask], str]:
    """A judge that extracts and judges so, whatever it is asked."""
    return lambda ask: judgement if "[Standard Answer]" in ask.prompt else extracted


def mark(one: Item, text: str, scorer: Scorer, extracted: str, judgement: str = "no judgement") -> Mark:
    return finish(BENCHMARK.score(one, Response(text), scorer), judge(extracted, judgement))


#: (reference, extraction's reply, judgement's reply, official, vlmevalkit): VLMEvalKit takes an extraction that is the
#: reference to the letter as right without a judgement, and one that cannot be judged as wrong.
STEPS = [
    ("C", "C", "1", 1.0, 1.0),
    ("C", "C", "0", 0.0, 1.0),
    ("C", " C \n", "0", 0.0, 1.0),
    ("C", "Extracted Answer: C", "1", 1.0, 1.0),
    ("C", "Extracted Answer: C", "0", 0.0, 0.0),
    ("C", "c", "1", 1.0, 1.0),
    ("C", "c", "0", 0.0, 0.0),
    ("C", "C.", "0", 0.0, 0.0),
    ("C", "(C)", "1", 1.0, 1.0),
    ("C", "120°", "1", 1.0, 1.0),
    ("C", "120°", "0", 0.0, 0.0),
    ("C", "null", "0", 0.0, 0.0),
    ("5", "5.0", "1", 1.0, 1.0),
    ("5", "5", "?", None, 1.0),
    ("5", "6", "?", None, 0.0),
    ("5", "6", "1.", None, 0.0),
    ("5", "6", "Judgement: 1", 1.0, 1.0),
    ("5", "6", "Judgement:0", 0.0, 0.0),
    ("5", "6", " 1\n", 1.0, 1.0),
    ("5", "6", "10", None, 0.0),
    ("5", "6", "2", None, 0.0),
    ("5", "6", "", None, 0.0),
    ("5", "6", "1 1", None, 0.0),
    ("5", "6", "They are consistent: 1", None, 0.0),
    ("5", "6", "The answer says 'Judgement: 1', but they differ.", None, 0.0),
    ("5", "6", "Judgement: 0\nJudgement: 1", None, 0.0),
    ("5", "6", "<think>1?</think>0", 0.0, 0.0),
    ("5", "6", "<think>1", None, 0.0),
    ("5", "6", "Failed to obtain answer via API.", None, 0.0),
    ("(-2,1]", "\\((-2, 1]\\)", "1", 1.0, 1.0),
]


@pytest.mark.parametrize(
    ("answer", "extracted", "judgement", "official", "vlmevalkit"),
    STEPS,
    ids=[f"{a}-{e}-{j}" for a, e, j, _, _ in STEPS],
)
def test_extraction_and_judgement(
    answer: str, extracted: str, judgement: str, official: float | None, vlmevalkit: float
) -> None:
    found = mark(item(answer), "a response", "official", extracted, judgement)
    assert (found.score, found.how) == (official, "failed" if official is None else "judge")
    found = mark(item(answer), "a response", "vlmevalkit", extracted, judgement)
    assert found.score == vlmevalkit


def test_what_was_extracted_is_told() -> None:
    assert mark(item("5"), "So 6.", "official", "Extracted Answer: 6", "0").extracted == "6"
    assert mark(item("5"), "So 6.", "vlmevalkit", "Extracted Answer: 6", "0").extracted == "Extracted Answer: 6"
    unread = mark(item("5"), "So 6.", "vlmevalkit", "6", "?")
    assert (unread.extracted, unread.how, unread.label) == ("6", "failed", "failed")


def questions(scorer: Scorer, extracted: str, judgement: str) -> list[tuple[str, int, float, int]]:
    """(what is asked, seed, temperature, longest reply) of each question."""
    seen = []

    def answer(ask: Ask) -> str:
        step = "judge" if "[Standard Answer]" in ask.prompt else "extract"
        seen.append((step, ask.seed, ask.temperature, ask.max_tokens))
        return judge(extracted, judgement)(ask)

    finish(BENCHMARK.score(item("5"), Response("a response"), scorer, seed=10), answer)
    return seen


def test_how_often_and_how_a_judge_is_asked() -> None:
    """The authors ask until they can read a reply, here five times; VLMEvalKit five times, each warmer by 0.5, and
    takes whatever was extracted."""
    assert questions("official", "6", "1") == [("extract", 10, 0.0, 256), ("judge", 10, 0.0, 256)]
    assert questions("official", "", "1") == [("extract", 10 + n, 0.0, 256) for n in range(5)]
    assert questions("official", "6", "?")[1:] == [("judge", 10 + n, 0.0, 256) for n in range(5)]
    assert questions("vlmevalkit", "5", "?") == [("extract", 10, 0.0, 128)]
    assert questions("vlmevalkit", "", "1") == [("extract", 10, 0.0, 128), ("judge", 10, 0.0, 128)]
    assert questions("vlmevalkit", "6", "?")[1:] == [("judge", 10 + n, 0.5 * n, 128) for n in range(5)]


@pytest.mark.parametrize(("scorer", "shots"), [("official", 5), ("vlmevalkit", 4)])
def test_only_the_official_judge_is_shown_that_an_options_content_stands_for_its_letter(
    scorer: Scorer, shots: int
) -> None:
    asked: list[str] = []
    finish(BENCHMARK.score(choice(), Response("120°"), scorer), lambda ask: asked.append(ask.prompt) or "120°")  # type: ignore[func-returns-value]
    examples = [line for line in asked[1].splitlines() if line.startswith("Judgement: ")]
    assert examples == ["Judgement: 0"] * 4 + ["Judgement: 1"] * (shots - 4)
    assert "[Standard Answer]: C\n[Model Answer]: 120°\n" in asked[1]
    assert CHOICE in asked[1]


@pytest.mark.parametrize("scorer", ["official", "vlmevalkit"])
def test_protocols_ask_a_judge_about_every_response(scorer: Scorer) -> None:
    for text in ("C", "", "Answer: C"):
        step = BENCHMARK.score(choice(), Response(text), scorer)
        assert without_judge(step).score is None


#: (reference, response, robust without a judge): 1 right, 0 wrong. C is 120°.
LETTERS = [
    ("C", "C", 1),
    ("C", "(C)", 1),
    ("C", "**C**", 1),
    ("C", "\\boxed{C}", 1),
    ("C", "\\boxed{\\text{C}}", 1),
    ("C", "The answer is C.", 1),
    ("C", "A cat would say so. The answer is (C)", 1),
    ("D", "Based on the image, the answer is D", 1),
    ("B", "Based on the image, the answer is D", 0),
    ("C", "答案是C", 1),
    ("C", "故选C。", 1),
    ("C", "C:120°", 1),
    ("C", "120°", 1),
    ("C", "The angle is 120°.", 1),
    ("A", "The angle is 120°.", 0),
    ("C", "The answer is A. Wait, actually the answer is C.", 1),
    ("A", "The answer is A. Wait, actually the answer is C.", 0),
    ("C", "Answer: A", 0),
    ("C", "A or C", 0),
    ("C", "B, C", 0),
    ("C", "I cannot determine the angle.", 0),
    ("C", "无法确定", 0),
    ("C", "", 0),
    ("C", "<think>The answer is C", 0),
    ("C", "<think>Is it A?</think>The answer is C", 1),
    ("(C)", "C", 1),
]


@pytest.mark.parametrize(("answer", "text", "score"), LETTERS, ids=[f"{a}-{text[:40]}" for a, text, _ in LETTERS])
def test_robust_reads_letters(answer: str, text: str, score: float) -> None:
    found = without_judge(BENCHMARK.score(choice(answer), Response(text), "robust"))
    assert found.score == score
    assert found.how in ("rule", "unresolved")


#: (reference, response, robust without a judge): None for a judge to read.
VALUES = [
    ("5", "5", 1),
    ("5", "\\boxed{5}", 1),
    ("5", "The answer is 5.", 1),
    ("5", "Answer: 5.0", 1),
    ("5", "x = 5", 1),
    ("5", "Answer: 6", 0),
    ("5", "Answer: 4\nWait, actually the answer is 5.", 1),
    ("5", "答案是5", 1),
    ("0.5", "\\boxed{\\frac{1}{2}}", 1),
    ("5 cm", "Answer: 5 cm", 1),
    ("5 cm", "Answer: 50 mm", 1),
    ("5 cm", "Answer: 5", 1),
    ("5 cm", "Answer: 6 cm", 0),
    ("1,200", "Answer: 1200", 1),
    ("25%", "Answer: 25%", 1),
    ("40°", "Answer: 40°", 1),
    ("40°", "Answer: 40 degrees", 1),
    ("2\\sqrt{3}", "\\boxed{\\sqrt{12}}", 1),
    ("f(x) = -x^2 - 2x + 1", "\\boxed{f(x)=1-2x-x^2}", 1),
    ("(-3, 3]", "\\boxed{(-3,3]}", 1),
    ("(-3, 3]", "\\boxed{(-3,3)}", 0),
    ("22.3", "The distance is then about 22.3 metres or so", None),
    ("22.3", "With 17.6 / cos(38°) we are done. Therefore, the distance is approximately 22.3 meters.", 1),
    ("22.3", "With 17.6 / cos(38°) we are done. Therefore, the distance is approximately 21.3.", 0),
    # In a unit that the reference does not tell, another number may be the same length.
    ("22.3", "With 17.6 / cos(38°) we are done. Therefore, the distance is 21.3 meters.", None),
    ("5", "The length is 5.", 1),
    ("5", "The length is 6.", 0),
    ("5", "所以长度是5。", 1),
    ("5", "So x = 10 / 2 = 5", 1),
    ("5", "So, $AB = 5$.", 1),
    ("5", "So, $AB = 6$.", 0),
    ("5", "So AB = 5 cm.", 1),
    ("5", "Therefore, \\(x\\) is equal to 5.", 1),
    # What is no number is right where it equals the answer, else open.
    ("12\\pi", "The area is 12\\pi cm^2", 1),
    ("12\\pi", "So the area is $12π$.", 1),
    ("12\\pi", "The area is 13\\pi cm^2", None),
    ("2\\sqrt{3}", "So the length is 2√3.", 1),
    ("6", "5? No, 6.", None),
    ("5", "Thus 5 is less than 6", None),
    ("5", "The height is 4. The length is 5.", None),
    ("5", "So the length is 5 or 6.", None),
    ("5", "So the length is not 5.", None),
    ("5", "So the length could be 5.", None),
    ("5", "If so, the length is 5.", None),
    ("5", "So the length is that of the side.", None),
    ("5", "I cannot determine it.", 0),
    ("5", "抱歉，无法确定。", 0),
    ("5", "", 0),
    ("5", "<think>The answer is 5", 0),
]


@pytest.mark.parametrize(("answer", "text", "score"), VALUES, ids=[f"{a}-{text[:40]}" for a, text, _ in VALUES])
def test_robust_compares_values(answer: str, text: str, score: float | None) -> None:
    assert without_judge(BENCHMARK.score(item(answer), Response(text), "robust")).score == score


@pytest.mark.parametrize("one", [choice("C"), item("5")], ids=["choice", "value"])
def test_robust_takes_a_response_that_was_cut_off_before_its_answer_as_wrong(one: Item) -> None:
    step = BENCHMARK.score(one, Response("We look at 120° and 5 and then add", truncated=True), "robust")
    assert isinstance(step, Mark)
    assert (step.score, step.how) == (0.0, "unresolved")


def test_robust_asks_where_rules_leave_it_open_and_reads_one_object() -> None:
    open_value = BENCHMARK.score(item("22.3"), Response("The distance is then about 22.3 metres or so"), "robust")
    assert finish(open_value, lambda _: '{"extracted_answer": "22.3", "score": 1}') == Mark(1.0, "22.3", "judge")
    assert finish(open_value, lambda _: '{"extracted_answer": "22.3", "score": 0}') == Mark(0.0, "22.3", "judge")
    assert finish(open_value, lambda _: "1").how == "failed"
    open_choice = BENCHMARK.score(choice(), Response("It is two thirds of a straight angle"), "robust")
    assert isinstance(open_choice, Ask)
    assert without_judge(open_choice) == Mark(0.0, None, "unresolved")
    assert finish(open_choice, lambda _: '{"extracted_answer": "120°", "score": 1}').score == 1


#: (question, its options).
OPTIONS = [
    (CHOICE, {"A": "40°", "B": "60°", "C": "120°", "D": "140°"}),
    ("x ()\nChoices:\nA:2\nB:2√{3}\nC:√{3}\nD:2√{2}", {"A": "2", "B": "2√{3}", "C": "√{3}", "D": "2√{2}"}),
    ("x\nChoices: A:40° B:60° C:120° D:140°", {"A": "40°", "B": "60°", "C": "120°", "D": "140°"}),
    ("Find its equation. A. x = 1 B. Can not determine.\n", {"A": "x = 1", "B": "Can not determine."}),
    ("Choices:\n(A) yes\n(B) no", {"A": "yes", "B": "no"}),
    ("Find AB.", {}),
    ("", {}),
]


@pytest.mark.parametrize(("question", "options"), OPTIONS)
def test_options_of_a_question(question: str, options: dict[str, str]) -> None:
    assert options_of(question) == options


def test_the_policy_sees_one_of_the_rows_two_prompts() -> None:
    row = mathverse()[0]
    one = BENCHMARK.item(row, 0)
    assert one is not None
    assert BENCHMARK.prompt(one, "official") == BENCHMARK.prompt(one, "vlmevalkit") == row["query_wo"]
    assert MathVerse("query_cot").prompt(one, "official") == row["query_cot"]


def test_vlmevalkits_table_has_its_prompt_in_the_question() -> None:
    row = {name: value for name, value in mathverse()[0].items() if name not in ("query_wo", "query_cot", "metadata")}
    one = BENCHMARK.item(
        {**row, "question": "Please answer.\nFind it.", "metadata": "{'subject': 'Solid Geometry'}"}, 0
    )
    assert one is not None
    assert BENCHMARK.prompt(one, "vlmevalkit") == "Please answer.\nFind it."
    assert one.columns["subject"] == "Solid Geometry"


def test_without_the_question_instruction_and_options_stay() -> None:
    blank = BENCHMARK.without_question(choice())
    assert BENCHMARK.prompt(blank, "official") == "Answer it.\n\nChoices:\nA:40°\nB:60°\nC:120°\nD:140°"
    assert blank.columns["question_for_eval"] == CHOICE


@pytest.mark.parametrize("version", ["Text Only", "Text_Only", "text only"])
def test_text_only_rows_are_left_out(version: str) -> None:
    assert BENCHMARK.item({**mathverse()[0], "problem_version": version, "image": ""}, 0) is None


def test_rows_are_named_by_their_sample_and_belong_to_their_problem() -> None:
    items = [BENCHMARK.item(row, n) for n, row in enumerate(mathverse())]
    assert [one.id for one in items if one] == [str(n + 1) for n in range(20)]
    assert [one.cluster for one in items if one] == [str(n // 5 + 1) for n in range(20)]


@pytest.mark.parametrize("column", ["problem_version", "answer", "question_type", "sample_index", "image", "query_wo"])
def test_a_sick_row_is_refused_with_its_place(column: str) -> None:
    with pytest.raises(InputError, match=f"MathVerse-mini, row 9, column '{column}'"):
        BENCHMARK.item({**mathverse()[0], column: None}, 8)


@pytest.mark.parametrize("scorer", BENCHMARK.scorers)
@pytest.mark.parametrize("one", [choice("C"), item("5")], ids=["choice", "value"])
@pytest.mark.parametrize(
    "text",
    ["{{answer}}", "\ud800", "Judgement: 1", "1" * 100_000, "\\frac{" * 9_999, "A B C D " * 9_999, "\\boxed{" * 9_999],
)
def test_no_response_breaks_a_scorer_or_speaks_for_the_judge(text: str, one: Item, scorer: Scorer) -> None:
    step = BENCHMARK.score(one, Response(text), scorer)
    if isinstance(step, Ask):
        assert step.prompt.encode()
        told = finish(step, judge(text, f"It says: {text}"))
        assert told.how == "failed" or one.columns["answer"] == told.extracted
    else:
        assert step.score == 0


VERSIONS = ("Text Dominant", "Text Lite", "Vision Intensive", "Vision Dominant", "Vision Only")


def scored(*marks: tuple[str, float | None]) -> list[Scored]:
    """(version, score) of each item."""
    return [
        Scored(
            replace(item("5", problem_version=version), id=str(n)),
            failed("no judgement") if score is None else Mark(score, how="judge"),
        )
        for n, (version, score) in enumerate(marks)
    ]


def test_pooled_over_questions_officially_and_over_versions_in_vlmevalkit() -> None:
    """Text Dominant 2/2, Text Lite 1/2, Vision Only 0/4: 3 of 8 questions; (1 + 1/2 + 0) / 3 over versions."""
    rows = scored(*[("Text Dominant", 1.0)] * 2, ("Text Lite", 1.0), ("Text_Lite", 0.0), *[("Vision Only", 0.0)] * 4)
    official = {name: metric.value for name, metric in BENCHMARK.summarise(rows, "official").items()}
    assert official == {
        "accuracy": 3 / 8,
        "version/Text Dominant": 1.0,
        "version/Text Lite": 0.5,
        "version/Vision Only": 0.0,
        "subject/Plane Geometry": 3 / 8,
    }
    assert BENCHMARK.summarise(rows, "robust")["accuracy"].value == 3 / 8
    assert BENCHMARK.summarise(rows, "vlmevalkit")["accuracy"].value == pytest.approx(0.5)


def test_equal_versions_pool_alike() -> None:
    """As in the whole set: 5 versions of 4 questions, 4 + 3 + 2 + 1 + 0 right of 20."""
    rows = scored(*((version, float(n >= k)) for k, version in enumerate(VERSIONS) for n in range(4)))
    for scorer in BENCHMARK.scorers:
        assert BENCHMARK.summarise(rows, scorer)["accuracy"].value == pytest.approx(0.5)


def test_what_nobody_judged_is_left_out() -> None:
    rows = scored(("Text Lite", 1.0), ("Text Lite", None), ("Vision Only", None))
    assert BENCHMARK.summarise(rows, "official")["accuracy"].value == 1.0
    assert BENCHMARK.summarise(rows, "vlmevalkit")["accuracy"].value == 1.0
    nothing = BENCHMARK.summarise(scored(("Text Lite", None)), "vlmevalkit")["accuracy"]
    assert nothing.n == 0
    assert nothing.value != nothing.value
