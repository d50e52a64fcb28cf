"""A trainer and a vLLM of paper, for what can be known without either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contextrl.engines.vllm.requests import Answer, Request, image_runs
from contextrl.policy.prompts import Prompts

#: Token of images in these tests.
IMAGE = 9


def prompts_of(*rows: tuple[list[int], int]) -> Prompts:
    """Prompts of (ids, images); images are named by their place."""
    return Prompts(
        [ids for ids, _ in rows],
        {},
        [{} for _ in rows],
        [images for _, images in rows],
        [tuple(f"picture {n}.{i}" for i in range(images)) for n, (_, images) in enumerate(rows)],
    )


def answered(request: Request) -> Answer:
    """What a vLLM that is right would say; its samples name prompt and seed."""
    ids = [[sum(request.ids) % 97, (request.seed + n) % 97, 1] for n in range(request.samples)]
    return Answer(list(request.ids), image_runs(request.ids, IMAGE), ids, [[-0.5] * 3 for _ in ids])


class FakeClient:
    """TRL's client of a server, with what it was asked."""

    base_url = "http://fake"
    model = "policy"

    def __init__(self, lengths: Mapping[str, int] | None = None) -> None:
        self.lengths = dict(lengths or {})
        self.asked: list[dict[str, Any]] = []
        self.sent: list[list[tuple[str, Any]]] = []
        self.told: list[Any] = []
        self.reset: list[str] = []
        self.session = self

    def image_features(self, images: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """Features of a throw-away conversation: their places mean nothing."""
        (shown,) = images
        places = [{"offset": 3 + n, "length": self.lengths[str(image)]} for n, image in enumerate(shown)]
        return [{"mm_placeholders": {"image": places}, "kwargs_data": {"image": [str(image) for image in shown]}}]

    def _post(self, url: str, json: dict[str, Any]) -> dict[str, Any]:
        assert url == "http://fake/inference/v1/generate"
        self.asked.append(json)
        asked = json["sampling_params"]
        features = json["features"] or {"mm_placeholders": {"image": []}}
        one = answered(Request(json["token_ids"], (), asked["n"], asked["seed"]))
        choices = [
            {"index": n, "token_ids": ids, "logprobs": {"content": [{"logprob": value} for value in logps]}}
            for n, (ids, logps) in enumerate(zip(one.ids, one.logps, strict=True))
        ]
        # Servers give them in the order in which they end.
        return {
            "choices": choices[::-1],
            "prompt_token_ids": json["token_ids"],
            "mm_placeholders": features["mm_placeholders"],
        }

    def post(self, url: str) -> Any:
        self.reset.append(url.rsplit("/", 1)[1])
        return type("Response", (), {"status_code": 200})()

    def get(self, url: str) -> Any:
        text = (
            "# HELP vllm:prefix_cache_queries_total Tokens.\n"
            'vllm:prefix_cache_queries_total{engine="0"} 120.0\nvllm:prefix_cache_queries_total{engine="1"} 80.0\n'
            'vllm:prefix_cache_hits_total{engine="0"} 50.0\nvllm:prefix_cache_queries_created{engine="0"} 9e9\n'
        )
        return type("Response", (), {"text": text})()

    def reset_prefix_cache(self) -> None:
        self.reset.append("reset_prefix_cache")

    def update_named_params(self, told: Any, weights: Any) -> None:
        self.told.append(told)
        self.sent.append([(name, weight.clone()) for name, weight in weights])
