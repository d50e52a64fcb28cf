"""A judge's reply: asked for until it can be read, and read only where the whole of it is what was asked for.

A reply may quote the response that it judges, and a response may hold a forged verdict. So an object is read only where
the reply is that object and nothing else, thoughts before it and fences around it aside; a grade only where it is the
reply. Anything else is asked again, and is in the end no judgement: never a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from contextrl.evaluation.benchmarks.items import Mark, failed
from contextrl.evaluation.benchmarks.steps import Ask, Step
from contextrl.judge.llm.json_objects import MalformedObjectError, whole_object
from contextrl.judge.llm.parsing import MAX_REPLY_CHARS, without_reasoning, writable

#: Longer extractions are no final answer.
MAX_EXTRACTED_CHARS = 2_000
#: Names of the extracted answer: CharXiv's prompt has both.
ANSWER_KEYS = ("extracted_answer", "extract_answer")

#: Reads a reply; None where it cannot be read.
Reader = Callable[[str], Step | None]


def another_seed(ask: Ask, reply: str) -> Ask | None:
    """The same question with the next seed."""
    del reply
    return replace(ask, seed=ask.seed + 1)


def asked(
    ask: Ask,
    read: Reader,
    *,
    tries: int,
    unread: Mark | None = None,
    again: Callable[[Ask, str], Ask | None] = another_seed,
) -> Ask:
    """A question that is asked again while its reply cannot be read.

    Args:
        ask: the first question; its `then` is not looked at.
        read: what a reply leads to; None where it cannot be read.
        tries: how often it is asked at most.
        unread: the mark in the end, by default counted apart.
        again: the question after an unreadable reply; None gives up.
    """

    def then(reply: str) -> Step:
        if (step := read(reply)) is not None:
            return step
        following = again(ask, reply) if tries > 1 else None
        if following is not None:
            return asked(following, read, tries=tries - 1, unread=unread, again=again)
        return failed("the judge's reply could not be read") if unread is None else unread

    return replace(ask, then=then)


def counted_wrong(detail: str = "the judge's reply could not be read") -> Mark:
    """No judgement, in a protocol that takes it as a wrong answer."""
    return Mark(0.0, how="failed", label="failed", detail=f"{detail}: wrong in this protocol")


def text_of_reply(reply: str) -> str:
    """What a reply says after the thoughts that it begins with; empty where that is too long to be a judgement."""
    return "" if len(reply) > MAX_REPLY_CHARS else without_reasoning(writable(reply)).strip()


def object_of(reply: str) -> dict[str, Any] | None:
    """The JSON object that a reply is; None where it is anything else, or two things."""
    try:
        return whole_object(text_of_reply(reply))
    except MalformedObjectError:
        return None


def grade_of(value: object) -> float | None:
    """0 or 1 as JSON and models write them; None for anything else."""
    if isinstance(value, str):
        return {"0": 0.0, "1": 1.0}.get(value.strip())
    return float(value) if isinstance(value, bool | int | float) and value in (0, 1) else None


def answer_and_score(reply: str) -> Mark | None:
    """The mark of `{"extracted_answer": ..., "score": 0 or 1}`, also where the first key is `extract_answer`."""
    fields = object_of(reply) or {}
    score = grade_of(fields.get("score"))
    key = next((key for key in ANSWER_KEYS if key in fields), None)
    return None if score is None or key is None else Mark(score, extraction(fields[key]), how="judge")


def extraction(value: object) -> str:
    """An extracted answer for people and for the next question: one that fits, and that a file can hold."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=lambda _: None)
    return re.sub(r"[\x00-\x08\x0b-\x1f]", "", writable(text)).strip()[:MAX_EXTRACTED_CHARS]
