"""LogicVista: sets of letters, the digit, the empty row, both judges and the robust reading."""

from __future__ import annotations

from typing import Any

import pytest
from made_rows import logicvista

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.items import Item, Mark, Response, Scored, Scorer
from contextrl.evaluation.benchmarks.logicvista import LogicVista
from contextrl.evaluation.benchmarks.steps import NO_JUDGE, Ask, Step, finish, without_judge

BENCHMARK = LogicVista()
QUESTION = "Which figure follows? Select from A, B, C and D. (A) a square (B) a circle (C) a star (D) a red star"


def row(**changes: Any) -> dict[str, Any]:
    return {**logicvista()[0], "question": QUESTION, **changes}


def item(**changes: Any) -> Item:
    found = BENCHMARK.item(row(**changes), 0)
    assert found is not None
    return found


def step(text: str, scorer: Scorer, **changes: Any) -> Step:
    return BENCHMARK.score(item(**changes), Response(text), scorer)


#: (response, the row's answer, robust), worked out by hand: the set of letters that it finally says.
GOLDEN = [
    ("B", "B", 1),
    ("b", "B", 1),
    ("(B)", "B", 1),
    ("B.", "B", 1),
    ("**B**", "B", 1),
    ("\\boxed{B}", "B", 1),
    ("\\boxed{\\text{B}}", "B", 1),
    ("(B) a circle", "B", 1),
    ("a circle", "B", 1),
    ("It is a circle.", "B", 1),
    ("a red star", "D", 1),
    ("a red star", "C", 0),
    ("The answer is B", "B", 1),
    ("The answer is (B).", "B", 1),
    ("Based on the image, the answer is D", "D", 1),
    ("A star is there. The answer is (C)", "C", 1),
    ('The figure on the right, labeled "D," is a rotation of it.', "D", 1),
    ("Figure C completes the row.", "C", 1),
    ("C fits best.", "C", 1),
    ("The pattern turns each time, so B.", "B", 1),
    ("A is too small. B does not turn. Therefore, option D.", "D", 1),
    ("The answer is A. Wait, actually it is C.", "C", 1),
    ("The answer is A. Wait, actually it is C.", "A", 0),
    ("答案是B", "B", 1),
    ("选择B。", "B", 1),
    ("因此正确选项是（D）。", "D", 1),
    ("B or D", "B", 0),
    ("B or D", "B, D", 0),
    ("B, D", "B, D", 1),
    ("D, B", "B, D", 1),
    ("B and D", "B, D", 1),
    ("BD", "B, D", 1),
    ("The answer is B and D.", "B, D", 1),
    ("\\boxed{B, D}", "B, D", 1),
    ("B、D", "B, D", 1),
    ("B", "B, D", 0),
    ("B, D", "B", 0),
    ("A, B, D", "B, D", 0),
    ("The answer is A, C", "A, C", 1),
    ("None of them.", "A", 0),
    ("I'm sorry, I cannot see the figure.", "A", 0),
    ("", "A", 0),
    ("<think>B</think>The answer is D", "D", 1),
    ("<think>The answer is B", "B", 0),
]


@pytest.mark.parametrize(("text", "answer", "robust"), GOLDEN)
def test_robust(text: str, answer: str, robust: int) -> None:
    found = step(text, "robust", answer=answer)
    assert isinstance(found, Mark)
    assert found.score == robust
    assert without_judge(step(text, "vlmevalkit", answer=answer)) == NO_JUDGE


#: Letters beyond D, and the digit.
FURTHER = [
    ("G", "G", "Which one? Select from A-I", 1),
    ("The answer is (G)", "G", "Which one?", 1),
    ("F", "G", "Which one? Select from A-I", 0),
    ("The answer is I.", "I", "Which one? Select from A-I", 1),
    ("3", "3", "Which one? Select from 1-5", 1),
    ("The answer is 3.", "3", "Which one? Select from 1-5", 1),
    ("Option 3", "3", "Which one? Select from 1-5", 1),
    ("(3)", "3", "Which one? Select from 1-5", 1),
    ("\\boxed{3}", "3", "Which one? Select from 1-5", 1),
    ("The answer is 2, no wait, it is 3", "3", "Which one? Select from 1-5", 1),
    ("There are 2 or so, but the pattern points to 3. So 3.", "3", "Which one? Select from 1-5", 1),
    ("2 or 3", "3", "Which one? Select from 1-5", 0),
    ("3.5", "3", "Which one? Select from 1-5", 0),
    ("13", "3", "Which one? Select from 1-5", 0),
    ("C", "3", "Which one? Select from 1-5", 0),
]


@pytest.mark.parametrize(("text", "answer", "question", "robust"), FURTHER)
def test_letters_to_i_and_the_digit(text: str, answer: str, question: str, robust: int) -> None:
    found = step(text, "robust", answer=answer, question=question)
    assert isinstance(found, Mark)
    assert found.score == robust


#: (response, answer, score) that the authors' script decides by itself.
OFFICIAL_BY_RULE = [
    ("B", "B", 1),
    ("b", "B", 1),
    ("B", "D", 0),
    ("G", "G", 0),
    ("F", "F", 0),
    ("?", "B", 0),
    ("", "B", 0),
    ("USER: which? ASSISTANT: B", "B", 1),
    ("B", "B, D", 0),
]


