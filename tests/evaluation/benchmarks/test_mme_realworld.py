"""MME-RealWorld-Lite: the first capital letter, VLMEvalKit's tags, and the robust reading."""

from __future__ import annotations

from typing import Any

import pytest
from made_rows import mme_realworld

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.items import Item, Mark, Response, Scored, Scorer
from contextrl.evaluation.benchmarks.mme_realworld import MMERealWorldLite
from contextrl.evaluation.benchmarks.steps import Ask, without_judge

BENCHMARK = MMERealWorldLite()
CHOICES = ["(A) stop", "(B) go", "(C) wait here", "(D) turn", "(E) The image does not feature the sign."]


def row(**changes: Any) -> dict[str, Any]:
    return {**mme_realworld()[0], "multi-choice options": CHOICES, **changes}


def item(**changes: Any) -> Item:
    found = BENCHMARK.item(row(**changes), 0)
    assert found is not None
    return found


def mark(text: str, scorer: Scorer, answer: str) -> Mark:
    step = BENCHMARK.score(item(answer=answer), Response(text), scorer)
    assert not isinstance(step, Ask)
    return without_judge(step)


#: (response, what official reads, what vlmevalkit reads, what robust reads), worked out from the rules: the first
#: capital A to E that is left when the prefixes are gone; else the first option that the text is a part of, `official`
#: in the options' texts, `vlmevalkit` in "(A)" ... "(E)".
GOLDEN = [
    ("D", "D", "D", "D"),
    ("(D)", "D", "D", "D"),
    ("D.", "D", "D", "D"),
    ("**D**", "D", "D", "D"),
    ("(D) turn", "D", "D", "D"),
    ("\\boxed{D}", "D", "D", "D"),
    ("The best answer is: D", "D", "D", "D"),
    ("The answer is D", "D", "D", "D"),
    ("The correct answer is (D) turn.", "D", "D", "D"),
    ("The best option is D", "D", "D", "D"),
    ("The correct option is D", "D", "D", "D"),
    ("Best answer: D", "B", "D", "D"),
    ("Best option: D", "B", "D", "D"),
    ("Answer: D", "A", "A", "D"),
    ("Option D", "D", "D", "D"),
    ("Based on the image, the answer is D", "B", "B", "D"),
    ("A cat sits below the sign. The answer is (C)", "A", "A", "C"),
    ("Certainly, it is D.", "C", "C", "D"),
    ("Each sign differs. I choose D.", "E", "E", "D"),
    ("The image shows a sign. So D.", "D", "D", "D"),
    ("<answer>D</answer>", "D", "D", "D"),
    ("Because of the arrow. <answer>D</answer>", "B", "D", "D"),
    ("<answer>d</answer>", None, "D", "D"),
    ("<answer>D</answer> or <answer>E</answer>", "D", "D", "E"),
    ("</answer>E<answer>D", "E", "E", "D"),
    ("<answer>E<answer>D</answer>", "E", "E", "D"),
    ("<answer>" * 12_000, None, None, None),
    ("<answer>turn</answer>", None, None, "D"),
    ("<answer>stop</answer>", None, None, "A"),
    ("d", "D", "D", "D"),
    ("e", "C", "E", "E"),
    ("turn", "D", None, "D"),
    ("stop", "A", None, "A"),
    ("go", "B", None, "B"),
    ("It is a stop sign", None, None, "A"),
    ("wait here", "C", None, "C"),
    ("The image does not feature the sign.", "E", None, "E"),
    ("", "A", "A", None),
    (" \n", "A", "A", None),
    ("The answer is", "A", "A", None),
    ("i cannot read what is written on it from so far away", None, None, None),
    ("Sorry, it is too small.", None, None, None),
    ("I'm sorry, but I Cannot tell.", "C", "C", None),
    ("A or D", "A", "A", None),
    ("A, C and D", "A", "A", None),
    ("The answer is A. Wait, actually it is D.", "A", "A", "D"),
    ("I first thought of C, no wait, it is D.", "C", "C", "D"),
    ("答案是D", "D", "D", "D"),
    ("选D。", "D", "D", "D"),
    ("Ｄ", None, None, "D"),
    ("<think>A?</think>D", "A", "A", "D"),
    ("<think>It may be A", "A", "A", None),
    ("F", "E", None, None),
]


@pytest.mark.parametrize(("text", "official", "vlmevalkit", "robust"), GOLDEN)
@pytest.mark.parametrize("answer", ["A", "B", "C", "D", "E"])
def test_golden(text: str, official: str | None, vlmevalkit: str | None, robust: str | None, answer: str) -> None:
    read = {"official": official, "vlmevalkit": vlmevalkit, "robust": robust}
    assert {scorer: mark(text, scorer, answer).score for scorer in BENCHMARK.scorers} == {
        scorer: float(letter == answer) for scorer, letter in read.items()
    }


def test_prompts() -> None:
    request = (
        "Select the best answer to the above multiple-choice question based on the image. "
        "Respond with only the letter (A, B, C, D, or E) of the correct option."
    )
    listed = "(A) stop\n(B) go\n(C) wait here\n(D) turn\n(E) The image does not feature the sign.\n"
    assert BENCHMARK.prompt(item(), "official") == (
        f"What does the sign say? The choices are listed below: \n{listed}{request}\nThe best answer is:"
    )
    assert BENCHMARK.prompt(item(), "vlmevalkit") == (
        f"What does the sign say? The choices are listed below:\n{listed}{request} \nThe best answer is:"
    )


FORMS: list[Any] = [
    CHOICES,
    str(CHOICES),
    "The choices are listed below:\n" + "\n".join(CHOICES),
    "\n".join(CHOICES),
]


@pytest.mark.parametrize("form", FORMS, ids=["list", "python list", "table", "lines"])
def test_options_in_every_form(form: Any) -> None:
    assert item(**{"multi-choice options": form}).columns["choices"] == CHOICES


def test_a_table_without_the_list_has_columns() -> None:
    columns = {choice[1]: choice[4:] for choice in CHOICES}
    assert item(**{"multi-choice options": None, **columns}).columns["choices"] == CHOICES


SICK: list[dict[str, Any]] = [
    {"multi-choice options": "[" * 10_000},
    {"multi-choice options": ["stop", "go"]},
    {"multi-choice options": "__import__('os')"},
    {"multi-choice options": None},
    {"answer": "F"},
    {"category": "Other/OCR"},
    {"bytes": None},
    {"question": None},
]


@pytest.mark.parametrize("changes", SICK)
def test_a_sick_row_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="MME-RealWorld-Lite, row 1"):
        BENCHMARK.item(row(**changes), 0)


def test_figures_by_hand() -> None:
    """Perception 2 of 3 (OCR 1 of 2, monitoring 1 of 1), reasoning 0 of 1, one not scored: 2 of 4 in all."""
    table = [
        ("Perception/OCR with Complex Context", 1.0),
        ("Perception/OCR with Complex Context", 0.0),
        ("Perception/Monitoring", 1.0),
        ("Reasoning/Monitoring", 0.0),
        ("Reasoning/Monitoring", None),
    ]
    scored = [Scored(item(index=str(n), category=category), Mark(score)) for n, (category, score) in enumerate(table)]
    figures = {name: metric.value for name, metric in BENCHMARK.summarise(scored, "official").items()}
    assert figures == {
        "perception": pytest.approx(2 / 3),
        "reasoning": 0.0,
        "accuracy": 0.5,
        "perception/OCR with Complex Context": 0.5,
        "perception/Monitoring": 1.0,
        "reasoning/Monitoring": 0.0,
    }
