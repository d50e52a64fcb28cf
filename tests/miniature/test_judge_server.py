"""The miniature's judge as a chat model: the same verdicts as the step judge itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contextrl.judge.llm.prompts import PromptSet, Task
from contextrl.judge.types import JudgeRequest, ReferenceContext
from contextrl.miniature.judge_server import MODEL, answer_chat
from contextrl.miniature.steps_judge import StepsJudge
from contextrl.miniature.tasks import miniature_examples

EXAMPLES = miniature_examples("dev", 12)
RESPONSES = [*(example.solution for example in EXAMPLES), *(EXAMPLES[n - 1].solution for n in range(len(EXAMPLES)))]


def ask(task: Task, request: JudgeRequest, **changes: Any) -> tuple[Any, int]:
    messages = PromptSet.load().messages(task, request, images=["data:image/png;base64,AA=="])
    return answer_chat({"model": MODEL, "messages": messages, "response_format": {}, **changes})


def content(reply: Any) -> str:
    return str(reply["choices"][0]["message"]["content"])


@pytest.mark.parametrize("context", ["none", "answer", "solution"])
def test_verdicts_are_those_of_the_step_judge(context: ReferenceContext) -> None:
    requests = [JudgeRequest(e, text, context) for e, text in zip(EXAMPLES * 2, RESPONSES, strict=True)]
    for request, verdict in zip(requests, StepsJudge(context).judge(requests), strict=True):
        reply, status = ask("verify", request)
        found = json.loads(content(reply))
        assert status == 200
        assert found["process_correct"] is verdict.process_correct
        if context != "none":
            assert found["answer_correct"] is verdict.answer_correct


@pytest.mark.parametrize("disclose", ["location", "hint", "correction", "answer"])
def test_reports_follow_the_level_of_disclosure(disclose: Any) -> None:
    wrong = "Digits: 0. Answer: 99"
    request = JudgeRequest(EXAMPLES[0], wrong, "solution", wants_report=True)
    messages = PromptSet.load().messages("report", request, disclose=disclose)
    reply, _ = answer_chat({"model": MODEL, "messages": messages, "response_format": {}})
    expected = StepsJudge("solution", disclose).judge([request])[0].mistake_report
    assert json.loads(content(reply))["mistake_report"] == expected


def test_retries_are_asked_to_stand_alone() -> None:
    example = EXAMPLES[0]
    for text, standalone in ((example.solution, True), (f"The mistake report says so. {example.solution}", False)):
        reply, _ = ask("retry", JudgeRequest(example, text))
        assert json.loads(content(reply))["standalone"] is standalone


def test_without_a_form_the_verdict_follows_some_prose() -> None:
    messages = PromptSet.load().messages("verify", JudgeRequest(EXAMPLES[0], EXAMPLES[0].solution))
    reply, _ = answer_chat({"model": MODEL, "messages": messages})
    assert content(reply).startswith("I compared")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"model": "gpt"}, 404),
        ({"messages": []}, 400),
        ({"messages": "x"}, 400),
        ({"messages": [{"role": "user"}]}, 400),
    ],
)
def test_what_it_cannot_read_is_an_error(changes: dict[str, Any], status: int) -> None:
    reply, found = ask("verify", JudgeRequest(EXAMPLES[0], "x"), **changes)
    assert found == status
    assert reply["error"]["message"]


def test_a_question_of_another_kind_is_refused() -> None:
    from dataclasses import replace

    request = JudgeRequest(replace(EXAMPLES[0], question="What is shown?"), "x")
    reply, status = ask("verify", request)
    assert status == 400
    assert "What is shown?" in reply["error"]["message"]
