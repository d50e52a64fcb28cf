"""Documents of the miniature: facts about its digits, and a judge that knows those and no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from contextrl.commands.config import RunConfig, parse_config
from contextrl.commands.sources import training_examples
from contextrl.errors import InputError
from contextrl.judge.documents import check_documents
from contextrl.judge.llm.prompts import PromptSet
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.facts import Facts, told_digits, with_facts
from contextrl.miniature.judge_server import judge_text
from contextrl.miniature.labelled import labelled_items
from contextrl.miniature.steps_judge import StepsJudge, reference_digits
from contextrl.miniature.tasks import miniature_examples
from contextrl.records.example import Example
from contextrl.records.verdict import Status

ROWS = miniature_examples("train", 60, voice="foreign")
#: 7 and 1 are shown; 7 is told.
PARITY = Example(
    *("p", "Is the sum of the digits even?", "Digits: 7, 1. Sum: 7 + 1 = 8, even. Answer: yes", "yes", "yes_no"),
    documents=("The picture shows 2 digits.", "The first digit is a 7."),
)


def judged(example: Example, response: str) -> Status:
    return StepsJudge("documents").judge([JudgeRequest(example, response, "documents", wants_report=True)])[0].status


def test_all_facts_are_the_digits_of_the_reference() -> None:
    assert all(told_digits(row.documents) == reference_digits(row.solution) for row in with_facts(ROWS, "all"))
    assert not any(row.documents for row in with_facts(ROWS, "none"))


def test_some_facts_are_right_and_leave_something_out() -> None:
    rows = with_facts(ROWS, "some")
    for row in rows:
        told, truth = told_digits(row.documents), reference_digits(row.solution)
        assert told is not None
        assert truth is not None
        assert len(told) == len(truth)
        assert 0 < sum(digit is None for digit in told) < len(told)
        assert all(said in (None, right) for said, right in zip(told, truth, strict=True))
    # The same rows whatever else is drawn, and only the documents are new.
    assert with_facts(ROWS[7:9], "some") == rows[7:9]
    assert [replace(row, documents=()) for row in rows] == ROWS


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        pytest.param((), None, id="none"),
        pytest.param(("The weather is fine.", "The picture shows 3 digits."), None, id="of-no-digit"),
        pytest.param(("The second digit is a 4.",), (None, 4), id="without-a-count"),
        pytest.param(("It shows 3 digits. The third digit is a 0.",), (None, None, 0), id="in-one-text"),
    ],
)
def test_what_documents_tell(documents: tuple[str, ...], told: tuple[int | None, ...] | None) -> None:
    assert told_digits(documents) == told


@pytest.mark.parametrize(
    ("response", "status"),
    [
        pytest.param("Digits: 7, 1. Sum: 7 + 1 = 8, even. Answer: yes", "correct", id="right"),
        pytest.param("Digits: 1, 1. Sum: 1 + 1 = 2, even. Answer: yes", "incorrect", id="a-told-digit-misread"),
        pytest.param("Digits: 7, 3. Sum: 7 + 3 = 10, even. Answer: yes", "correct", id="another-misread-is-not-seen"),
        pytest.param("Digits: 7, 2. Sum: 7 + 2 = 9, odd. Answer: no", "incorrect", id="but-the-answer-is-known"),
        pytest.param("Digits: 7, 1. Sum: 7 + 1 = 9, even. Answer: yes", "incorrect", id="a-step-that-does-not-follow"),
        pytest.param("Digits: 7, 1, 2. Sum: 7 + 1 + 2 = 10, even. Answer: yes", "incorrect", id="too-many-digits"),
    ],
)
def test_the_step_judge_knows_the_digits_that_it_is_told(response: str, status: Status) -> None:
    assert judged(PARITY, response) == status


def test_with_all_facts_it_judges_as_with_the_solution() -> None:
    items = labelled_items("dev", 120, seed=3)
    examples = with_facts([item.example for item in items], "all")
    pairs = list(zip(examples, [item.response for item in items], strict=True))
    by_solution = StepsJudge().judge([JudgeRequest(one, said, "solution") for one, said in pairs])
    assert [judged(one, said) for one, said in pairs] == [verdict.status for verdict in by_solution]
    assert {verdict.status for verdict in by_solution} == {"correct", "incorrect"}


def test_behind_a_server_it_reads_them_from_its_prompt() -> None:
    for response, right in (("Digits: 7, 3. Sum: 7 + 3 = 10, even. Answer: yes", True), ("Answer: yes", False)):
        request = JudgeRequest(PARITY, response, "documents")
        content = PromptSet.load().messages("verify", request)[1]["content"]
        assert judge_text("".join(part["text"] for part in content))["process_correct"] is right


def test_without_facts_it_is_no_judge() -> None:
    lost = replace(PARITY, documents=("The weather is fine.",))
    assert judged(lost, "Digits: 7, 1. Sum: 7 + 1 = 8, even. Answer: yes") == "unscored"


@pytest.mark.parametrize("facts", ["some", "all"])
def test_the_setting_gives_every_training_row_its_documents(facts: Facts) -> None:
    config = RunConfig(data={"facts": facts, "examples": 5})  # type: ignore[arg-type]
    rows = training_examples(config, vision=True)
    assert list(rows) == with_facts(miniature_examples("train", 5), facts)
    check_documents("documents", rows)


def test_rows_without_documents_are_refused_where_they_are_to_be_shown() -> None:
    for context in ("none", "answer", "solution"):
        check_documents(context, ROWS)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"expected documents in every row.*none in 60 of 61 \(miniature-train-0-0000"):
        check_documents("documents", [PARITY, *ROWS])


def test_facts_are_the_miniatures_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="facts: expected none beside rows of your own, found all"):
        parse_config({"data": {"train": str(tmp_path / "rows.jsonl"), "facts": "all"}})


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        (("The picture shows 2 digits.", "The second digit is a 7."), (None, 7)),
        (("The second digit is a 7.",), (None, 7)),
        (("The first digit is a 3.", "The first digit is a 7."), None),
        (("The picture shows 2 digits.", "The third digit is a 7."), None),
        (("The picture shows 2 digits. The picture shows 3 digits.", "The first digit is a 7."), None),
        (("The picture shows 2 digits.",), None),
        ((), None),
    ],
)
def test_documents_that_contradict_each_other_tell_nothing(
    documents: tuple[str, ...], told: tuple[int | None, ...] | None
) -> None:
    assert told_digits(documents) == told
