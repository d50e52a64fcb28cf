"""MMStar: the official prefix rule, VLMEvalKit's rule, judge and random option, and the robust reading."""

from __future__ import annotations

from typing import Any

import pytest
from made_rows import mmstar

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.items import Item, Mark, Response, Scored, Scorer
from contextrl.evaluation.benchmarks.mmstar import MMStar
from contextrl.evaluation.benchmarks.steps import Ask, finish, without_judge

BENCHMARK = MMStar()


def row(**changes: Any) -> dict[str, Any]:
    question = "What is on the mat?\nOptions: A: a cat, B: a dog, C: a red car, D: nothing"
    return {**mmstar()[0], "question": question, **changes}


def item(**changes: Any) -> Item:
    found = BENCHMARK.item(row(**changes), 0)
    assert found is not None
    return found


def mark(text: str, scorer: Scorer, answer: str, *, truncated: bool = False) -> Mark:
    return without_judge(BENCHMARK.score(item(answer=answer), Response(text, truncated), scorer))


#: (response, right letter, official, vlmevalkit without a judge, robust), worked out from the rules: official reads the
#: first character, or the one after "(", "option " or "the answer is "; VLMEvalKit a lone letter among the last four
#: words, or one option's text in a short answer.
GOLDEN = [
    ("B", "B", 1, 1, 1),
    ("b", "B", 1, 0, 1),
    ("B.", "B", 1, 1, 1),
    ("(B)", "B", 1, 1, 1),
    ("(B) a dog", "B", 1, 1, 1),
    ("B. a dog", "B", 1, 1, 1),
    ("**B**", "B", 0, 1, 1),
    ("**B. a dog**", "B", 0, 1, 1),
    ("$\\boxed{B}$", "B", 0, 1, 1),
    ("\\boxed{\\text{B}}", "B", 0, 1, 1),
    ("Option B", "B", 1, 1, 1),
    ("option c", "C", 1, 0, 1),
    ("The answer is B", "B", 1, 1, 1),
    ("The answer is (B)", "B", 0, 1, 1),
    ("The answer is: B", "B", 0, 1, 1),
    ("Based on the image, the answer is D", "D", 0, 1, 1),
    ("Based on the image, the answer is D", "B", 1, 0, 0),
    ("A cat and a dog sit there. The answer is (C)", "C", 0, 0, 1),
    ("A cat and a dog sit there. The answer is (C)", "A", 1, 0, 0),
    ("Certainly! The answer is B.", "C", 1, 0, 0),
    ("Certainly! The answer is B.", "B", 0, 1, 1),
    ("The correct option is **(D) nothing**", "D", 0, 1, 1),
    ("a red car", "C", 0, 1, 1),
    ("a red car", "A", 1, 0, 0),
    ("It is a red car.", "C", 0, 1, 1),
    ("I see nothing", "D", 0, 1, 1),
    ("答案是C", "C", 0, 0, 1),
    ("答案：C。", "C", 0, 0, 1),
    ("故选：D。", "D", 0, 0, 1),
    ("C。", "C", 1, 0, 1),
    ("因此，正确答案是（B）", "B", 0, 0, 1),
    ("The answer is A. Wait, actually it is C.", "C", 0, 0, 1),
    ("The answer is A. Wait, actually it is C.", "A", 1, 0, 0),
    ("I think it's A, no wait, it is B.", "B", 0, 0, 1),
    ("The answer is B, no wait, it is C.", "C", 0, 0, 1),
    ("The answer is B - sorry, it's C.", "C", 0, 0, 1),
    ("A or B", "A", 1, 0, 0),
    ("A or B", "B", 0, 0, 0),
    ("It could be A. It could also be D.", "D", 0, 0, 0),
    ("I'm sorry, but I cannot see the image.", "A", 0, 0, 0),
    ("Cannot determine the answer", "C", 1, 0, 0),
    ("", "A", 0, 0, 0),
    ("   \n ", "A", 0, 0, 0),
    ("<think>It could be B</think>D", "D", 0, 0, 1),
    ("<think>So the answer is B", "B", 0, 1, 0),
    ("Looking at the picture:\n\nC", "C", 0, 1, 1),
    ("Final answer: D\n", "D", 0, 1, 1),
    ("Dog", "D", 1, 0, 0),
    ("E", "A", 0, 0, 0),
    ("The animal is not a dog but a cat.", "A", 0, 0, 1),
]


@pytest.mark.parametrize(("text", "answer", "official", "vlmevalkit", "robust"), GOLDEN)
def test_golden(text: str, answer: str, official: int, vlmevalkit: int, robust: int) -> None:
    scores = [mark(text, scorer, answer).score for scorer in BENCHMARK.scorers]
    assert scores == [official, vlmevalkit, robust]


TRUNCATED = [
    ("Let me see. The picture shows\nA", "A", 0),
    ("The answer is C because the", "C", 1),
    ("B", "B", 1),
    ("First, option B shows", "B", 0),
    ("<think>The answer is B", "B", 0),
]


