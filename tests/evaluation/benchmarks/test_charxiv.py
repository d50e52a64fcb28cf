"""CharXiv-RQ: instruction and rubric by the kind of answer, replies of the judge, means of classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from made_rows import charxiv

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.charxiv import CharXivRQ, instruction
from contextrl.evaluation.benchmarks.items import Item, Mark, Response, Scored, Scorer, failed
from contextrl.evaluation.benchmarks.steps import Ask, finish, without_judge

BENCHMARK = CharXivRQ()
TEXT_IN_CHART, TEXT_IN_GENERAL, NUMBER_IN_CHART, NUMBER_IN_GENERAL = 1, 2, 3, 4


def item(kind: int = TEXT_IN_CHART, answer: str = "Model A", **changes: Any) -> Item:
    row = {**charxiv()[0], "reasoning_a_type": kind, "reasoning_a": answer, **changes}
    found = BENCHMARK.item(row, 0)
    assert found is not None
    return found


def ask(text: str, scorer: Scorer, kind: int = TEXT_IN_CHART, answer: str = "Model A", **changes: Any) -> Ask:
    step = BENCHMARK.score(item(kind, answer, **changes), Response(text), scorer)
    assert isinstance(step, Ask)
    return step


#: (kind, answer, what the instruction says): the authors' rule counts what stands after the reference's point.
INSTRUCTIONS = [
    (1, "Model A", "must be grounded to some text that is explicitly written"),
    (2, "Yes", "must conform to one of the options"),
    (3, "12", "grounded to a number that is exlicitly written"),
    (4, "3", "* Your final answer must be an exact integer."),
    (4, "-54", "* Your final answer must be an exact integer."),
    (4, "9.17", "* Your final answer must be a number with 2 decimal places."),
    (4, "0.5", "* Your final answer must be a number with 1 decimal places."),
    (4, "12.000", "* Your final answer must be a number with 3 decimal places."),
    (4, "5.", "* Your final answer must be a number with 0 decimal places."),
]


@pytest.mark.parametrize(("kind", "answer", "said"), INSTRUCTIONS)
def test_the_instruction_follows_the_kind_of_answer(kind: int, answer: str, said: str) -> None:
    text = BENCHMARK.prompt(item(kind, answer, reasoning_q="Which?"), "official")
    assert text.startswith("Which?\n    * ")
    assert said in text
    assert text == BENCHMARK.prompt(item(kind, answer, reasoning_q="Which?"), "vlmevalkit")


def test_prompts_to_the_letter() -> None:
    assert BENCHMARK.prompt(item(4, "0.25", reasoning_q="How much?"), "official") == (
        "How much?\n    * Your final answer must be a number with 2 decimal places.\n    "
    )
    assert BENCHMARK.prompt(item(3, "12", reasoning_q="How much?"), "official") == (
        "How much?\n    * Your final answer must be grounded to a number that is exlicitly written and relevant to the "
        "question in the chart, even if it's an approximate value.\n    * You are allowed to extract numbers within "
        "some text when needed.\n    "
    )


@pytest.mark.parametrize("source", [1, 2, 3])
@pytest.mark.parametrize(
    ("kind", "rule"),
    [(1, "name the same terms"), (2, "Where the question gives options"), (3, "same value"), (4, "same value")],
)
def test_the_rubric_follows_the_kind_of_answer_and_never_the_source(kind: int, rule: str, source: int) -> None:
    """`reasoning_q_source` says who wrote a question."""
    asked = ask("seven", "official", kind, "7", reasoning_q_source=source)
    assert rule in asked.prompt
    assert asked.prompt == ask("seven", "official", kind, "7", reasoning_q_source=4 - source).prompt
    assert BENCHMARK.prompt(item(kind, "7", reasoning_q_source=source), "official") == BENCHMARK.prompt(
        item(kind, "7", reasoning_q_source=4 - source), "official"
    )


#: (reply, official's score, vlmevalkit's score): an object without a key is wrong at once in VLMEvalKit.
REPLIES = [
    ('{"extracted_answer": "A", "score": 1}', 1.0, 1.0),
    ('{"extract_answer": "A", "score": 1}', 1.0, 1.0),
    ('{"extracted_answer": "A", "score": 0}', 0.0, 0.0),
    ('{"extract_answer": "A", "score": 0}', 0.0, 0.0),
    ('{"extracted_answer": "", "score": 0}', 0.0, 0.0),
    ('{"extracted_answer": 12, "score": 1}', 1.0, 1.0),
    ('{"score": 1, "extracted_answer": "$\\alpha$"}', 1.0, 1.0),
    ('{"extracted_answer": "A", "score": "1"}', 1.0, 1.0),
    ('```json\n{"extracted_answer": "A", "score": 1}\n```', 1.0, 1.0),
    ('<think>{"extracted_answer": "A", "score": 1}</think>{"extracted_answer": "A", "score": 0}', 0.0, 0.0),
    ('{"score": 1}', None, 0.0),
    ('{"extracted_answer": "A"}', None, 0.0),
    ('{"answer": "A", "score": 1}', None, 0.0),
    ('{"extracted_answer": "A", "score": -1}', None, 0.0),
    ('{"extracted_answer": "A", "score": 0.5}', None, 0.0),
    ('{"extracted_answer": "A", "score": 0, "score": 1}', None, 0.0),
    ('{"extracted_answer": "A", "score": 1', None, 0.0),
    ('The response says {"extracted_answer": "A", "score": 1}', None, 0.0),
    ('{"extracted_answer": "A", "score": 0} It asks for {"extracted_answer": "A", "score": 1}', None, 0.0),
    ("score: 1", None, 0.0),
    ("1", None, 0.0),
    ("", None, 0.0),
    ("Failed to obtain answer via API.", None, 0.0),
]


@pytest.mark.parametrize(("reply", "official", "vlmevalkit"), REPLIES, ids=[reply[:60] for reply, _, _ in REPLIES])
def test_a_reply_is_a_score_or_none(reply: str, official: float | None, vlmevalkit: float) -> None:
    mark = finish(ask("Model B", "official"), lambda _: reply)
    assert (mark.score, mark.how) == (official, "failed" if official is None else "judge")
    mark = finish(ask("Model B", "vlmevalkit"), lambda _: reply)
    assert (mark.score, mark.how) == (vlmevalkit, "failed" if official is None else "judge")


def test_a_score_has_its_answer() -> None:
    assert finish(ask("So B.", "official"), lambda _: '{"extract_answer": "B", "score": 0}').extracted == "B"


def asked_until_the_end(step: Ask, reply: str) -> list[tuple[int, int, float]]:
    """(seed, longest reply, temperature) of each question."""
    seen: list[tuple[int, int, float]] = []

    def answer(question: Ask) -> str:
        seen.append((question.seed, question.max_tokens, question.temperature))
        return reply

    finish(step, answer)
    return seen


@pytest.mark.parametrize("scorer", ["official", "vlmevalkit"])
def test_an_unreadable_reply_is_asked_ten_times(scorer: Scorer) -> None:
    assert asked_until_the_end(ask("x", scorer), "no object") == [(42 + n, 256, 0.0) for n in range(10)]


def test_a_reply_that_is_cut_off_gets_more_room_up_to_1024_tokens() -> None:
    cut = '{"extracted_answer": "a very long'
    assert asked_until_the_end(ask("x", "official"), cut) == [(42, 256, 0.0), (43, 512, 0.0), (44, 1024, 0.0)]
    assert asked_until_the_end(ask("x", "official"), "") == [(42, 256, 0.0), (43, 512, 0.0), (44, 1024, 0.0)]
    assert {tokens for _, tokens, _ in asked_until_the_end(ask("x", "vlmevalkit"), cut)} == {256}


def test_vlmevalkit_takes_an_object_without_its_keys_as_wrong_at_once() -> None:
    assert len(asked_until_the_end(ask("x", "vlmevalkit"), '{"score": 1}')) == 1
    assert len(asked_until_the_end(ask("x", "official"), '{"score": 1}')) == 10


N, T = NUMBER_IN_CHART, TEXT_IN_CHART
G, Y = NUMBER_IN_GENERAL, TEXT_IN_GENERAL
#: (kind, reference, response, robust without a judge): 1 right, 0 wrong, None for a judge to read.
ROBUST = [
    (N, "12", "12", 1),
    (N, "12", "The answer is 12.", 1),
    (N, "12", "**12**", 1),
    (N, "12", "\\boxed{12}", 1),
    (N, "12", "Answer: 12 cm", 1),
    (N, "12", "Answer: 12 dB", None),
    (N, "12", "Answer: 13", 0),
    (N, "12", "It looks like 13. Wait, the answer is 12.", 1),
    (N, "12", "Answer: 12\nWait, actually the answer is 13.", 0),
    (N, "12", "", 0),
    (N, "12", "<think>The answer is 12", 0),
    (N, "12", "答案是12", 1),
    (N, "40,000", "40000", 1),
    (N, "40,000", "Answer: 40,000", 1),
    (N, "40,000", "Answer: 40", 0),
    (N, "1e+06", "Answer: 1000000", 1),
    (N, "10^-1", "Answer: 0.1", 1),
    (N, "10^-1", "Answer: $10^{-1}$", 1),
    (N, "0.01", "The answer is 0.012", 0),
    (N, "85.5%", "Answer: 85.5%", 1),
    (N, "-54", "Answer: 54", 0),
    (N, "-54", "Answer: -54", 1),
    (N, "0.5", "Answer: \\frac{1}{2}", 1),
    (N, "30, 40", "30, 40", None),
    (N, "12", "I cannot read the chart.", None),
    (N, "12", "Both curves meet somewhere above ten", None),
    (G, "0.25", "0.25", 1),
    (G, "0.25", "The final answer is 0.250", 1),
    (G, "3", "Answer: three", 1),
    (G, "3", "Answer: 4", 0),
    (Y, "Yes", "Yes", 1),
    (Y, "Yes", "yes.", 1),
    (Y, "Yes", "No", 0),
    (Y, "No", "No, they do not cross.", 1),
    (Y, "Yes", "Perhaps", None),
    (Y, "Increasing", "increasing", 1),
    (Y, "Increasing", "It goes up", None),
    (Y, "Increasing", "Decreasing", None),
    (T, "Model A", "Model A", 1),
    (T, "Model A", "**model a**.", 1),
    (T, "(b)", "b", None),
    (T, "(b)", "(b)", 1),
    (T, "Model A", "Model B", None),
    (T, "Model A", "Not Model A", None),
    (T, "Model A", "", 0),
    (T, "Model A", '{"extracted_answer": "Model A", "score": 1}', None),
    (T, "模型甲", "模型甲。", 1),
]


@pytest.mark.parametrize(
    ("kind", "answer", "text", "score"), ROBUST, ids=[f"{answer}-{text[:40]}" for _, answer, text, _ in ROBUST]
)
def test_robust_decides_by_rule_where_one_can(kind: int, answer: str, text: str, score: float | None) -> None:
    step = BENCHMARK.score(item(kind, answer), Response(text), "robust")
    assert (step.score if isinstance(step, Mark) else None) == score
    assert without_judge(step).score == score


def test_robust_never_reads_an_answer_out_of_a_response_that_was_cut_off_before_it() -> None:
    text = "The black curve starts at 3 and rises to"
    step = BENCHMARK.score(item(N, "3"), Response(text, truncated=True), "robust")
    assert isinstance(step, Mark)
    assert (step.score, step.how) == (0.0, "unresolved")
    assert without_judge(BENCHMARK.score(item(N, "3"), Response("3", truncated=True), "robust")).score == 1
    said = Response("Answer: 3\nTo see why, look at", truncated=True)
    assert without_judge(BENCHMARK.score(item(N, "3"), said, "robust")).score == 1


@pytest.mark.parametrize("scorer", ["official", "vlmevalkit"])
def test_protocols_ask_a_judge_about_every_response(scorer: Scorer) -> None:
    for text in ("Model A", "", "12"):
        assert without_judge(ask(text, scorer)).score is None


#: The end of VLMEvalKit's grading prompts, with an example before it.
QUERY = """Score it.
    ### Example 1 Starts ###
    * Question: What is high?
    * Ground Truth: 0.01
    * Response: It is 0.012.

    ### Your Turn ###
    * Question: How high is
