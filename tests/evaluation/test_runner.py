"""The figures of an evaluation from its verdicts, against arithmetic by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from contextrl.data.images import image_key
from contextrl.evaluation.runner import images_of, summarise
from contextrl.records.evaluation import Evaluation, Part
from contextrl.records.example import Example
from contextrl.records.verdict import Verdict, unscored

#: Half a 95 % interval in standard errors.
Z = 1.96
GOOD = Verdict("correct", answer_correct=True, process_correct=True)
#: Right answer, wrong process.
FALSE_POSITIVE = Verdict("incorrect", answer_correct=True, process_correct=False)
BAD = Verdict("incorrect", answer_correct=False, process_correct=False)
#: Of judges that compare answers only.
RIGHT_ANSWER = Verdict("correct", answer_correct=True)
WRONG_ANSWER = Verdict("incorrect", answer_correct=False)
FAILED = unscored("timeout", "after 600 s")


def items(count: int, *, per_image: int = 1) -> list[Example]:
    """Questions, `per_image` of which are about the same image."""
    return [Example(f"q{n}", "How many?", "Two.", "two", image_ids=[f"image{n // per_image}"]) for n in range(count)]


def summary(verdicts: Sequence[Verdict], *, per_image: int = 1) -> Evaluation:
    return summarise(items(len(verdicts), per_image=per_image), verdicts)


def accuracies(verdicts: Sequence[Verdict]) -> tuple[float, float | None]:
    found = summary(verdicts)
    return found.answer_accuracy, found.process_accuracy


def half_width(interval: tuple[float, float] | None) -> float:
    assert interval is not None
    return (interval[1] - interval[0]) / 2


@pytest.mark.parametrize(
    ("verdicts", "answer", "process"),
    [
        # 3 of 4 answers right, 1 of them with a wrong process: 3/4 and 2/4.
        pytest.param([GOOD, GOOD, FALSE_POSITIVE, BAD], 3 / 4, 2 / 4, id="mixed"),
        pytest.param([FALSE_POSITIVE] * 3, 1.0, 0.0, id="right-answers-wrong-processes"),
        # A good process that ends in a wrong answer is no success: 1/2 and 1/2.
        pytest.param([GOOD, replace(BAD, process_correct=True)], 1 / 2, 1 / 2, id="wrong-answer-right-process"),
        # Where only right answers are looked at, wrong ones stay in the denominator: 2/3 and 1/3.
        pytest.param([GOOD, FALSE_POSITIVE, WRONG_ANSWER], 2 / 3, 1 / 3, id="nobody-looked-at-the-wrong-answer"),
        # What nobody looked at is no success either: 2/2 and 1/2.
        pytest.param([GOOD, RIGHT_ANSWER], 1.0, 1 / 2, id="nobody-looked-at-a-right-answer"),
        # An answer that nobody compared is not right: 1/2 and 1/2.
        pytest.param([GOOD, Verdict("incorrect", process_correct=True)], 1 / 2, 1 / 2, id="answer-unknown"),
    ],
)
def test_accuracies(verdicts: list[Verdict], answer: float, process: float) -> None:
    assert accuracies(verdicts) == pytest.approx((answer, process))


def test_process_is_none_where_nobody_looked() -> None:
    found = summary([RIGHT_ANSWER, RIGHT_ANSWER, WRONG_ANSWER])
    assert found.answer_accuracy == pytest.approx(2 / 3)
    assert (found.process_accuracy, found.process_accuracy_ci95) == (None, None)


def test_unscored_items_are_counted_apart_and_in_no_mean() -> None:
    # Of 6 items 2 failed; 3 of the other 4 answers are right and 2 processes.
    found = summary([GOOD, FAILED, GOOD, FALSE_POSITIVE, BAD, FAILED])
    assert (found.n, found.unscored) == (4, 2)
    assert (found.answer_accuracy, found.process_accuracy) == pytest.approx((3 / 4, 2 / 4))


def test_a_failed_judges_half_opinion_does_not_count() -> None:
    half = replace(FAILED, answer_correct=True, process_correct=True)
    found = summary([RIGHT_ANSWER, WRONG_ANSWER, half])
    assert (found.answer_accuracy, found.n, found.unscored) == (1 / 2, 2, 1)
    assert found.process_accuracy is None, "the only look at a process is that of a judge that failed"


def test_intervals_leave_unscored_items_out() -> None:
    """The images of failed items are not resampled: the interval is that of the others alone."""
    verdicts = [GOOD, FALSE_POSITIVE, BAD, GOOD] * 5
    alone = summary(verdicts)
    among_failures = summary([each for verdict in verdicts for each in (verdict, FAILED)])
    assert (among_failures.n, among_failures.unscored) == (20, 20)
    assert replace(among_failures, unscored=0) == alone


def test_each_accuracy_has_its_own_interval() -> None:
    # 80 % of 400 answers and 50 % of the processes: 1.96 sqrt(0.8 · 0.2 / 400) = 0.0392 and 1.96 sqrt(0.25 / 400) =
    # 0.049 on either side.
    found = summary([GOOD] * 200 + [FALSE_POSITIVE] * 120 + [BAD] * 80)
    assert found.answer_accuracy_ci95 == pytest.approx((0.8 - 0.0392, 0.8 + 0.0392), abs=0.006)
    assert found.process_accuracy_ci95 == pytest.approx((0.5 - 0.049, 0.5 + 0.049), abs=0.006)


def test_items_say_which_images_they_are_about() -> None:
    """Pages pair the items of two evaluations and resample them by image."""
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    example = Example("q", "How many?", "Two.", "two", images=[red, blue])
    assert images_of(example) == [image_key(red), image_key(blue)]
    assert images_of(replace(example, image_ids=["a", "b"])) == ["a", "b"], "the data's own names come first"
    assert images_of(replace(example, images=[])) == []


def test_shared_images_change_the_interval_and_not_the_mean() -> None:
    # Four equal verdicts about each of 100 images: 100 independent values, not 400, so sqrt(4) = 2 times the width.
    verdicts = [GOOD] * 200 + [BAD] * 200
    apart, shared = summary(verdicts), summary(verdicts, per_image=4)
    assert (shared.answer_accuracy, shared.process_accuracy) == (apart.answer_accuracy, apart.process_accuracy)
    assert half_width(apart.answer_accuracy_ci95) == pytest.approx(Z * math.sqrt(0.25 / 400), rel=0.1)
    assert half_width(shared.answer_accuracy_ci95) == pytest.approx(Z * math.sqrt(0.25 / 100), rel=0.1)
    assert half_width(shared.process_accuracy_ci95) == pytest.approx(
        2 * half_width(apart.process_accuracy_ci95), rel=0.1
    )


def test_images_without_names_are_told_apart_by_their_pictures() -> None:
    """Items that show equal pictures share an image, wherever the pictures come from."""
    verdicts = [GOOD] * 12 + [BAD] * 12
    named = items(24, per_image=2)
    shown = [
        replace(item, image_ids=(), images=[Image.new("RGB", (4, 4), (10 * (n // 2), 0, 0))])
        for n, item in enumerate(named)
    ]
    assert summarise(shown, verdicts) == summarise(named, verdicts)
    assert summarise(shown, verdicts) != summarise(items(24), verdicts)


def test_names_of_images_go_before_their_pictures() -> None:
    """Frames of one scene differ in their pixels and are one image to the bootstrap."""
    verdicts = [GOOD] * 12 + [BAD] * 12
    named = items(24, per_image=2)
    shown = [replace(item, images=[Image.new("RGB", (4, 4), (n, 0, 0))]) for n, item in enumerate(named)]
    assert summarise(shown, verdicts) == summarise(named, verdicts)


@pytest.mark.parametrize("count", [pytest.param(3, id="all-unscored"), pytest.param(0, id="no-items")])
def test_nothing_scored_is_nan_and_not_zero(count: int) -> None:
    found = summary([FAILED] * count)
    assert (found.n, found.unscored) == (0, count)
    assert all(math.isnan(value) for value in (found.answer_accuracy, *found.answer_accuracy_ci95))
    assert (found.process_accuracy, found.process_accuracy_ci95) == (None, None)


def test_one_verdict_per_item_is_demanded() -> None:
    with pytest.raises(ValueError, match="zip"):
        summarise(items(2), [GOOD])


def test_json_is_rounded_to_four_digits() -> None:
    found = Evaluation(2 / 3, (0.12344, 0.98766), 1 / 3, (0.0, 1.0), n=3, unscored=1)
    assert found.as_json() == {
        "answer_accuracy": 0.6667,
        "answer_accuracy_ci95": [0.1234, 0.9877],
        "process_accuracy": 0.3333,
        "process_accuracy_ci95": [0.0, 1.0],
        "n": 3,
        "unscored": 1,
        "by_source": {},
    }


def test_json_has_null_for_what_cannot_be_said() -> None:
    written = json.dumps(summary([FAILED, FAILED]).as_json(), allow_nan=False)
    assert json.loads(written) == {
        "answer_accuracy": None,
        "answer_accuracy_ci95": [None, None],
        "process_accuracy": None,
        "process_accuracy_ci95": None,
        "n": 0,
        "unscored": 2,
        "by_source": {},
    }


def test_sources_have_figures_of_their_own() -> None:
    sources = ["a", "b", "a", "a", "c"]
    rows = [replace(item, source=source) for item, source in zip(items(5), sources, strict=True)]
    found = summarise(rows, [GOOD, BAD, BAD, GOOD, FAILED]).by_source
    assert found == {"a": Part(3, pytest.approx(2 / 3), pytest.approx(2 / 3)), "b": Part(1, 0.0, 0.0)}
    answers = summarise(rows[:2], [RIGHT_ANSWER, WRONG_ANSWER]).by_source
    assert answers == {"a": Part(1, 1.0, None), "b": Part(1, 0.0, None)}, "nobody looked at the process"


@pytest.mark.parametrize(
    "verdicts",
    [pytest.param([GOOD, BAD, FAILED], id="process"), pytest.param([RIGHT_ANSWER, WRONG_ANSWER], id="answers-only")],
)
def test_json_round_trip(verdicts: list[Verdict]) -> None:
    # Accuracies and bounds are multiples of 1/2, which four digits hold exactly.
    found = summary(verdicts)
    row: dict[str, Any] = json.loads(json.dumps(found.as_json()))
    assert Evaluation.from_json(row) == found
