"""We-Math: the four classes strict and loose, the official rule, VLMEvalKit's, and the robust reading."""

from __future__ import annotations

from typing import Any

import pytest
from made_rows import we_math

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.items import Item, Mark, Response, Scored, Scorer
from contextrl.evaluation.benchmarks.metrics import Metrics
from contextrl.evaluation.benchmarks.steps import Ask, finish, without_judge
from contextrl.evaluation.benchmarks.we_math import WeMath

BENCHMARK = WeMath()
OPTION = "A. 12.5 cm²;B. 1,200 cm²; C. 3/4 ;D. 25%; E. No correct answer"


def row(**changes: Any) -> dict[str, Any]:
    return {**we_math()[0], "question": "How large is the area?", "option": OPTION, **changes}


def item(**changes: Any) -> Item:
    found = BENCHMARK.item(row(**changes), 0)
    assert found is not None
    return found


def mark(text: str, scorer: Scorer, answer: str) -> Mark:
    return without_judge(BENCHMARK.score(item(answer=answer), Response(text), scorer))


#: (response, right letter, official, vlmevalkit without a judge, robust), worked out from the rules: official is the
#: first character after the last "Answer" without <>:. ; VLMEvalKit's rule spares <> (so `<<B>>` is no letter to it,
#: and `<<(B)>>` is), and where it reads nothing the official one does.
GOLDEN = [
    ("<Thought process>: <<Base times height.>> <Answer>: <<B>>", "B", 1, 1, 1),
    ("<Thought process>: <<Base times height.>>\n<Answer>: <<B. 1,200 cm²>>", "B", 1, 1, 1),
    ("<Thought process>: <<A is too small.>> <Answer>: <<C>>", "C", 1, 1, 1),
    ("<Thought process>: <<x>> <Answer>: <<(B)>>", "B", 0, 1, 1),
    ("<Thought process>: <<x>> <Answer>: <<**B**>>", "B", 0, 1, 1),
    ("<Thought process>: <<x>> <Answer> <<B>>", "B", 1, 1, 1),
    ("B", "B", 1, 1, 1),
    ("B.", "B", 1, 1, 1),
    ("b", "B", 0, 0, 1),
    ("(B)", "B", 0, 1, 1),
    ("**B**", "B", 0, 1, 1),
    ("B. 1,200 cm²", "B", 1, 1, 1),
    ("Answer: B", "B", 1, 1, 1),
    ("**Answer:** B", "B", 0, 1, 1),
    ("**Answer: B**", "B", 1, 1, 1),
    ("Answer: <<B>>", "B", 1, 1, 1),
    ("The answer is B", "B", 0, 1, 1),
    ("The Answer is B", "B", 0, 1, 1),
    ("The final answer is $\\boxed{B}$.", "B", 0, 1, 1),
    ("\\boxed{\\text{B}}", "B", 0, 1, 1),
    ("Clearly, it is B.", "B", 0, 1, 1),
    ("Clearly, it is B.", "C", 1, 0, 0),
    ("Clearly we need more, I believe that", "C", 1, 1, 0),
    ("Base times height gives 1,200 cm².", "B", 1, 1, 1),
    ("Adding up gives 12.5 cm²", "A", 1, 1, 1),
    ("12.5 cm²", "A", 0, 1, 1),
    ("1,200 cm²", "B", 0, 1, 1),
    ("3/4", "C", 0, 1, 1),
    ("25%", "D", 0, 1, 1),
    ("No correct answer", "E", 0, 1, 1),
    ("\\boxed{3/4}", "C", 0, 1, 1),
    ("Based on the image, the answer is D", "D", 0, 1, 1),
    ("Based on the image, the answer is D", "B", 1, 0, 0),
    ("A square lies there. The answer is (C)", "C", 0, 0, 1),
    ("Answer: A. Wait, actually the answer is C.", "C", 0, 0, 1),
    ("Answer: A\nLet me check again.\nAnswer: C", "C", 1, 1, 1),
    ("Answer: A\nLet me check again.\nAnswer: C", "A", 0, 0, 0),
    ("答案是B", "B", 0, 0, 1),
    ("故选：C。", "C", 0, 0, 1),
    ("A or B", "A", 1, 1, 0),
    ("Answer: A or B", "B", 0, 0, 0),
    ("Answer: H", "B", 0, 0, 0),
    ("I cannot solve this.", "A", 0, 0, 0),
    ("", "A", 0, 0, 0),
    ("<Thought process>: <<It starts with B", "A", 0, 0, 0),
]


