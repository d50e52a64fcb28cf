"""Rewards beside the judge, with TRL's signature: they shift advantages, and what is positive stays the verdict's."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from contextrl.errors import InputError
from contextrl.judge.contract import describe, place_of
from contextrl.loop import awaited
from contextrl.records.example import Example
from contextrl.rollout.groups import Attempt, Group

_RETURNS = "a list with a number for each completion, None where it does not apply"
#: What every reward function may take beside the columns; TRL's names.
_GIVEN = ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric")


@dataclass(frozen=True)
class RewardFunction:
    """One function and how much it counts.

    Attributes:
        name: labels its metric.
        call: `call(prompts, completions, **columns)` returns a number or None for each completion, or a coroutine of
            that. As TRL calls it for pictures, prompts and completions are conversations: the text of a completion is
            `completion[0]["content"]`. Columns are lists: the fields of `Example`, and what else the data set has.
            Only what the function names is passed, everything if it takes `**kwargs`.
    """

    name: str
    call: Callable[..., Any]
    weight: float = 1.0


def reward_functions(functions: Any, weights: Sequence[float] | None, columns: Sequence[str]) -> list[RewardFunction]:
    """Functions with their names and weights, checked before anything is sampled.

    Args:
        functions: a function or several, or None.
        weights: one for each; None for 1.
        columns: names that functions may take, beside TRL's own.

    Raises:
        InputError: one is no function, or wants what nobody has; weights do not fit.
    """
    if functions is None:
        functions = []
    elif callable(functions) or isinstance(functions, str):
        functions = [functions]
    names = _unique([_name_of(function) for function in functions])
    for name, function in zip(names, functions, strict=True):
        _check_function(name, function, [*_GIVEN, *columns])
    if weights is not None and len(weights) != len(names):
        raise InputError(
            f"a weight for each of the {len(names)} rewards", found=str(len(weights)), where="train.reward_weights"
        )
    of_each = [1.0] * len(names) if weights is None else [float(weight) for weight in weights]
    if not all(map(math.isfinite, of_each)):
        raise InputError("finite weights", found=str(of_each), where="train.reward_weights")
    return [RewardFunction(*row) for row in zip(names, functions, of_each, strict=True)]


@dataclass
class Rewards:
    """Asks reward functions about a rollout's responses.

    Attributes:
        functions: in the order in which they are asked.
        columns: name to the values of the data's further columns, by row.
        context: what TRL passes beside columns at a call: trainer_state, log_metric.
        log_extra: TRL's; takes a column's name and a value for each replayed response.
    """

    functions: Sequence[RewardFunction]
    columns: Mapping[str, Callable[[int], Any]] = field(default_factory=dict)
    context: Callable[[], Mapping[str, Any]] = dict
    log_extra: Callable[[str, list[Any]], None] | None = None

    def score(self, groups: Sequence[Group]) -> None:
        """Set `rewards` and `shift` of every response that is trained, in place; stage 1 first.

        Raises:
            InputError: a function fails, or returns something else than finite numbers or None.
        """
        rows = [(group, attempt) for group in groups for attempt in group.replayed]
        known = {id(attempt) for _, attempt in rows}
        replayed = len(rows)
        rows += [(group, member) for group in groups for member in group.members if id(member) not in known]
        if not self.functions or not rows:
            return
        values = self._ask(rows, replayed)
        for number, (_, attempt) in enumerate(rows):
            given = {name: column[number] for name, column in values.items()}
            attempt.rewards = {name: value for name, value in given.items() if value is not None}
            attempt.shift = sum(f.weight * attempt.rewards.get(f.name, 0.0) for f in self.functions)

    def _ask(self, rows: Sequence[tuple[Group, Attempt]], replayed: int) -> dict[str, list[float | None]]:
        given = self._arguments(rows, replayed)
        returned: dict[str, Any] = {}
        waiting: dict[str, Any] = {}
        for function in self.functions:
            try:
                value = function.call(**_wanted(function.call, given))
            except Exception as error:
                raise _failed(function.name, error) from error
            (waiting if inspect.isawaitable(value) else returned)[function.name] = value
        if waiting:
            # Together: each of them waits for something.
            returned |= dict(zip(waiting, awaited(_together(list(waiting.values()))), strict=True))
        values = {}
        for function in self.functions:
            value = returned[function.name]
            if isinstance(value, Exception):
                raise _failed(function.name, value) from value
            values[function.name] = checked_rewards(function.name, value, len(rows))
        return values

    def _arguments(self, rows: Sequence[tuple[Group, Attempt]], replayed: int) -> dict[str, Any]:
        examples = [group.example for group, _ in rows]
        columns = {one.name: [getattr(example, one.name) for example in examples] for one in fields(Example)}
        columns |= {name: [value(group.row) for group, _ in rows] for name, value in self.columns.items()}

        def log_extra(column: str, column_values: list[Any]) -> None:
            """TRL's table has replayed responses only."""
            if self.log_extra is not None:
                self.log_extra(column, list(column_values)[:replayed])

        return {
            **columns,
            **self.context(),
            "log_extra": log_extra,
            "prompts": [[{"role": "user", "content": example.question}] for example in examples],
            "completions": [[{"role": "assistant", "content": attempt.completion.text}] for _, attempt in rows],
            "completion_ids": [list(attempt.completion.ids) for _, attempt in rows],
        }