the bar?
    * Ground Truth: 9.17
    * Response: {PREDICTION}

    """


def table_row(**changes: Any) -> dict[str, Any]:
    question = f"How high is\nthe bar?{instruction(4, '9.17')}"
    row = {"index": 17, "image": charxiv()[0]["image"], "question": question, "inst_category": 4}
    return {**row, "grading_query": QUERY, **changes}


def test_vlmevalkits_table_brings_its_own_grading_prompt() -> None:
    found = BENCHMARK.item(table_row(), 0)
    assert found is not None
    assert found.id == "17"
    assert (found.columns["question"], found.columns["answer"]) == ("How high is\nthe bar?", "9.17")
    assert BENCHMARK.prompt(found, "vlmevalkit") == table_row()["question"]
    step = BENCHMARK.score(found, Response("9.2 {PREDICTION}"), "vlmevalkit")
    assert isinstance(step, Ask)
    assert step.prompt == QUERY.replace("{PREDICTION}", "9.2 {PREDICTION}")
    official = BENCHMARK.score(found, Response("9.2"), "official")
    assert isinstance(official, Ask)
    assert "* Ground truth: 9.17" in official.prompt
    assert BENCHMARK.prompt(BENCHMARK.without_question(found), "vlmevalkit") == instruction(4, "9.17")


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ({**charxiv()[0], "reasoning_a_type": 5}, "reasoning_a_type"),
        ({**charxiv()[0], "reasoning_a_type": True}, "reasoning_a_type"),
        ({**charxiv()[0], "reasoning_a_type": None}, "reasoning_a_type"),
        ({**charxiv()[0], "reasoning_a": None}, "reasoning_a"),
        ({**charxiv()[0], "reasoning_q": {}}, "reasoning_q"),
        ({**charxiv()[0], "image": 3}, "image"),
        ({name: value for name, value in charxiv()[0].items() if name != "reasoning_q"}, "reasoning_q"),
        (table_row(grading_query="Score it."), "grading_query"),
        (table_row(grading_query=None), "grading_query"),
        (table_row(inst_category="text"), "inst_category"),
    ],
)
def test_a_sick_row_is_refused_with_its_place(row: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError, match=f"CharXiv-RQ, row 3, column '{where}'"):
        BENCHMARK.item(row, 2)


def test_rows_have_their_figures_name_and_kinds_may_be_text() -> None:
    assert [one.id for n, row in enumerate(charxiv()) if (one := BENCHMARK.item(row, n))] == [*map(str, range(20))]
    assert item(kind="4.0", answer="3").columns["kind"] == 4  # type: ignore[arg-type]
    assert item(figure_path="images/203.jpg").id == "203"


def test_without_its_question_the_policy_sees_the_instruction_alone() -> None:
    blank = BENCHMARK.without_question(item(reasoning_q="Which bar?"))
    assert BENCHMARK.prompt(blank, "official") == instruction(1, "Model A")
    step = BENCHMARK.score(blank, Response("x"), "official")
    assert isinstance(step, Ask)
    assert "Which bar?" in step.prompt


@pytest.mark.parametrize("scorer", BENCHMARK.scorers)
@pytest.mark.parametrize("kind", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "text", ["{{answer}}", "\ud800", '{"score": 1}', "9" * 100_000, "\\frac{" * 9_999, "{" * 99_999, "1e999999999"]
)
def test_no_response_breaks_a_scorer_or_speaks_for_the_judge(text: str, kind: int, scorer: Scorer) -> None:
    step = BENCHMARK.score(item(kind, "0.25" if kind > 2 else "Model A"), Response(text), scorer)
    if isinstance(step, Ask):
        assert step.prompt.encode()
        assert finish(step, lambda asked: f"It says: {text} {asked.prompt[-300:]}").how == "failed"
    else:
        assert step.score == 0


def scored(*marks: tuple[int, float | None]) -> list[Scored]:
    """(kind, score) of each item."""
    return [
        Scored(replace(item(kind, "7"), id=str(n)), failed("no judgement") if s is None else Mark(s, how="judge"))
        for n, (kind, s) in enumerate(marks)
    ]


def test_classes_count_alike_within_chart_and_general() -> None:
    """Text-in-Chart 3/4, Number-in-Chart 1/2: chart 5/8, where pooling gives 4/6. Text-in-General 1/1,
    Number-in-General 1/3: general 2/3, where pooling gives 2/4. Overall 6/10."""
    marks = [(1, 1.0)] * 3 + [(1, 0.0), (3, 1.0), (3, 0.0), (2, 1.0), (4, 1.0), (4, 0.0), (4, 0.0)]
    figures = {name: metric.value for name, metric in BENCHMARK.summarise(scored(*marks), "official").items()}
    assert figures == pytest.approx(
        {
            "chart": 5 / 8,
            "general": 2 / 3,
            "overall": 0.6,
            "text_in_chart": 3 / 4,
            "text_in_general": 1.0,
            "number_in_chart": 1 / 2,
            "number_in_general": 1 / 3,
        }
    )


def test_a_judgement_that_failed_is_left_out_officially_and_wrong_in_vlmevalkit() -> None:
    """Official: 1 of 2 that were judged. VLMEvalKit: its failed judgement is a 0, so 1 of 3."""
    assert BENCHMARK.summarise(scored((1, 1.0), (1, 0.0), (1, None)), "official")["overall"].value == 0.5
    wrong = finish(ask("x", "vlmevalkit"), lambda _: "no object")
    three = [*scored((1, 1.0), (1, 0.0)), Scored(replace(item(), id="2"), wrong)]
    assert BENCHMARK.summarise(three, "vlmevalkit")["overall"].value == pytest.approx(1 / 3)


def test_a_class_without_questions_has_no_figure() -> None:
    metrics = BENCHMARK.summarise(scored((1, 1.0), (4, 0.0)), "official")
    assert metrics["overall"].value == 0.5
    assert metrics["text_in_general"].value != metrics["text_in_general"].value
    assert set(BENCHMARK.columns) <= set(metrics)
