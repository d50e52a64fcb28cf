"""Rewards beside the judge: what functions are given, what they may return, and what follows from it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from rollout_fakes import completion, group

from contextrl.errors import InputError
from contextrl.records import metrics as names
from contextrl.rollout.groups import Attempt, Group
from contextrl.rollout.metrics import rollout_sums
from contextrl.rollout.mixing import mix_group
from contextrl.rollout.rewards import Rewards, checked_rewards, reward_functions
from contextrl.rollout.verify import JudgeTally

COLUMNS = ["id", "question", "solution", "answer", "level"]


def texts(completions: Sequence[Any]) -> list[str]:
    return [one[0]["content"] for one in completions]


def length(completions: Sequence[Any], **_: Any) -> list[float]:
    return [float(len(text)) for text in texts(completions)]


async def waiting(completions: Sequence[Any]) -> list[float | None]:
    await asyncio.sleep(0)
    return [1.0 if n % 2 else None for n, _ in enumerate(completions)]


class Grader:
    """A function with a state."""

    def __call__(self, completions: Sequence[Any]) -> list[float]:
        return [0.0] * len(completions)


def scored(*functions: Callable[..., Any], weights: Sequence[float] | None = None, of: list[Group]) -> list[Attempt]:
    columns = {"level": lambda row: f"level {row}"}
    Rewards(reward_functions(list(functions), weights, COLUMNS), columns).score(of)
    return [attempt for one in of for attempt in one.attempts]


def test_the_weighted_sum_shifts_and_the_verdict_stays() -> None:
    groups = [group("+-", "a"), group("-?", "bb")]
    attempts = scored(length, waiting, weights=[0.5, 2.0], of=groups)
    # "a try 0" has 7 characters, "bb try 0" 8; the second function gives 1 to every other one.
    assert [attempt.rewards for attempt in attempts] == [
        {"length": 7.0},
        {"length": 7.0, "waiting": 1.0},
        {"length": 8.0},
        {"length": 8.0, "waiting": 1.0},
    ]
    assert [attempt.shift for attempt in attempts] == [3.5, 5.5, 4.0, 6.0]
    assert [attempt.reward for attempt in attempts] == [1.0, 0.0, 0.0, None]
    assert [one.kind for one in groups] == ["spread", "all_negative"]


def test_kept_retries_are_rewarded_after_stage_1_and_out_of_the_mean() -> None:
    one = group("--")
    retry = Attempt(completion("a longer retry"), stage=2, parent=0, verdict=group("+").attempts[0].verdict)
    one.retries.append(retry)
    mix_group(one)
    asked: list[str] = []

    def count(completions: Sequence[Any]) -> list[float]:
        asked.extend(texts(completions))
        return list(map(float, range(len(completions))))

    scored(count, of=[one])
    assert asked == ["sum try 0", "sum try 1", "a longer retry"]
    assert (retry.rewards, retry.shift) == ({"count": 2.0}, 2.0)
    sums = rollout_sums([one], JudgeTally(), rewards=["count"])
    assert sums.shares[names.reward_of("count")] == (1.0, 2.0)
    assert sums.shares[names.REWARD_OF_VERDICT] == (0.0, 2.0)


def test_a_function_gets_what_trl_gives_and_the_data_columns() -> None:
    given: dict[str, Any] = {}

    def everything(prompts: Any, completions: Any, **columns: Any) -> list[float]:
        given.update(columns, prompts=prompts, completions=completions)
        return [0.0] * len(completions)

    functions = reward_functions(everything, None, COLUMNS)
    logged: list[Any] = []
    context = {"trainer_state": "state", "log_metric": print}
    rewards = Rewards(functions, {"level": lambda row: row + 5}, lambda: context, lambda *row: logged.append(row))
    rewards.score([group("+-", "x")])
    assert given["prompts"] == [[{"role": "user", "content": "What is the x?"}]] * 2
    assert given["completions"][1] == [{"role": "assistant", "content": "x try 1"}]
    assert given["completion_ids"][0] == list(b"x try 0")
    assert given["level"] == [5, 5]
    assert given["answer"] == ["12", "12"]
    assert given["trainer_state"] == "state"
    given["log_extra"]("seen", ["a", "b", "c"])
    assert logged == [("seen", ["a", "b"])], "TRL's table has the replayed responses only"


def test_trls_own_rewards_fit() -> None:
    from trl.rewards import think_format_reward

    one = group("+-")
    one.attempts[0].completion = completion("<think>4 and 8</think>Answer: 12")
    attempts = scored(think_format_reward, of=[one])
    assert [attempt.shift for attempt in attempts] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ([1, 0.5, None], [1.0, 0.5, None]),
        ((True, False, 1), [1.0, 0.0, 1.0]),
        (np.array([1, 2, 3]), [1.0, 2.0, 3.0]),
        (torch.tensor([0.5, 0.25, 0.0]), [0.5, 0.25, 0.0]),
        ([np.float32(0.5), torch.tensor(2.0), None], [0.5, 2.0, None]),
        ([None, None, None], [None, None, None]),
    ],
)
def test_numbers_of_any_kind_are_read(values: Any, read: list[float | None]) -> None:
    assert checked_rewards("mine", values, 3) == read


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, 2.0], "found 2 for 3 completions"),
        ([], "found 0 for 3"),
        ([1.0] * 4, "found 4 for 3"),
        (None, "found None"),
        (1.0, "found the float 1.0"),
        ("abc", "found the str 'abc'"),
        ({1: 2}, "found a dict"),
        ([1.0, float("nan"), 0.0], "completion 2 of 3: expected a finite number.*found nan"),
        ([float("inf"), 0.0, 0.0], "completion 1 of 3: .*found inf"),
        (np.array([0.0, 0.0, -np.inf]), "completion 3 of 3"),
        ([1.0, "0.5", 0.0], "completion 2 of 3: expected a number or None, found the str '0.5'"),
        ([[1.0], 0.0, 0.0], "found a list"),
    ],
)
def test_anything_else_is_refused(values: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"reward mine.*{message}"):
        checked_rewards("mine", values, 3)


def broken(completions: Sequence[Any]) -> list[float]:
    return [len(one["content"]) for one in completions]


async def broken_async(completions: Sequence[Any]) -> list[float]:
    raise KeyError("level")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (broken, r"TypeError: list indices.*\(test_rewards\.py, line \d+\).*completion\[0\]\[\"content\"\]"),
        (broken_async, r"broken_async.*KeyError: 'level' \(test_rewards\.py, line \d+\)"),
    ],
)
def test_an_exception_names_function_and_line(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        scored(function, of=[group("+-")])


def positional(completions: Any, /) -> list[float]:
    return []


@pytest.mark.parametrize(
    ("functions", "weights", "message"),
    [
        (["org/reward-model"], None, "found the str 'org/reward-model'"),
        ("org/reward-model", None, "A reward model is asked by a function of yours"),
        ([Grader], None, "reward Grader"),
        ([torch.nn.Linear(1, 1)], None, "found a Linear"),
        ([lambda completions, difficulty: []], None, "passed by name: prompts.*found difficulty"),
        ([positional], None, r"completions \(by position only\)"),
        ([length, waiting], [1.0], "a weight for each of the 2 rewards, found 1"),
        ([], [1.0], "each of the 0 rewards, found 1"),
        ([length], [float("nan")], "finite weights"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sampled(functions: Any, weights: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        reward_functions(functions, weights, COLUMNS)


def test_functions_of_every_form_are_taken_and_named() -> None:
    partly = functools.partial(length, scale=2)
    found = reward_functions([length, partly, Grader(), lambda completions, level=0: []], [1, 2, 3, 4], COLUMNS)
    assert [(one.name, one.weight) for one in found] == [
        ("length", 1.0),
        ("length_2", 2.0),
        ("Grader", 3.0),
        ("<lambda>", 4.0),
    ]
    assert reward_functions(None, None, COLUMNS) == []
    assert [one.name for one in reward_functions(length, None, COLUMNS)] == ["length"]
