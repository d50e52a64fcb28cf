"""Labelled responses of the miniature: what they say, read independently of how they were written."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from contextrl.answers import check_answer
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.digits import SPLITS, digit_label
from contextrl.miniature.labelled import LabelledResponse, labelled_items
from contextrl.miniature.steps_judge import StepsJudge
from contextrl.records.verdict import ReferenceContext

ITEMS = labelled_items("test", 1000)


def read_digits(text: str) -> tuple[int, ...]:
    """The digits that a response says it sees."""
    match = re.search(r"(?:Digits: |shows |I find )(\d(?:(?:, | and )\d)*)", text)
    assert match, text
    return tuple(map(int, re.findall(r"\d", match[1])))


@pytest.mark.parametrize("item", ITEMS[:200], ids=lambda item: item.example.id)
def test_the_label_is_what_the_response_says(item: LabelledResponse) -> None:
    shown = tuple(digit_label(image) for image in item.problem.images)
    assert shown == item.problem.digits
    right_answer = check_answer(item.response, item.example.answer, item.example.answer_type)
    assert right_answer is (item.label != "wrong_answer")
    if item.case == "right":
        assert (item.label, read_digits(item.response)) == ("true_positive", shown)
    elif item.case == "misread":
        assert read_digits(item.response) != shown
    elif item.case == "wrong_step":
        assert read_digits(item.response) == shown
    else:  # the steps lead to another answer than the one that is given
        assert (read_digits(item.response) == shown) is (item.label == "wrong_answer")


def test_classes_are_balanced_and_made_in_every_way() -> None:
    assert Counter(item.label for item in ITEMS) == {"true_positive": 400, "false_positive": 400, "wrong_answer": 200}
    ways = Counter((item.label, item.case) for item in ITEMS if item.label != "true_positive")
    assert len(ways) == 6
    assert min(ways.values()) >= 20
    kinds = Counter((item.problem.kind, item.label) for item in ITEMS)
    assert len(kinds) == 18, "every kind of question in every class"
    first = Counter(item.label for item in ITEMS[:100])
    assert min(first.values()) > 5, "the order is mixed"


def test_both_voices_write_responses_and_references() -> None:
    for texts in ([item.response for item in ITEMS], [item.example.solution for item in ITEMS]):
        own = sum(text.startswith("Digits: ") for text in texts)
        assert 400 < own < 600


def test_the_same_arguments_give_the_same_items_on_the_splits_images() -> None:
    first, again = labelled_items("dev", 50, seed=3), labelled_items("dev", 50, seed=3)
    assert [(i.example.id, i.response, i.label) for i in first] == [(i.example.id, i.response, i.label) for i in again]
    assert [i.response for i in first] != [i.response for i in labelled_items("dev", 50, seed=4)]
    assert {image for item in first for image in item.problem.images} <= set(SPLITS["dev"])
    assert len({item.example.id for item in first}) == 50


@pytest.mark.parametrize(
    ("context", "missed"),
    [
        pytest.param("solution", set(), id="solution"),
        # A misreading that leads to the right answer can be told by nobody who neither knows the digits nor looks.
        pytest.param("answer", {("false_positive", "misread")}, id="answer"),
        pytest.param("none", {("false_positive", "misread"), ("wrong_answer", "misread")}, id="none"),
    ],
)
def test_the_step_judge_errs_only_where_its_context_ends(context: ReferenceContext, missed: set[object]) -> None:
    requests = [JudgeRequest(item.example, item.response, context) for item in ITEMS]
    verdicts = StepsJudge(context).judge(requests)
    wrong = {
        (item.label, item.case)
        for item, verdict in zip(ITEMS, verdicts, strict=True)
        if (verdict.status == "correct") is not (item.label == "true_positive")
    }
    assert wrong == missed
