"""What a judge of your own must be and must return, checked at its every call: what it gets wrong says so at once."""

from __future__ import annotations

import traceback
from typing import Any, get_args

from contextrl.errors import InputError
from contextrl.records.verdict import ReferenceContext, Status, Usage, Verdict

_RETURNS = "a list with one contextrl.Verdict for each request, in order"
_EXAMPLE = 'For example: return [Verdict("correct", answer_correct=True) for request in requests]'
_FLAGS = ("answer_correct", "process_correct", "self_consistent", "standalone")


class JudgeContractError(InputError):
    """A judge is not what the protocol says, or returned what it must not."""


def check_judge_object(judge: Any, *, where: str = "judge") -> None:
    """Refuse what cannot be a judge.

    Raises:
        JudgeContractError: says what is missing.
    """
    if isinstance(judge, type):
        raise JudgeContractError(
            "a judge", found=f"the class {judge.__name__}", where=where, fix=f"Make one of it: {judge.__name__}()"
        )
    if not callable(getattr(judge, "judge", None)):
        found = describe(judge) if judge is None or callable(judge) else f"a {type(judge).__name__} without it"
        raise JudgeContractError(
            "an object with a method judge(requests), as contextrl.Judge describes it", found=found, where=where
        )
    if not isinstance(getattr(judge, "name", None), str):
        raise JudgeContractError(
            "a name, which labels its figures",
            found=f"{type(judge).__name__}.name: {describe(getattr(judge, 'name', None))}",
            where=where,
            fix='Give the class name = "..."',
        )
    context = getattr(judge, "context", None)
    if context not in get_args(ReferenceContext):
        raise JudgeContractError(
            f"a context, what it may see of the reference: {', '.join(get_args(ReferenceContext))}",
            found=f"{type(judge).__name__}.context: {describe(context)}",
            where=where,
            fix='Give the class context = "solution"',
        )


def checked_verdicts(verdicts: Any, count: int, *, where: str) -> list[Verdict]:
    """What a judge returned for `count` requests.

    Args:
        where: the method.

    Raises:
        JudgeContractError: says what the method must return.
    """
    if not isinstance(verdicts, list | tuple):
        raise JudgeContractError(_RETURNS, found=describe(verdicts), where=where, fix=_EXAMPLE)
    if len(verdicts) != count:
        raise JudgeContractError(_RETURNS, found=f"{len(verdicts)} for {count} requests", where=where, fix=_EXAMPLE)
    for number, verdict in enumerate(verdicts):
        problem = _problem(verdict)
        if problem is not None:
            expected, found, fix = problem
            raise JudgeContractError(expected, found=found, where=f"{where}, verdict {number + 1} of {count}", fix=fix)
    return list(verdicts)


def judge_failed(error: Exception, *, where: str) -> JudgeContractError:
    """The error for an exception that a judge let through."""
    return JudgeContractError(
        _RETURNS,
        found=f"{type(error).__name__}: {error}{place_of(error)}",
        where=where,
        fix='Where the judge cannot tell, return Verdict("unscored", error="kind: why"); where it is gone for good, '
        "raise contextrl.errors.ServiceError",
    )


def _problem(verdict: Any) -> tuple[str, str, str] | None:
    """(expected, found, fix) for what is no verdict."""
    if not isinstance(verdict, Verdict):
        return "a contextrl.Verdict", describe(verdict), _EXAMPLE
    if verdict.status not in get_args(Status):
        return f"the status {', '.join(get_args(Status))}", describe(verdict.status), _EXAMPLE
    for name in _FLAGS:
        value = getattr(verdict, name)
        if value is not None and not isinstance(value, bool):
            fix = f"Use bool(...) for {name}"
            return f"{name}: True, False, or None where nobody looked", describe(value), fix
    for name in ("mistake_report", "error"):
        value = getattr(verdict, name)
        if value is not None and not isinstance(value, str):
            return f"{name}: text or None", describe(value), ""
    step = verdict.mistake_step
    if step is not None and (not isinstance(step, int) or isinstance(step, bool) or step < 1):
        return "mistake_step: a number from 1 on, or None", describe(step), ""
    if not isinstance(verdict.usage, Usage):
        return "usage: a contextrl.records.verdict.Usage", describe(verdict.usage), ""
    wrong = [name for name in ("answer_correct", "process_correct") if getattr(verdict, name) is False]
    if verdict.status == "correct" and wrong:
        return (
            "the status incorrect where answer or process is wrong",
            f"correct with {wrong[0]}=False",
            "A right answer by a wrong process is incorrect",
        )
    return None


def describe(value: Any) -> str:
    """A value's kind, and the value itself where it is short and plain: what users' code returns may be anything."""
    if value is None:
        return "None"
    kind = type(value).__name__
    if isinstance(value, bool | int | float | str):
        return f"the {kind} {_short(value)}"
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def place_of(error: BaseException) -> str:
    """` (rules.py, line 12)`: where an exception came from, for who sees no traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    name = frames[-1].filename.replace("\\", "/").rpartition("/")[2]
    return f" ({name}, line {frames[-1].lineno})"