@pytest.mark.parametrize(("text", "answer", "official", "vlmevalkit", "robust"), GOLDEN)
def test_golden(text: str, answer: str, official: int, vlmevalkit: int, robust: int) -> None:
    scores = [mark(text, scorer, answer).score for scorer in BENCHMARK.scorers]
    assert scores == [official, vlmevalkit, robust]


def test_official_prompt() -> None:
    assert BENCHMARK.prompt(item(), "official") == (
        "Now, we require you to solve a multiple-choice math question. Please briefly describe your thought process "
        f"and provide the final answer(option).\nQuestion: How large is the area?\nOption: {OPTION}\n"
        "Regarding the format, please answer following the template below, and be sure to include two <> symbols:\n"
        "<Thought process>: <<your thought process>> <Answer>: <<your option>>"
    )


def test_vlmevalkit_prompt_asks_for_no_letter() -> None:
    asked = (
        "Question: How large is the area?\nOptions:\nA. 12.5 cm²\nB. 1,200 cm²\nC. 3/4\nD. 25%\nE. No correct answer\n"
    )
    assert BENCHMARK.prompt(item(), "vlmevalkit") == asked
    columns = {"A": "12.5 cm²", "B": "1,200 cm²", "C": "3/4", "D": "25%", "E": "No correct answer", "F": None}
    assert BENCHMARK.prompt(item(option=None, **columns), "vlmevalkit") == asked


def test_the_judge_knows_seven_options() -> None:
    asked = BENCHMARK.score(item(answer="E"), Response("None of these is right, I would say"), "vlmevalkit")
    assert isinstance(asked, Ask)
    assert "A, B, C, D, E, F or G" in asked.prompt
    assert finish(asked, lambda _: "E") == Mark(1.0, "E", how="judge")


OPTIONS = [
    (OPTION, ["12.5 cm²", "1,200 cm²", "3/4", "25%", "No correct answer"]),
    ("A. 300, 400;B. 400, 300; C. No correct answer", ["300, 400", "400, 300", "No correct answer"]),
    ("A. 3, 5, 4; B. 30, 50, 40.; C. none", ["3, 5, 4", "30, 50, 40.", "none"]),
    ("A.①  ; B. ②  ;C. ③;D. ④;E. ⑤;F. ⑥;G. No", ["①", "②", "③", "④", "⑤", "⑥", "No"]),
    ("A. to shape ;C.; B. up to ;C.  ;C. right to ;C. ;D. none", ["to shape ;C.", "up to ;C.", "right to ;C.", "none"]),
    ("A. ①; ③;B. ②; ③;C. ②", ["①; ③", "②; ③", "②"]),
    ("A. 45° B. 60° ;C. 120°", ["45°", "60°", "120°"]),
    ("A. 10;\nB. 15 cm;\nC. 31.4 cm", ["10", "15 cm", "31.4 cm"]),
]


@pytest.mark.parametrize(("option", "texts"), OPTIONS)
def test_options_of_one_text(option: str, texts: list[str]) -> None:
    assert [*item(option=option).columns["options"].values()] == texts


def problem(name: str, steps: list[int | None], whole: int | None) -> list[Scored]:
    """A composite's parts with their scores."""
    keys = [f"{len(steps)}steps_{part}" for part in [*range(1, len(steps) + 1), "multi"]]
    scores = [None if score is None else float(score) for score in [*steps, whole]]
    return [Scored(item(ID=name, key=key), Mark(score)) for key, score in zip(keys, scores, strict=True)]


