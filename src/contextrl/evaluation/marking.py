"""From steps of scoring to marks: what rules decide passes through, what a model decides is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from contextrl.evaluation.benchmarks.items import Mark, failed
from contextrl.evaluation.benchmarks.steps import Ask, Step, without_judge
from contextrl.judge.llm.completions import Call, Completions, Settled, conversation_json
from contextrl.judge.llm.envelope import Failure, Reply

logger = logging.getLogger("contextrl.evaluation")

#: What stands for the reply where none was needed.
_NO_REPLY = Reply(None, "", None, False)


def mark_all(steps: Iterable[tuple[str, Step]], judge: Completions | None) -> Iterator[tuple[str, Mark]]:
    """One mark per step, in the order in which they are known.

    A judgement that failed (time-out, error, refusal, an empty reply) is no mark of the response: `failed`, with
    its kind first in `detail`.

    Args:
        steps: (key, first step of its scoring); keys are unique. Pulled as they are needed.
        judge: the model that is asked; None takes what each question has for that case.

    Raises:
        ServiceError: the judge is gone or its budget spent, after all marks that are known. Replies are in its cache.
    """
    if judge is None:
        for key, step in steps:
            yield key, without_judge(step)
        return
    marks: dict[str, Mark] = {}

    def calls() -> Iterator[Call[str] | Settled[str]]:
        for key, step in steps:
            if isinstance(step, Mark):
                marks[key] = step
                yield Settled(key, _NO_REPLY)
            else:
                yield _call(key, step, marks)

    for key, outcome, _ in judge.stream(calls()):
        mark = marks.pop(key, None)
        if isinstance(outcome, Failure):
            mark = failed(f"{outcome.kind}: {outcome.detail}")
        assert mark is not None, "a conversation ends with a mark"
        yield key, mark


def _call(key: str, ask: Ask, marks: dict[str, Mark]) -> Call[str]:
    """A question to the judge, and what comes after it."""
    fields: dict[str, Any] = {"temperature": ask.temperature, "max_tokens": ask.max_tokens, "seed": ask.seed}
    return Call(key, conversation_json(ask.prompt, system=ask.system), fields, _continued(key, ask, marks))


def _continued(key: str, ask: Ask, marks: dict[str, Mark]) -> Callable[[Reply], Call[str] | None]:
    def then(reply: Reply) -> Call[str] | None:
        step = _next(key, ask, reply)
        if isinstance(step, Ask):
            return _call(key, step, marks)
        marks[key] = step
        return None

    return then


def _next(key: str, ask: Ask, reply: Reply) -> Step:
    """What a reply leads to, or why it is none."""
    if reply.refusal is not None or reply.finish_reason == "content_filter":
        return failed(f"refusal: the judge refuses: {(reply.refusal or reply.text or '')[:80]!r}")
    if not (reply.text or "").strip():
        return failed("null: only reasoning" if reply.reasoning else "empty: the reply has no content")
    try:
        return ask.then(str(reply.text))
    except Exception as error:  # a scorer's, on a reply that nobody thought of: one of thousands must not stop the rest
        logger.exception("no mark for %s", key[:80])
        return failed(f"malformed: {type(error).__name__} while the reply was read")
