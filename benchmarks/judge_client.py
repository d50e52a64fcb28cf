"""The judge's client against servers of known behaviour: throughput, client CPU, caching, and a storm of faults.

    python benchmarks/judge_client.py [--calls 12000] [--faulty-calls 10000] [--json FILE]

Throughput: a server in its own process answers after a fixed 50 ms; the ideal is concurrency / 50 ms. Beside the judge
(prompts, cache, parsing, accounting included) runs the bare HTTP client, which sends the same bytes and reads nothing:
what it reaches is what this machine's two processes can do. Faults: every request must end in one verdict or one
unscored verdict, and no conversation may be answered twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from contextrl.judge.llm.building import llm_judge
from contextrl.judge.llm.judge import LLMJudge
from contextrl.judge.protocol import JudgeRequest
from contextrl.judge.settings import JudgeConfig
from contextrl.records.example import Example
from contextrl.records.verdict import Usage

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "judge" / "llm"))
from fault_server import FaultServer, running_fault_server  # type: ignore[import-not-found]

LATENCY = 0.05


def judge_at(url: str, **changes: Any) -> LLMJudge:
    settings = {"kind": "llm", "base_url": url, "model": "m", "gate": False, **changes}
    return llm_judge(JudgeConfig.model_validate(settings), "solution")


def requests_of(count: int) -> list[JudgeRequest]:
    """Distinct questions with a worked solution and a response of a few steps."""
    return [
        JudgeRequest(
            Example(f"e{n}", f"A train travels {n} km and then 7 km more. How far?", f"{n} + 7 = {n + 7}.", str(n + 7)),
            f"It first travels {n} km. Then it travels 7 km. Together, {n} + 7 = {n + 7}. Answer: {n + 7}",
        )
        for n in range(count)
    ]


def throughput(server: FaultServer, concurrency: int, calls: int, folder: Path) -> dict[str, Any]:
    """Calls a second and client CPU of the judge, then of a second run over the same input."""
    judge = judge_at(server.url, max_concurrency=concurrency, cache=folder / f"{concurrency}.sqlite")
    requests = requests_of(calls + concurrency)
    judge.judge(requests[:concurrency])  # opens the connections
    cpu, started = time.process_time(), time.perf_counter()
    verdicts = judge.judge(requests[concurrency:])
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert sum((verdict.usage for verdict in verdicts), Usage()).calls == calls
    again = sum((verdict.usage for verdict in judge.judge(requests)), Usage())
    judge.close()
    ideal, bare = concurrency / LATENCY, asyncio.run(bare_client(server.url, concurrency, calls))
    return {
        "concurrency": concurrency,
        "calls_per_second": calls / seconds,
        "share_of_ideal": calls / seconds / ideal,
        "bare_client_share_of_ideal": bare / ideal,
        "cpu_ms_per_call": 1000 * cpu / calls,
        "calls_of_second_run": again.calls,
    }


async def bare_client(url: str, concurrency: int, calls: int) -> float:
    """Calls a second of aiohttp alone."""
    body = json.dumps(
        {"model": "m", "messages": [{"role": "system", "content": "Task: verify"}, user_message("word " * 250)]}
    )
    numbers = iter(range(calls))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def work() -> None:
            for _ in numbers:
                async with session.post(f"{url}/chat/completions", data=body) as response:
                    await response.read()

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(concurrency)))
        return calls / (time.perf_counter() - started)


def user_message(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def storm(server: FaultServer, calls: int) -> dict[str, Any]:
    """Mixed faults, recoverable and not, at concurrency 256."""
    server.control(fault="mixed")
    timeouts = {"connect": 5.0, "read": 1.0, "total": 20.0}
    judge = judge_at(server.url, max_concurrency=256, cache=False, max_failures=calls, timeouts=timeouts, max_retries=4)
    seen: Counter[int] = Counter()
    outcomes: Counter[str] = Counter()
    started = time.perf_counter()
    for index, verdict in judge.stream(requests_of(calls)):
        seen[index] += 1
        outcomes[verdict.error_kind or verdict.status] += 1
    judge.close()
    delivered: Sequence[int] = list(server.log()["delivered"].values())
    return {
        "requests": calls,
        "answered": len(seen),
        "answered_twice": sum(count > 1 for count in seen.values()),
        "delivered_twice": sum(count > 1 for count in delivered),
        "seconds": time.perf_counter() - started,
        "outcomes": dict(outcomes.most_common()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=12_000)
    parser.add_argument("--faulty-calls", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"throughput": []}
    with running_fault_server("--plain", "--latency", str(LATENCY)) as server, tempfile.TemporaryDirectory() as folder:
        for concurrency in (64, 256):
            row = throughput(server, concurrency, arguments.calls, Path(folder))
            figures["throughput"].append(row)
            print(
                "concurrency {concurrency:3d}: {calls_per_second:5.0f} calls/s, {share_of_ideal:.2f} of the ideal "
                "(bare client {bare_client_share_of_ideal:.2f}), client CPU {cpu_ms_per_call:.2f} ms a call; "
                "second run {calls_of_second_run} calls".format(**row)
            )
    with running_fault_server() as server:
        figures["storm"] = result = storm(server, arguments.faulty_calls)
        print(
            f"{result['requests']} mixed faults: {result['answered']} answered, {result['answered_twice']} twice, "
            f"{result['delivered_twice']} conversations answered twice by the server, {result['seconds']:.0f} s"
        )
        print(", ".join(f"{name} {count}" for name, count in result["outcomes"].items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