async def _together(work: Sequence[Any]) -> list[Any]:
    """Results or exceptions, in order."""
    return list(await asyncio.gather(*work, return_exceptions=True))


def checked_rewards(name: str, values: Any, count: int) -> list[float | None]:
    """What a reward function returned for `count` completions, as finite numbers or None.

    Raises:
        InputError: it is something else.
    """
    where = f"reward {name}"
    # Tensors and arrays too.
    listed = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(listed, list | tuple):
        raise InputError(_RETURNS, found=describe(values), where=where)
    if len(listed) != count:
        raise InputError(_RETURNS, found=f"{len(listed)} for {count} completions", where=where)
    return [_number(value, f"{where}, completion {n + 1} of {count}") for n, value in enumerate(listed)]


def _number(value: Any, where: str) -> float | None:
    value = value.item() if hasattr(value, "item") else value
    if value is None:
        return None
    if not isinstance(value, int | float):
        raise InputError("a number or None", found=describe(value), where=where)
    if not math.isfinite(value):
        raise InputError("a finite number, or None where the reward does not apply", found=str(value), where=where)
    return float(value)


def _wanted(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is there, what a function takes."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(given)
    names = {parameter.name for parameter in parameters}
    return {name: value for name, value in given.items() if name in names}


def _check_function(name: str, function: Any, known: Sequence[str]) -> None:
    where = f"reward {name}"
    if not callable(function) or isinstance(function, type) or hasattr(function, "forward"):
        fix = "A reward model is asked by a function of yours that calls it"
        raise InputError("a function(prompts, completions, **columns)", found=describe(function), where=where, fix=fix)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise InputError("a function(prompts, completions, **columns)", found=str(error), where=where) from error
    optional = [p for p in parameters if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) or p.default is not p.empty]
    for parameter in parameters:
        by_position = parameter.kind is parameter.POSITIONAL_ONLY
        if parameter not in optional and (by_position or parameter.name not in known):
            raise InputError(
                f"parameters that are passed by name: {', '.join(known)}",
                found=f"{parameter.name}{' (by position only)' if by_position else ''}",
                where=where,
                fix="Rename it, give it a default, or take **kwargs",
            )


def _failed(name: str, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    hint = ""
    if isinstance(error, TypeError | AttributeError):
        hint = 'Completions are conversations, as TRL gives them: the text is completion[0]["content"]'
    found = f"{type(error).__name__}: {error}{place_of(error)}"
    return InputError(_RETURNS, found=found, where=f"reward {name}", fix=hint)


def _name_of(function: Any) -> str:
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    return str(getattr(inner, "__name__", None) or type(inner).__name__)


def _unique(names: Sequence[str]) -> list[str]:
    """The second of two with one name is `name_2`."""
    return [f"{name}_{names[: n + 1].count(name)}" if name in names[:n] else name for n, name in enumerate(names)]