@pytest.mark.parametrize(("text", "answer", "robust"), TRUNCATED)
def test_a_response_that_was_cut_off(text: str, answer: str, robust: int) -> None:
    assert mark(text, "robust", answer, truncated=True).score == robust


def test_official_prompt_is_the_question_as_it_stands_and_the_authors_instruction() -> None:
    assert BENCHMARK.prompt(item(), "official") == (
        "What is on the mat?\nOptions: A: a cat, B: a dog, C: a red car, D: nothing"
        "\nAnswer with the option's letter from the given choices directly."
    )


VLMEVALKIT_PROMPT = (
    "Question: What is on the mat?\nOptions:\nA. a cat\nB. a dog\nC. a red car\nD. nothing\n"
    "Please select the correct answer from the options above. \n"
)


def test_vlmevalkit_prompt_is_the_same_from_the_hub_and_from_its_own_table() -> None:
    assert BENCHMARK.prompt(item(), "vlmevalkit") == VLMEVALKIT_PROMPT
    table = item(question="What is on the mat?", A="a cat", B="a dog", C="a red car", D="nothing")
    assert BENCHMARK.prompt(table, "vlmevalkit") == VLMEVALKIT_PROMPT
    assert BENCHMARK.prompt(table, "official") == (
        "What is on the mat?\nA. a cat\nB. a dog\nC. a red car\nD. nothing"
        "\nAnswer with the option's letter from the given choices directly."
    )


def test_without_its_question_an_item_keeps_its_options() -> None:
    bare = BENCHMARK.without_question(item())
    assert BENCHMARK.prompt(bare, "official").startswith("Options: A: a cat")
    assert BENCHMARK.prompt(bare, "vlmevalkit") == VLMEVALKIT_PROMPT.replace("What is on the mat?", "")


def test_the_judge_names_an_option() -> None:
    step = BENCHMARK.score(item(answer="A"), Response("It is some feline animal, in my view"), "vlmevalkit")
    assert isinstance(step, Ask)
    assert "A. a cat" in step.prompt
    assert finish(step, lambda _: "A") == Mark(1.0, "A", how="judge")
    assert finish(step, lambda _: "B. a dog") == Mark(0.0, "B", how="judge")
    assert finish(step, lambda _: "Z") == Mark(0.0, "Z", how="judge")


def test_the_judge_is_asked_three_times_and_then_an_option_is_drawn() -> None:
    asked = []

    def answer(ask: Ask) -> str:
        asked.append(ask.seed)
        return "A or B, who knows"

    marks = [
        finish(BENCHMARK.score(item(index=n), Response("hard to say, really"), "vlmevalkit", seed=7), answer)
        for n in range(60)
    ]
    assert asked[:3] == [7, 8, 9]
    assert len(asked) == 180
    assert {one.how for one in marks} == {"random"}
    assert {one.extracted for one in marks} == {"A", "B", "C", "D", "Z"}
    again = finish(BENCHMARK.score(item(index=0), Response("hard to say, really"), "vlmevalkit", seed=7), answer)
    assert again == marks[0]


def test_figures_by_hand() -> None:
    items = [item(index=n, category="math" if n < 2 else "logical reasoning") for n in range(5)]
    scores = [1.0, 0.0, 1.0, 1.0, None]
    scored = [Scored(one, Mark(score)) for one, score in zip(items, scores, strict=True)]
    metrics = BENCHMARK.summarise(scored, "official")
    assert metrics["accuracy"].value == 3 / 4
    assert metrics["category/math"].value == 1 / 2
    assert metrics["category/logical reasoning"].value == 1.0
    assert metrics["accuracy"].n == 4


@pytest.mark.parametrize(
    "changes", [{"answer": "F"}, {"answer": None}, {"question": None}, {"category": 3.5j}, {"image": 3}]
)
def test_a_sick_row_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="MMStar, row 1"):
        BENCHMARK.item(row(**changes), 0)


@pytest.mark.parametrize(
    "text", ["(" * 100_000, "A" * 100_000, "\\boxed{" * 20_000, "A B " * 25_000, "is " * 30_000, "\ud800B\x00"]
)
def test_nothing_raises(text: str) -> None:
    for scorer in BENCHMARK.scorers:
        assert without_judge(BENCHMARK.score(item(), Response(text), scorer)).score in (0.0, 1.0)


def test_an_id_that_no_file_can_hold_still_draws() -> None:
    step = BENCHMARK.score(item(index="\ud800"), Response("hard to say, really"), "vlmevalkit")
    assert finish(step, lambda _: "").how == "random"


def test_made_rows() -> None:
    items = [BENCHMARK.item(one, n) for n, one in enumerate(mmstar())]
    assert [one.columns["options"]["D"] for one in items if one] == ["none"] * 20
