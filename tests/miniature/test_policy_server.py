"""The miniature's policy behind chat completions: greedy as in this process, drawn by each request's own seed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from contextrl.evaluation.answering.pictures import picture_url
from contextrl.evaluation.generation import generate_greedy
from contextrl.miniature import BASE_POLICY
from contextrl.miniature.policy_server import PolicyApp
from contextrl.miniature.tasks import miniature_examples

EXAMPLES = miniature_examples("dev", 3)


@pytest.fixture(scope="module")
def server() -> PolicyApp:
    return PolicyApp(str(BASE_POLICY), "policy")


def body(number: int, **settings: Any) -> dict[str, Any]:
    example = EXAMPLES[number]
    content: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": picture_url(handle, None)}} for handle in example.images
    ]
    content.append({"type": "text", "text": example.question})
    return {"model": "policy", "messages": [{"role": "user", "content": content}], "max_tokens": 40, **settings}


def answers(server: PolicyApp, bodies: Sequence[dict[str, Any]]) -> list[tuple[int, str]]:
    """Status and text of requests that are sent together."""

    async def one(client: TestClient[Any, Any], request: dict[str, Any]) -> tuple[int, str]:
        async with client.post("/v1/chat/completions", json=request) as reply:
            found = await reply.json()
            return reply.status, found["choices"][0]["message"]["content"] if reply.status == 200 else str(found)

    async def all_of_them() -> list[tuple[int, str]]:
        async with TestClient(TestServer(server.app())) as client:
            return list(await asyncio.gather(*(one(client, request) for request in bodies)))

    return asyncio.run(all_of_them())


def test_greedy_answers_are_those_of_this_process(server: PolicyApp) -> None:
    expected = generate_greedy(server.model, server.prompting, EXAMPLES, max_new_tokens=40)
    assert [text for _, text in answers(server, [body(n) for n in range(3)])] == [one.text for one in expected]


def test_an_answer_is_drawn_by_its_own_seed_whatever_is_drawn_beside_it(server: PolicyApp) -> None:
    seeds = range(6)
    together = answers(server, [body(0, temperature=2.0, seed=seed) for seed in seeds] + [body(1), body(2, seed=9)])
    alone = [answers(server, [body(0, temperature=2.0, seed=seed)])[0] for seed in (0, 3)]
    assert [together[0], together[3]] == alone
    assert len({text for _, text in together[:6]}) > 1, "seeds draw different answers"


def test_without_a_seed_answers_differ(server: PolicyApp) -> None:
    assert len(set(answers(server, [body(0, temperature=2.0) for _ in range(6)]))) > 1


@pytest.mark.parametrize("settings", [{"temperature": -1}, {"temperature": "warm"}, {"top_p": 0}, {"seed": "x"}])
def test_settings_that_mean_nothing_are_refused(server: PolicyApp, settings: dict[str, Any]) -> None:
    assert answers(server, [body(0, **settings)])[0][0] == 400
