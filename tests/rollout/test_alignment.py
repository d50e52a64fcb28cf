"""Where a step begins in a text and among tokens, and which step a report names."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from contextrl.judge.disclosure import step_of
from contextrl.policy.prompts import Prompts
from contextrl.records.example import Example
from contextrl.records.verdict import Verdict
from contextrl.rollout.alignment import step_start, tokens_before
from contextrl.rollout.groups import Attempt, Completion, Group

SENTENCES = "Digits: 4, 8. Sum: 4 + 8 = 12. Answer: 12"


@pytest.mark.parametrize(
    ("text", "step", "rest"),
    [
        pytest.param(SENTENCES, 1, SENTENCES, id="first-sentence"),
        pytest.param(SENTENCES, 2, "Sum: 4 + 8 = 12. Answer: 12", id="second-sentence"),
        pytest.param(SENTENCES, 3, "Answer: 12", id="last-sentence"),
        pytest.param(SENTENCES, 4, None, id="fewer-sentences"),
        pytest.param("It is 3.5 cm. So 7.", 2, "So 7.", id="no-stop-within-a-number"),
        pytest.param("读数是四。和是十二。", 2, "和是十二。", id="chinese"),
        pytest.param("Read 4. And 8.\n\nThe sum is 12.", 2, "The sum is 12.", id="lines-before-sentences"),
        pytest.param("Let us see.\nStep 1: Read 4.\nIt is 4.\nStep 2: Add.", 2, "Step 2: Add.", id="own-numbers"),
        pytest.param("1. Read 4. It is.\n2. Add 8.\n3. Say 12.", 3, "3. Say 12.", id="numbered-list"),
        pytest.param("Step 1: Read.\nStep 2: Add.", 3, None, id="fewer-numbers"),
        pytest.param("12. is the sum.\nYes.", 2, "Yes.", id="a-number-that-numbers-nothing"),
        pytest.param("", 1, None, id="empty"),
        pytest.param(SENTENCES, 0, None, id="none"),
    ],
)
def test_where_a_step_begins(text: str, step: int, rest: str | None) -> None:
    place = step_start(text, step)
    assert (None if place is None else text[place:]) == rest


def decode(ids: Sequence[int]) -> str:
    """Tokens of 2, 3 and 5 letters, and one that is not shown."""
    return "".join({0: "", 2: "ab", 3: "cde", 5: "fghij"}[token] for token in ids)


@pytest.mark.parametrize(
    ("place", "count"), [(0, 0), (1, 0), (2, 1), (4, 1), (5, 3), (9, 3)], ids=lambda value: str(value)
)
def test_the_token_that_a_step_begins_in_is_trained(place: int, count: int) -> None:
    # ab | cde | (nothing) | fghij | (end): character 5 is the f; what shows nothing before it ends before it.
    assert tokens_before([2, 3, 0, 5, 0], place, decode) == count


@pytest.mark.parametrize(
    ("report", "step"),
    [
        ("Mistake: step 2 is wrong.", 2),
        ("The second step adds wrongly.", 2),
        ("In step three the sum is off; step 1 is right.", 3),
        ("Line 2 is wrong.", None),
        ("Mistake: digit 2 is misread.", None),
        ("", None),
    ],
)
def test_which_step_a_report_names(report: str, step: int | None) -> None:
    assert step_of(report) == step


def group_of(report: str | None, step: int | None, retry_text: str) -> tuple[Group, Attempt]:
    verdict = Verdict("incorrect", False, False, True, mistake_report=report, mistake_step=step)
    failed = Attempt(Completion((2,), "ab", truncated=False), verdict=verdict)
    ids = tuple(map(ord, retry_text))
    retry = Attempt(Completion(ids, retry_text, truncated=False), stage=2, parent=0, round=1)
    example = Example("sum", "What is 4 + 8?", "4 + 8 = 12. Answer: 12", "12", "number")
    return Group(example, 0, Prompts([[1]]), [failed], retries=[retry]), retry


@pytest.mark.parametrize(
    ("report", "step", "before"),
    [
        pytest.param("Mistake: the result does not follow.", 2, "Digits: 4, 8. ", id="named-beside-the-report"),
        pytest.param("Mistake: step 3 is wrong.", None, "Digits: 4, 8. Sum: 4 + 8 = 12. ", id="in-its-words"),
        pytest.param("Mistake: step 3 is wrong.", 1, "", id="beside-it-counts"),
        pytest.param("Mistake: digit 2 is misread.", None, None, id="none"),
        pytest.param("Mistake: step 7 is wrong.", None, None, id="a-step-that-the-retry-has-not"),
        pytest.param(None, None, None, id="no-report"),
    ],
)
def test_a_retry_is_aligned_to_the_step_that_its_report_names(
    report: str | None, step: int | None, before: str | None
) -> None:
    group, retry = group_of(report, step, SENTENCES)
    assert group.wrong_step(retry) == (None if before is None else len(before))
    assert group.before_wrong_step(retry, lambda ids: "".join(map(chr, ids))) == len(before or "")
