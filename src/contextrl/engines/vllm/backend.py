"""What is asked of vLLM wherever it runs, and how the requests of several processes reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from accelerate.utils import gather_object

from contextrl.engines.vllm.requests import Answer, EngineMismatchError, Request
from contextrl.errors import ContextRLError, ServiceError


@dataclass(frozen=True)
class CacheCounts:
    """Tokens of prompts that an engine has looked up, and those of them that it had read before."""

    asked: float = 0.0
    found: float = 0.0


#: Told of an answer while others are on their way: its request's place, and itself. On the thread that asks.
Told = Callable[[int, Answer], None]


class Backend(Protocol):
    """One vLLM. Every process calls the same methods in the same order."""

    #: Whether weights that it has are gone, so that they must be loaded again whatever the policy has done.
    forgot_weights: bool

    def generate(
        self, requests: Sequence[Request], options: Mapping[str, Any], told: Told | None = None
    ) -> list[Answer]:
        """Samples of this process's requests, of which there may be none, in their order.

        Args:
            options: SamplingParams by name, without `n` and `seed`.
            told: see `Told`; at most once for each request.
        """
        ...

    def load(self, model: Any, sharding: Any) -> None:
        """Take the policy's weights, and forget all that was computed with the old ones."""
        ...

    def forget(self) -> None:
        """Forget what was computed of earlier prompts and pictures."""
        ...

    def rest(self) -> None:
        """Give memory back until there is something to sample again."""
        ...

    def cache_counts(self) -> CacheCounts:
        """So far, of all requests."""
        ...

    def close(self) -> None:
        """End it: nothing is sampled any more."""
        ...


#: Objects of all processes, by their rank.
Gather = Callable[[Any], list[Any]]


def together(
    requests: Sequence[Request],
    rank: int,
    gather: Gather,
    answer: Callable[[list[Request], Told], list[Answer]],
    told: Told | None = None,
) -> list[Answer]:
    """Answers to this process's requests, where all processes' requests are answered at once.

    Args:
        rank: of this process among those that `gather` asks. They may have different numbers of requests, or none.
        answer: called with all requests; it gives the same on every process, or raises there. It may tell of each.
        told: of this process's own.
    """
    every: list[list[Request]] = gather(list(requests))
    flat = [request for part in every for request in part]
    start = sum(len(part) for part in every[:rank])

    def own(place: int, answered: Answer) -> None:
        if told is not None and start <= place < start + len(requests):
            told(place - start, answered)

    answers = answer(flat, own) if flat else []
    return answers[start : start + len(requests)]


@contextmanager
def failing_together() -> Iterator[None]:
    """What is found wrong within it on one process ends the run on all of them, in the same words. Collective.

    Nothing within it may be collective: another process would wait there for one that has failed.

    Raises:
        ContextRLError: this process's own; or, with its words and exit code, that of the first which has one.
    """
    failure: ContextRLError | None = None
    try:
        yield
    except ContextRLError as error:
        failure = error
    found = [one for one in gather_object([failure and (str(failure), failure.exit_code)]) if one]
    if not found:
        return
    words, code = found[0]
    if failure is not None and words == str(failure):
        failure.on_all = True
        raise failure
    told = EngineMismatchError(words)
    told.exit_code, told.on_all = code, True
    raise told from failure


def shared(result: Callable[[], Any], *, main: bool, broadcast: Callable[[Any], Any]) -> Any:
    """What the main process computes, on every process; where it fails there, all fail.

    Args:
        broadcast: the main process's object, on every process.
    """
    value, failure = None, None
    if main:
        try:
            value = result()
        except Exception as error:
            failure = error
    value, message = broadcast((value, None if failure is None else str(failure)))
    if failure is not None:
        raise failure if isinstance(failure, ContextRLError) else ServiceError(message) from failure
    if message is not None:
        raise ServiceError(message)
    return value
