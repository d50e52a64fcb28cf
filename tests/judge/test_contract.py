"""What a judge of your own must be and return, and what it is told where it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from contextrl.errors import ServiceError
from contextrl.judge.contract import JudgeContractError, check_judge_object
from contextrl.judge.gate import GatedJudge
from contextrl.judge.protocol import JudgeRequest, ask, check_judge, close_judge, stream_verdicts
from contextrl.judge.rules import RulesJudge
from contextrl.records.example import Example
from contextrl.records.verdict import Verdict, unscored

EXAMPLE = Example("sum", "4 + 8?", "4 + 8 = 12. Answer: 12", "12", "number")
REQUESTS = [JudgeRequest(EXAMPLE, "Answer: 12"), JudgeRequest(EXAMPLE, "Answer: 13")]
RIGHT = Verdict("correct", answer_correct=True, process_correct=True)


class Own:
    """A judge that returns whatever it is told to."""

    name = "own"
    context = "solution"

    def __init__(self, returned: Any) -> None:
        self.returned = returned

    def judge(self, requests: Sequence[JudgeRequest]) -> Any:
        return self.returned


class OwnAsync(Own):
    """The same, asynchronously."""

    async def judge(self, requests: Sequence[JudgeRequest]) -> Any:
        await asyncio.sleep(0)
        return self.returned


GOOD = [
    pytest.param([RIGHT, unscored("timeout", "no reply")], id="a-list"),
    pytest.param((RIGHT, Verdict("incorrect")), id="a-tuple"),
    pytest.param([RIGHT, Verdict("incorrect", answer_correct=True, process_correct=False)], id="a-false-positive"),
    pytest.param([Verdict("unscored", error="my own reason"), RIGHT], id="an-error-of-a-kind-of-its-own"),
]
BAD = [
    pytest.param(None, "found None", id="none"),
    pytest.param(RIGHT, "found a Verdict", id="one-verdict"),
    pytest.param({0: RIGHT, 1: RIGHT}, "found a dict", id="a-mapping"),
    pytest.param((RIGHT for _ in REQUESTS), "found a generator", id="a-generator"),
    pytest.param("correct", "the str 'correct'", id="text"),
    pytest.param([], "found 0 for 2 requests", id="none-of-two"),
    pytest.param([RIGHT], "found 1 for 2 requests", id="one-of-two"),
    pytest.param([RIGHT] * 3, "found 3 for 2 requests", id="three-of-two"),
    pytest.param([RIGHT, 0.0], "verdict 2 of 2: expected a contextrl.Verdict, found the float 0.0", id="a-number"),
    pytest.param([True, RIGHT], "verdict 1 of 2: .*found the bool True", id="a-truth-value"),
    pytest.param([RIGHT, None], "verdict 2 of 2: .*found None", id="a-hole"),
    pytest.param([RIGHT, {"status": "correct"}], "found a dict", id="a-verdict-as-a-mapping"),
    pytest.param(
        [RIGHT, Verdict("Correct")], "status correct, incorrect, unscored, found the str 'Correct'", id="case"
    ),
    pytest.param([RIGHT, Verdict(1)], "found the int 1", id="status-a-number"),
    pytest.param([RIGHT, Verdict(["correct"])], "found a list", id="status-a-list"),
    # `is True` of it is False: it would count as a wrong answer without a word.
    pytest.param([Verdict("correct", answer_correct=np.True_), RIGHT], "answer_correct: .*found a", id="a-numpy-bool"),
    pytest.param(
        [Verdict("incorrect", process_correct=0), RIGHT], "process_correct: .*the int 0", id="a-number-as-flag"
    ),
    pytest.param([Verdict("incorrect", mistake_report=["Step 1"]), RIGHT], "mistake_report: .*a list", id="report"),
    pytest.param([Verdict("unscored", error=ValueError("x")), RIGHT], "error: text", id="an-exception-as-error"),
    pytest.param([Verdict("incorrect", usage=3), RIGHT], "usage: .*the int 3", id="usage"),
    pytest.param(
        [Verdict("correct", answer_correct=False), RIGHT], "correct with answer_correct=False", id="not-right"
    ),
    pytest.param([Verdict("correct", True, False), RIGHT], "correct with process_correct=False", id="wrong-process"),
]


@pytest.mark.parametrize("kind", [Own, OwnAsync])
@pytest.mark.parametrize("returned", GOOD)
def test_verdicts_come_back_as_a_list(returned: Any, kind: type[Own]) -> None:
    assert ask(kind(returned), REQUESTS) == list(returned)


@pytest.mark.parametrize("kind", [Own, OwnAsync])
@pytest.mark.parametrize(("returned", "message"), BAD)
def test_anything_else_is_refused_with_what_was_found(returned: Any, message: str, kind: type[Own]) -> None:
    with pytest.raises(JudgeContractError, match=rf"{kind.__name__}\.judge.*{message}"):
        ask(kind(returned), REQUESTS)


def test_an_asynchronous_judge_keeps_its_loop_and_works_inside_another() -> None:
    """A client that was opened in one loop cannot be used in another; a notebook has one that runs already."""
    loops = []

    class Client(Own):
        async def judge(self, requests: Sequence[JudgeRequest]) -> Any:
            loops.append(asyncio.get_running_loop())
            return [RIGHT] * len(requests)

    async def notebook() -> list[Verdict]:
        return ask(Client(None), REQUESTS)

    assert ask(Client(None), REQUESTS) == asyncio.run(notebook()) == [RIGHT, RIGHT]
    assert loops[0] is loops[1]


class Raising(Own):
    """Lets an exception through."""

    def judge(self, requests: Sequence[JudgeRequest]) -> Any:
        raise self.returned


def test_an_exception_names_its_kind_and_its_line() -> None:
    with pytest.raises(JudgeContractError, match=r"KeyError: 'total' \(test_contract\.py, line \d+\).*unscored") as one:
        ask(Raising(KeyError("total")), REQUESTS)
    assert isinstance(one.value.__cause__, KeyError)


def test_a_judge_that_is_gone_says_so_itself() -> None:
    with pytest.raises(ServiceError, match="the server is down"):
        ask(Raising(ServiceError("the server is down")), REQUESTS)


def test_streaming_and_the_gate_check_and_await_too() -> None:
    assert list(stream_verdicts(OwnAsync([RIGHT]), REQUESTS)) == [(0, RIGHT), (1, RIGHT)]
    # The second answer is certainly wrong: the gate's own.
    assert [verdict.status for verdict in ask(GatedJudge(OwnAsync([RIGHT])), REQUESTS)] == ["correct", "incorrect"]
    with pytest.raises(JudgeContractError, match="found 2 for 1 requests"):
        list(stream_verdicts(Own([RIGHT, RIGHT]), REQUESTS))


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        (None, "found None"),
        (Own, r"found the class Own.*Own\(\)"),
        (lambda requests: [], "found a function"),
        (SimpleNamespace(name="x", context="solution"), "a SimpleNamespace without it"),
        (SimpleNamespace(judge=3, name="x", context="solution"), "without it"),
        (SimpleNamespace(judge=len, context="solution"), r"SimpleNamespace.name: None.*name = "),
        (SimpleNamespace(judge=len, name="x"), r"context: None.*context = \"solution\""),
        (SimpleNamespace(judge=len, name="x", context="all"), "none, answer, documents, solution, found .*'all'"),
        ("rules", "found the str 'rules'|a str without it"),
    ],
)
def test_what_cannot_be_a_judge_is_refused(judge: Any, message: str) -> None:
    with pytest.raises(JudgeContractError, match=message):
        check_judge_object(judge)


@pytest.mark.parametrize("judge", [Own([]), OwnAsync([]), RulesJudge(), GatedJudge(Own([]))])
def test_judges_are_judges(judge: Any) -> None:
    check_judge_object(judge)


class Served(Own):
    """Needs a service, and speaks to it asynchronously."""

    def __init__(self) -> None:
        super().__init__([])
        self.done: list[str] = []

    async def check(self) -> None:
        self.done.append("check")

    async def close(self) -> None:
        self.done.append("close")


def test_check_and_close_are_awaited() -> None:
    judge = Served()
    check_judge(judge)
    close_judge(judge)
    assert judge.done == ["check", "close"]
