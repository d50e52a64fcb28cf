"""Reading replies holds nothing else up, and time-outs fire meanwhile."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from raw_server import completion, plain, running_raw_server, verdict

from contextrl.judge.llm import judge as module
from contextrl.judge.llm.building import llm_judge
from contextrl.judge.llm.parsing import Reading
from contextrl.judge.protocol import JudgeRequest
from contextrl.judge.settings import JudgeConfig
from contextrl.loop import off_loop
from contextrl.records.example import Example

EXAMPLE = Example("a", "What is the total?", "2 + 3 = 5. Answer: 5", "5", "number")
LONG = "a" * 100_000


def test_long_work_leaves_the_loop_free() -> None:
    """The work waits for what only the loop can do meanwhile."""
    done = threading.Event()

    async def both() -> bool:
        asyncio.get_running_loop().call_later(0.01, done.set)
        return await off_loop(lambda _: done.wait(10), LONG)

    assert asyncio.run(both())


def test_long_work_is_left_behind_when_its_time_is_over() -> None:
    done = threading.Event()

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await off_loop(lambda _: done.wait(10), LONG, 0.05)
        done.set()

    asyncio.run(run())


def test_short_work_is_done_at_once_and_errors_come_through() -> None:
    threads = []

    async def run() -> None:
        await off_loop(lambda _: threads.append(threading.current_thread()), "short")
        with pytest.raises(ZeroDivisionError):
            await off_loop(lambda text: len(text) // 0, LONG)

    asyncio.run(run())
    assert threads == [threading.current_thread()]


def test_a_reply_that_takes_too_long_to_read_is_a_time_out_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    parse = module.parse_reply

    def slow(text: str, **wishes: Any) -> Reading:
        if len(text) > 10_000:
            done.wait(20)
        return parse(text, **wishes)

    monkeypatch.setattr(module, "parse_reply", slow)
    settings = {"kind": "llm", "model": "m", "cache": False, "timeouts": {"connect": 2.0, "read": 2.0, "total": 0.6}}
    with running_raw_server(
        lambda request: [(0, plain(completion("[" * 50_000) if request.asked == 0 else verdict(correct=True)))]
    ) as server:
        judge = llm_judge(JudgeConfig.model_validate(settings | {"base_url": server.url}), "none")
        order = []
        for index, found in judge.stream([JudgeRequest(EXAMPLE, f"It is 5, number {n}", "none") for n in range(20)]):
            order.append((index, found.error_kind or found.status))
        done.set()
        judge.close()
    assert order[-1] == (0, "timeout")
    assert [outcome for _, outcome in order[:-1]] == ["correct"] * 19


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 3_000_000,
        b"[" + b"1," * 2_000_000 + b"1]",
        b'{"usage": {"prompt_tokens": 1' + b"0" * 3_000_000 + b"}}",
        b"{" + b'"a":{' * 700_000,
        b" " * 5_000_000,
        b'{"choices": [{"message": {"content": "' + b"\\u4e2d" * 800_000 + b'"}}]}',
    ],
    ids=["nested", "many", "endless", "objects", "too large", "too long a text"],
)
def test_a_hostile_body_is_one_unscored_verdict(content: bytes) -> None:
    settings = {"kind": "llm", "model": "m", "cache": False, "max_retries": 0}
    with running_raw_server(
        lambda request: [(0, plain(content if request.asked == 0 else verdict(correct=True)))]
    ) as s:
        judge = llm_judge(JudgeConfig.model_validate(settings | {"base_url": s.url}), "none")
        verdicts = judge.judge([JudgeRequest(EXAMPLE, f"It is 5, number {n}", "none") for n in range(4)])
        judge.close()
    assert verdicts[0].error_kind == "malformed"
    assert [found.status for found in verdicts[1:]] == ["correct"] * 3