#: (steps, composite, class by strict, class by loose), by the authors' definitions.
CLASSES: list[tuple[list[int], int, str, str]] = [
    ([1, 1], 1, "CM", "CM"),
    ([1, 1], 0, "IG", "IG"),
    ([1, 0], 1, "RM", "CM"),
    ([0, 1], 1, "RM", "CM"),
    ([0, 0], 1, "RM", "RM"),
    ([1, 0], 0, "IK", "IK"),
    ([0, 0], 0, "IK", "IK"),
    ([1, 1, 1], 1, "CM", "CM"),
    ([1, 1, 0], 1, "RM", "CM"),
    ([0, 0, 1], 1, "RM", "CM"),
    ([0, 0, 0], 1, "RM", "RM"),
    ([1, 1, 1], 0, "IG", "IG"),
    ([0, 1, 1], 0, "IK", "IK"),
    ([0, 0, 0], 0, "IK", "IK"),
]


@pytest.mark.parametrize(("steps", "whole", "strict", "loose"), CLASSES)
def test_class_of_a_composite(steps: list[int], whole: int, strict: str, loose: str) -> None:
    metrics = BENCHMARK.summarise(problem("p", [*steps], whole), "official")
    for rule, expected in (("strict", strict), ("loose", loose)):
        found = [name for name in ("IK", "IG", "CM", "RM") if metrics[f"{rule}/{name}"].value == 1]
        assert found == [expected]
        assert metrics[rule].value == {"CM": 1.0, "IG": 0.5}.get(expected, 0.0)


def all_classes() -> Metrics:
    scored = [one for n, (steps, whole, _, _) in enumerate(CLASSES) for one in problem(f"p{n}", [*steps], whole)]
    return BENCHMARK.summarise(scored, "official")


def test_figures_by_hand() -> None:
    """Of 14: strict IK 4, IG 2, CM 2, RM 6, so (14 - 2/2 - 6 - 4)/14 = 3/14; loose CM 6, RM 2, so 7/14."""
    figures = {name: metric.value for name, metric in all_classes().items()}
    assert figures == {
        "strict": pytest.approx(3 / 14),
        "loose": pytest.approx(7 / 14),
        "strict/IK": pytest.approx(4 / 14),
        "strict/IG": pytest.approx(2 / 14),
        "strict/CM": pytest.approx(2 / 14),
        "strict/RM": pytest.approx(6 / 8),
        "loose/IK": pytest.approx(4 / 14),
        "loose/IG": pytest.approx(2 / 14),
        "loose/CM": pytest.approx(6 / 14),
        "loose/RM": pytest.approx(2 / 8),
        # Two steps: 2+2+1+1+0+1+0 of 14; three: 3+2+1+0+3+2+0 of 21.
        "one_step": pytest.approx((7 + 11) / 35),
        "two_step": pytest.approx(4 / 7),
        "three_step": pytest.approx(4 / 7),
    }


def test_a_composite_with_a_part_that_nobody_scored_is_left_out() -> None:
    scored = problem("p0", [1, 1], 1) + problem("p1", [1, None], 0) + problem("p2", [1, 1, 1], None)
    metrics = BENCHMARK.summarise([*scored, *problem("p3", [1, 0], 0)[:2]], "official")
    assert metrics["strict"].value == 1.0
    assert metrics["strict"].n == 1


def test_two_and_three_steps_of_one_number_are_two_problems() -> None:
    metrics = BENCHMARK.summarise(problem("7", [1, 1], 1) + problem("7", [1, 1, 1], 0), "official")
    assert metrics["strict"].value == pytest.approx((1 + 0.5) / 2)


def test_made_rows_are_six_composites() -> None:
    items = [one for n, made in enumerate(we_math()) if (one := BENCHMARK.item(made, n))]
    metrics = BENCHMARK.summarise([Scored(one, Mark(1.0)) for one in items], "robust")
    assert metrics["strict"].n == 6
    assert len({one.id for one in items}) == len(items)


SICK: list[dict[str, Any]] = [
    {"key": "2steps_3"},
    {"key": "4steps_1"},
    {"ID": None},
    {"option": "12 or 13"},
    {"option": None},
    {"answer": "F"},
    {"image_path": 7},
]


@pytest.mark.parametrize("changes", SICK)
def test_a_sick_row_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="We-Math, row 1"):
        BENCHMARK.item(row(**changes), 0)
