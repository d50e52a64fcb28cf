"""The client of `contextrl eval` beside a bare load generator, with pictures; and its memory over many questions.

    python benchmarks/eval_client.py [--seconds 24] [--rounds 3] [--rate 40] [--limit-rate 1000] [--json FILE]

A server in its own process reads each request whole and answers after a time drawn around concurrency / rate, as one
does that can give so many answers a second (an 8B model on one GPU: about 40 with a picture each). The bare generator
(aiohttp, connections kept) sends one body that was made beforehand; the client makes every question's data URL and
body, reads the reply and writes the answer file. Both run in turn, round by round. At --limit-rate neither keeps up:
what they then reach is what this machine's processors leave them. Memory is the peak of a process of its own that
answers 1,000 and 10,000 questions.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from aiohttp import web
from PIL import Image

from contextrl.data.images import image_from_bytes
from contextrl.evaluation.answering.answer_file import AnswerFile, Identity, answer_all
from contextrl.evaluation.answering.pictures import picture_url
from contextrl.evaluation.answering.questions import Question
from contextrl.evaluation.answering.server import ServerModel, request_fields
from contextrl.evaluation.benchmarks.items import Sampling
from contextrl.judge.llm.completions import completions_of, conversation_json
from contextrl.judge.llm.dialect import request_body
from contextrl.judge.llm.naming import Naming
from contextrl.judge.settings import ServerConfig
from contextrl.miniature.chat_app import MAX_BODY_BYTES, completion_body, name_requests, serve_app

SAMPLING = Sampling()
PROMPT = "What is shown? " * 20


@cache
def jpeg(seed: int) -> bytes:
    """A picture of 640x480 pixels, 90 kB or so."""
    coarse = np.random.default_rng(seed).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC).save(buffer, format="JPEG", quality=92)
    return buffer.getvalue()


def serve(latency: float) -> None:
    """Answers after 0.75 to 1.25 times the latency."""
    data = json.dumps(completion_body("The answer is (B). " * 20, model="m", prompt_tokens=400)).encode("ascii")
    draws = random.Random(0)

    async def complete(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(latency * draws.uniform(0.75, 1.25))
        return web.Response(body=data, content_type="application/json")

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/v1/chat/completions", complete)
    asyncio.run(serve_app(name_requests(app), "127.0.0.1", 0, "{url}"))


@contextmanager
def server(latency: float) -> Iterator[str]:
    command = [sys.executable, __file__, "--serve", "--latency", str(latency)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def questions(count: int) -> Iterator[Question]:
    """Questions of their own, each with a picture that is still encoded, as rows come.

    Opening pictures is reading rows, so few are opened and shown again and again; none is kept encoded anew.
    """
    pictures = [image_from_bytes(jpeg(seed)) for seed in range(4)]
    for number in range(count):
        yield Question(f"q{number}", f"{PROMPT}{number}", (pictures[number % 4],))


def steady(times: list[float], concurrency: int) -> float:
    """Answers a second while the server was full: without the first and the last `concurrency` of them."""
    return (len(times) - 2 * concurrency) / (times[-concurrency] - times[concurrency])


def client(url: str, concurrency: int, count: int) -> list[float]:
    """When the answers came."""
    completions = completions_of(ServerConfig(base_url=url, model="m", max_concurrency=concurrency), Naming("server"))
    times = []
    with tempfile.TemporaryDirectory() as folder:
        with AnswerFile(Path(folder) / "a.jsonl", Identity("b", "official", "m", SAMPLING)) as file:
            for answer in answer_all(questions(count), ServerModel(completions), file):
                assert answer.response is not None
                times.append(time.perf_counter())
        assert len(times) == count
    completions.close()
    return times


async def bare(url: str, concurrency: int, count: int) -> list[float]:
    """When the answers to aiohttp alone came."""
    times = []
    urls = [picture_url(image_from_bytes(jpeg(0)))]
    body = request_body({"model": "m", **request_fields(SAMPLING)}, conversation_json(PROMPT, image_urls=urls))
    numbers = iter(range(count))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def work() -> None:
            for _ in numbers:
                async with session.post(f"{url}/chat/completions", data=body) as response:
                    await response.read()
                times.append(time.perf_counter())

        await asyncio.gather(*(work() for _ in range(concurrency)))
    return times


def throughput(concurrency: int, rate: float, seconds: float, rounds: int) -> dict[str, Any]:
    """Answers a second of both against a server of a rate."""
    count = int(rate * seconds)
    plain, ours, cpu = [], [], []
    with server(concurrency / rate) as url:
        for _ in range(rounds):
            plain.append(steady(asyncio.run(bare(url, concurrency, count)), concurrency))
            used = time.process_time()
            ours.append(steady(client(url, concurrency, count), concurrency))
            cpu.append(1000 * (time.process_time() - used) / count)
    ratios = [mine / theirs for mine, theirs in zip(ours, plain, strict=True)]
    return {
        "concurrency": concurrency,
        "rate": rate,
        "questions": count,
        "bare_per_second": statistics.median(plain),
        "client_per_second": statistics.median(ours),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "client_cpu_ms": statistics.median(cpu),
    }


def memory(url: str, count: int) -> float:
    """Peak of a process that answers so many questions, in megabytes."""
    done = subprocess.run(
        [sys.executable, __file__, "--answer", url, "--count", str(count)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=24.0, help="of one measurement, about")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=40.0, help="answers a second that the server can give")
    parser.add_argument("--limit-rate", type=float, default=1000.0)
    parser.add_argument("--latency", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--answer", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.latency)
        return
    if given.answer:
        client(given.answer, 256, given.count)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    figures: dict[str, Any] = {"picture_bytes": len(jpeg(0)), "throughput": [], "memory": {}}
    print(f"pictures of {len(jpeg(0)) / 1000:.0f} kB, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    for rate, seconds in ((given.rate, given.seconds), (given.limit_rate, 800 / given.limit_rate)):
        for concurrency in (64, 256):
            row = throughput(concurrency, rate, seconds, given.rounds)
            figures["throughput"].append(row)
            print(
                f"a server of {rate:4.0f}/s, concurrency {concurrency:3d}: {row['client_per_second']:5.1f} answers/s, "
                f"{row['ratio']:.3f} of the bare generator's {row['bare_per_second']:5.1f}; "
                f"client CPU {row['client_cpu_ms']:.2f} ms an answer"
            )
    with server(0.25) as url:
        for count in (1_000, 10_000):
            figures["memory"][count] = memory(url, count)
            print(f"{count:6,} questions at concurrency 256: peak {figures['memory'][count]:.0f} MB")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
