"""HR-Bench 8K: cycles, the official yes or no, VLMEvalKit's rule and the robust reading."""

from __future__ import annotations

from typing import Any

import pytest
from made_rows import hrbench8k

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.hrbench import HRBench8K
from contextrl.evaluation.benchmarks.items import Item, Mark, Response, Scored, Scorer
from contextrl.evaluation.benchmarks.steps import NO_JUDGE, Ask, finish, without_judge

BENCHMARK = HRBench8K()
OPTIONS = {"A": "Yellow", "B": "Light blue", "C": "Blue", "D": "5,000"}


def row(**changes: Any) -> dict[str, Any]:
    return {**hrbench8k()[0], "question": "What colour is the flag?", **OPTIONS, **changes}


def item(**changes: Any) -> Item:
    found = BENCHMARK.item(row(**changes), 0)
    assert found is not None
    return found


def mark(text: str, scorer: Scorer, answer: str) -> Mark:
    return without_judge(BENCHMARK.score(item(answer=answer), Response(text), scorer))


#: (response, right letter, vlmevalkit without a judge, robust), worked out from the rules.
GOLDEN = [
    ("C", "C", 1, 1),
    ("C. Blue", "C", 1, 1),
    ("(C)", "C", 1, 1),
    ("**C**", "C", 1, 1),
    ("**C. Blue**", "C", 1, 1),
    ("c", "C", 0, 1),
    ("(c) Blue", "C", 1, 1),
    ("\\boxed{C}", "C", 1, 1),
    ("$\\boxed{\\text{C}}$", "C", 1, 1),
    ("The answer is C.", "C", 1, 1),
    ("The answer is (C) Blue.", "C", 1, 1),
    ("The correct answer is option C, as the flag is blue all over.", "C", 0, 1),
    ("Based on the image, the answer is D", "D", 1, 1),
    ("A flag hangs at the mast. The answer is (C)", "C", 0, 1),
    ("A flag hangs at the mast. The answer is (C)", "A", 0, 0),
    ("Blue", "C", 1, 1),
    ("blue.", "C", 1, 1),
    ("Light blue", "B", 0, 1),
    ("Light blue", "C", 0, 0),
    ("The flag is light blue.", "B", 0, 1),
    ("The flag is blue.", "C", 1, 1),
    ("Yellow", "A", 1, 1),
    ("It is yellow", "A", 1, 1),
    ("5,000", "D", 1, 1),
    ("About 5,000 of them.", "D", 1, 1),
    ("15,000", "D", 1, 0),
    ("The flag is not blue.", "C", 1, 0),
    ("Blue or yellow", "C", 0, 0),
    ("选C", "C", 0, 1),
    ("答案是 C", "C", 1, 1),
    ("答案是B。不对，应该是C。", "C", 0, 1),
    ("First I thought B. Actually, the answer is C.", "C", 0, 1),
    ("The answer is B. No wait, the answer is C.", "C", 0, 1),
    ("The answer is B. No wait, the answer is C.", "B", 0, 0),
    ("B or C", "C", 0, 0),
    ("It might be B, or C.", "B", 0, 0),
    ("I can't process this file.", "A", 0, 0),
    ("I'm sorry, but I can't tell.", "D", 0, 0),
    ("", "A", 0, 0),
    ("F", "A", 0, 0),
    ("<answer>C</answer>", "C", 0, 1),
    ("<think>B?</think>\n\nC", "C", 1, 1),
    ("Z", "C", 0, 0),
    ("Let me zoom in. The flag has a blue field.", "C", 1, 1),
]


@pytest.mark.parametrize(("text", "answer", "vlmevalkit", "robust"), GOLDEN)
def test_golden(text: str, answer: str, vlmevalkit: int, robust: int) -> None:
    assert [mark(text, scorer, answer).score for scorer in ("vlmevalkit", "robust")] == [vlmevalkit, robust]
    assert mark(text, "official", answer) == NO_JUDGE


#: The authors' script reads a reply by how it begins.
VERDICTS = [("Yes", 1), ("yes.", 1), ("YES, it does", 1), ("No", 0), ("no", 0), ("I think yes", 0), ("", 0), ("是", 0)]


@pytest.mark.parametrize(("reply", "score"), VERDICTS)
def test_official_judge_says_yes_or_no(reply: str, score: int) -> None:
    step = BENCHMARK.score(item(answer="C"), Response("It is blue"), "official", seed=3)
    assert isinstance(step, Ask)
    assert finish(step, lambda _: reply) == Mark(score, how="judge")
    assert (step.temperature, step.seed) == (0.2, 3)
    for part in (
        "What colour is the flag?",
        "A. Yellow\nB. Light blue",
        "The correct answer is: C. Blue",
        "It is blue",
    ):
        assert part in step.prompt


def test_both_protocols_ask_alike() -> None:
    asked = (
        "Question: What colour is the flag?\nOptions:\nA. Yellow\nB. Light blue\nC. Blue\nD. 5,000\n"
        "Please select the correct answer from the options above. \n"
    )
    assert BENCHMARK.prompt(item(), "official") == BENCHMARK.prompt(item(), "vlmevalkit") == asked


def test_cycles_by_hand() -> None:
    """Cycle 0: 1/2 of single, 1/1 of cross, 2/3 of all; cycle 1: 1/1, 0/2, 1/3."""
    table = [
        ("0", "single", 1.0),
        ("0", "single", 0.0),
        ("0", "cross", 1.0),
        ("1", "single", 1.0),
        ("1", "cross", 0.0),
        ("1", "cross", 0.0),
        ("1", "cross", None),
    ]
    scored = [
        Scored(item(index=n, cycle_category=cycle, category=category), Mark(score))
        for n, (cycle, category, score) in enumerate(table)
    ]
    metrics = BENCHMARK.summarise(scored, "robust")
    assert metrics["single"].value == pytest.approx((1 / 2 + 1) / 2)
    assert metrics["cross"].value == pytest.approx((1 + 0) / 2)
    assert metrics["overall"].value == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert metrics["overall"].n == 6


def test_the_orders_of_one_question_are_one_cluster() -> None:
    turned = item(index=9, A="Blue", B="5,000", C="Yellow", D="Light blue", cycle_category="1")
    assert turned.cluster == item().cluster
    assert item(question="What colour is the boat?").cluster != item().cluster
    made = [BENCHMARK.item(one, n) for n, one in enumerate(hrbench8k())]
    assert len({one.cluster for one in made if one}) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"answer": "E"},
        {"category": "double"},
        {"A": None, "B": None, "C": None},
        {"image": ""},
        {"cycle_category": None},
    ],
)
def test_a_sick_row_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="HRBench8K, row 1"):
        BENCHMARK.item(row(**changes), 0)
