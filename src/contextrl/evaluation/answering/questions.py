"""What a model is asked, what it answers, and the one way from the first to the second."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from contextrl.evaluation.benchmarks.benchmark import Benchmark
from contextrl.evaluation.benchmarks.items import Item, Response, Sampling
from contextrl.evaluation.benchmarks.items import Protocol as Rules
from contextrl.records.example import ImageHandle


@dataclass(frozen=True)
class Question:
    """A prompt whose pictures come before its text."""

    id: str
    prompt: str
    images: tuple[ImageHandle, ...] = ()

    @property
    def digest(self) -> str:
        """16 hex characters that tell prompts apart."""
        return hashlib.sha256(self.prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True)
class Answer:
    """What came of a question.

    Attributes:
        response: the text without special tokens; None where there is none.
        truncated: the length limit ended it.
        finish_reason: as the server says it: `stop`, `length`, `content_filter`.
        tokens: of the response; 0 where the server does not count.
        error: why there is no response.
    """

    id: str
    response: str | None = None
    truncated: bool = False
    finish_reason: str = ""
    tokens: int = 0
    error: str | None = None

    @property
    def as_response(self) -> Response | None:
        """What scorers read; None where there is no answer."""
        return None if self.response is None else Response(self.response, self.truncated)


class Model(Protocol):
    """Whoever answers questions."""

    def answers(self, questions: Iterable[Question], sampling: Sampling) -> Iterator[Answer]:
        """One answer or error per question, in any order; questions are pulled as they are needed.

        Raises:
            ServiceError: nothing can be answered any more, after everything that was.
        """
        ...


def questions(items: Iterable[Item], benchmark: Benchmark, protocol: Rules) -> Iterator[Question]:
    """Items as a protocol asks them."""
    for item in items:
        yield Question(item.id, benchmark.prompt(item, protocol), item.images)
