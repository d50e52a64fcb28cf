"""A benchmark of sums, and servers for it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from PIL import Image

from contextrl.data.images import image_from_bytes
from contextrl.evaluation.answering.answer_file import Identity
from contextrl.evaluation.benchmarks.benchmark import Benchmark
from contextrl.evaluation.benchmarks.items import Item, Mark, Protocol, Response, Sampling, Scored, Scorer, Source
from contextrl.evaluation.benchmarks.metrics import Metrics
from contextrl.evaluation.benchmarks.steps import Step
from contextrl.judge.llm.completions import Completions, completions_of
from contextrl.judge.llm.naming import Naming
from contextrl.judge.settings import ServerConfig

SAMPLING = Sampling(max_tokens=50)
IDENTITY = Identity("toy", "official", "m", SAMPLING, data="rows@1")


class Toy(Benchmark):
    name = "toy"
    title = "Toy"
    family = "reasoning"
    source = Source("none/none", "test", 3, "none", ("question", "options"))
    columns: ClassVar[Mapping[str, str]] = {}
    headline = "accuracy"

    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        return Item(str(position), row)

    def prompt(self, item: Item, protocol: Protocol) -> str:
        return f"{protocol}: {item.columns['question']} {item.columns.get('options', '')}".strip()

    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        return Mark(float(response.text == item.columns["answer"]))

    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        return {}


def picture(shade: int, size: tuple[int, int] = (4, 3), kind: str = "PNG", **saving: Any) -> Image.Image:
    """One that is still encoded, as rows have it."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, 0, 0)).save(buffer, format=kind, **saving)
    return image_from_bytes(buffer.getvalue())


def client_at(url: str, **changes: Any) -> Completions:
    """One that loses patience quickly."""
    settings: dict[str, Any] = {
        "base_url": url,
        "model": "m",
        "max_retries": 1,
        "timeouts": {"connect": 1.0, "read": 2.0, "total": 5.0},
        "patience": 1.0,
    }
    return completions_of(ServerConfig.model_validate(settings | changes), Naming("model server"))
