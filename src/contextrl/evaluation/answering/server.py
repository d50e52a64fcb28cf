"""Questions to a model behind OpenAI-compatible servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from contextrl.evaluation.answering.pictures import picture_url
from contextrl.evaluation.answering.questions import Answer, Question
from contextrl.evaluation.benchmarks.items import Sampling
from contextrl.judge.llm.completions import Call, Completions, conversation_json
from contextrl.judge.llm.envelope import Failure, Reply
from contextrl.records.verdict import Usage

#: How a reply ends that the server broke off: it is no answer.
_BROKEN_OFF = ("null", "abort", "error")


class ServerModel:
    """A model behind servers.

    Args:
        completions: its client.
        image_max_side: larger pictures are scaled down to it, in pixels; None sends them as they are.

    Attributes:
        usage: what all answers have cost so far.
    """

    def __init__(self, completions: Completions, *, image_max_side: int | None = None) -> None:
        self.completions, self.image_max_side = completions, image_max_side
        self.usage = Usage()

    def answers(self, questions: Iterable[Question], sampling: Sampling) -> Iterator[Answer]:
        """See `Model`: in the order in which they come."""
        fields = request_fields(sampling)
        calls = (
            Call(question.id, partial(self._messages, question), fields, needs_content=True) for question in questions
        )
        for key, outcome, usage in self.completions.stream(calls):
            self.usage += usage
            yield answer_of(key, outcome)

    def _messages(self, question: Question) -> str:
        urls = [picture_url(handle, self.image_max_side) for handle in question.images]
        return conversation_json(question.prompt, image_urls=urls)


def request_fields(sampling: Sampling) -> dict[str, Any]:
    """Sampling settings as fields of a request."""
    fields = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "presence_penalty": sampling.presence_penalty,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
    }
    return {name: value for name, value in fields.items() if value is not None}


def answer_of(key: str, outcome: Reply | Failure) -> Answer:
    """What came of a request: a refusal is an answer; what the server left out or did not bring to its end is none."""
    if isinstance(outcome, Failure):
        return Answer(key, error=f"{outcome.kind}: {outcome.detail}")
    if outcome.finish_reason in _BROKEN_OFF:
        return Answer(key, error=f"malformed: the reply ended with {outcome.finish_reason!r}")
    if outcome.is_empty:
        return Answer(key, error=f"empty: {outcome.emptiness}")
    return Answer(
        key,
        outcome.text or outcome.refusal or "",
        outcome.finish_reason == "length",
        outcome.finish_reason,
        outcome.completion_tokens,
    )
