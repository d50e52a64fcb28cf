"""A judge at its desk: every kind of judge is asked once about each response, and its failure is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from contextrl.building.desk import Desk, threads_for
from contextrl.errors import InputError, ServiceError
from contextrl.judge.protocol import JudgeRequest
from contextrl.judge.settings import JudgeConfig
from contextrl.records.example import Example
from contextrl.records.verdict import Verdict, unscored

RIGHT = Verdict("correct", answer_correct=True)


class Plain:
    """Gets several at once, in one thread."""

    name = "plain"
    context: Any = "answer"

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.threads: set[str] = set()

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        self.batches.append([request.response for request in requests])
        self.threads.add(threading.current_thread().name + str(threading.get_ident()))
        time.sleep(0.01)
        return [RIGHT for _ in requests]


class Async(Plain):
    async def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:  # type: ignore[override]
        return super().judge(requests)


class Streaming(Plain):
    """Tells of each verdict as it comes, the last first."""

    def stream(self, requests: Sequence[JudgeRequest]) -> Iterator[tuple[int, Verdict]]:
        yield from reversed(list(enumerate(self.judge(requests))))

    def check(self) -> None: ...

    def close(self) -> None: ...


class Concurrent(Plain):
    concurrent = True


def request(response: str) -> JudgeRequest:
    return JudgeRequest(Example("a", "1 + 1?", "", "2", "number"), response, "answer")


def judged(judge: Any, count: int, threads: int = 4) -> dict[int, Verdict]:
    verdicts: dict[int, Verdict] = {}
    desk: Desk[int] = Desk(judge, threads, verdicts.__setitem__)
    try:
        for number in range(count):
            desk.submit(number, request(str(number)))
        for _ in desk.finish():
            pass
    finally:
        desk.stop()
    return verdicts


@pytest.mark.parametrize("make", [Plain, Async, Streaming, Concurrent])
def test_each_is_judged_once(make: Callable[[], Plain]) -> None:
    judge = make()
    assert judged(judge, 70) == dict.fromkeys(range(70), RIGHT)
    assert sorted(text for batch in judge.batches for text in batch) == sorted(map(str, range(70)))


def test_only_a_judge_that_is_made_for_it_is_asked_by_several_threads() -> None:
    plain, several = Plain(), Concurrent()
    judged(plain, 40)
    judged(several, 40)
    assert len(plain.threads) == 1
    assert len(several.threads) > 1
    assert max(map(len, plain.batches)) > 1
    assert max(map(len, several.batches)) == 1


def test_nothing_to_judge() -> None:
    assert judged(Plain(), 0) == {}


@pytest.mark.parametrize("make", [Plain, Streaming, Concurrent])
@pytest.mark.parametrize(
    ("error", "expected", "said"),
    [
        (ServiceError("the judge stops"), ServiceError, "the judge stops"),
        (KeyError("oops"), InputError, "KeyError: 'oops'"),
    ],
)
def test_what_a_judge_raises_ends_the_work(make: Any, error: Exception, expected: Any, said: str) -> None:
    class Failing(make):  # type: ignore[misc]
        def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
            raise error

    with pytest.raises(expected, match=said):
        judged(Failing(), 10)


def test_too_few_verdicts_are_an_error() -> None:
    class Short(Plain):
        def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
            return super().judge(requests)[1:]

    with pytest.raises(InputError, match=r"found \d for \d requests"):
        judged(Short(), 3)


@pytest.mark.parametrize(("kind", "times"), [("missing", 2), ("contradictory", 2), ("server_error", 1), ("tie", 1)])
def test_what_could_not_be_read_is_asked_once_more(kind: Any, times: int) -> None:
    class Unsure(Plain):
        def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
            super().judge(requests)
            return [unscored(kind, f"attempt {request.attempt}") for request in requests]

    judge = Unsure()
    assert judged(judge, 1)[0].error == f"{kind}: attempt {times - 1}"
    assert judge.batches == [["0"]] * times


def test_threads_are_what_the_servers_may_get() -> None:
    config = JudgeConfig(kind="llm", base_url=["http://a/v1", "http://b/v1"], model="m", max_concurrency=8)
    assert threads_for(config) == 16
    assert threads_for(JudgeConfig()) == 64