@pytest.mark.parametrize(("text", "answer", "score"), OFFICIAL_BY_RULE)
def test_official_rule(text: str, answer: str, score: int) -> None:
    found = step(text, "official", answer=answer)
    assert isinstance(found, Mark)
    assert found.score == score


#: (the judge's reply, answer, score)
OFFICIAL_REPLIES = [
    ('{"choices": ["B"]}', "B", 1),
    ('{"choices": ["b"]}', "B", 1),
    ('{"choices": ["D", "B"]}', "B, D", 1),
    ('{"choices": ["B", "D"]}', "B", 0),
    ('{"choices": ["B, D"]}', "B, D", 0),
    ('{"choices": ["3"]}', "3", 1),
    ('{"choices": ["ZZZZZ"]}', "B", 0),
    ('```json\n{"choices": ["G"]}\n```', "G", 1),
    ('{"choices": []}', "B", 0),
]


@pytest.mark.parametrize(("reply", "answer", "score"), OFFICIAL_REPLIES)
def test_official_judge(reply: str, answer: str, score: int) -> None:
    asked = step("The second and the last one.", "official", answer=answer)
    found = finish(asked, lambda _: reply)
    assert (found.score, found.how) == (score, "judge")


#: (the judge's reply, answer, score): upper-case letters and nothing else.
VLMEVALKIT_REPLIES = [
    ("B", "B", 1),
    ("BD", "B, D", 1),
    ("DB", "B, D", 1),
    ("AC", "A, C", 1),
    ("Z", "B", 0),
    ("ABCDE", "B", 0),
    ("G", "G", 1),
]


@pytest.mark.parametrize(("reply", "answer", "score"), VLMEVALKIT_REPLIES)
def test_vlmevalkit_judge(reply: str, answer: str, score: int) -> None:
    found = finish(step("The second one.", "vlmevalkit", answer=answer), lambda _: reply)
    assert (found.score, found.how) == (score, "judge")


@pytest.mark.parametrize(
    ("reply", "answer"), [("B, D", "B, D"), ("3", "3"), ("b", "B"), ("", "B"), ("The answer", "B")]
)
def test_vlmevalkit_asks_five_times_and_warmer_each_time(reply: str, answer: str) -> None:
    temperatures = []

    def answered(ask: Ask) -> str:
        temperatures.append(ask.temperature)
        return reply

    assert finish(step("The second one.", "vlmevalkit", answer=answer), answered).score == 0
    assert temperatures == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_official_is_wrong_after_five_replies_that_nobody_can_read() -> None:
    seeds = []

    def answered(ask: Ask) -> str:
        seeds.append(ask.seed)
        return "no idea"

    assert finish(step("The second one.", "official"), answered).score == 0
    assert seeds == [0, 1, 2, 3, 4]


def test_the_prompt_is_the_bare_question() -> None:
    assert BENCHMARK.prompt(item(), "official") == BENCHMARK.prompt(item(), "vlmevalkit") == QUESTION
    assert BENCHMARK.prompt(BENCHMARK.without_question(item()), "official") == QUESTION[QUESTION.index("(A)") :]


@pytest.mark.parametrize("answer", ["", None, float("nan"), "  "])
def test_the_empty_row_is_left_out(answer: Any) -> None:
    assert BENCHMARK.item(row(answer=answer, question=""), 381) is None


@pytest.mark.parametrize(
    ("answer", "read"), [("D, B", ["B", "D"]), ("3", ["3"]), (3, ["3"]), (3.0, ["3"]), ("i", ["I"])]
)
def test_answers(answer: Any, read: list[str]) -> None:
    assert item(answer=answer).columns["answer"] == read


@pytest.mark.parametrize(
    "changes", [{"answer": "J"}, {"answer": "A or B"}, {"skill": ["x"]}, {"skill": None}, {"image": 1}]
)
def test_a_sick_row_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="LogicVista, row 1"):
        BENCHMARK.item(row(**changes), 0)


def test_a_missing_answer_column_is_no_empty_row() -> None:
    with pytest.raises(InputError, match="no such column"):
        BENCHMARK.item({key: value for key, value in row().items() if key != "answer"}, 0)


def test_figures_by_hand() -> None:
    """Inductive 1 of 2, spatial 1 of 1, deductive and spatial at once 1 of 1, one not scored: 3 of 4 in all."""
    table: list[tuple[Any, float | None]] = [
        (["inductive"], 1.0),
        ("['inductive']", 0.0),
        ("spatial", 1.0),
        (["deductive", "spatial"], 1.0),
        (["numerical"], None),
    ]
    scored = [Scored(item(index=n, skill=skill), Mark(score)) for n, (skill, score) in enumerate(table)]
    figures = {name: metric.value for name, metric in BENCHMARK.summarise(scored, "robust").items()}
    assert figures["accuracy"] == 3 / 4
    assert figures["skill/inductive"] == 1 / 2
    assert figures["skill/spatial"] == 1.0
    assert figures["skill/deductive"] == 1.0
    assert figures["skill/numerical"] != figures["skill/numerical"]
    assert "skill/mechanical" not in figures
