"""What a benchmark is made of: where its rows are, one question, one answer to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from contextrl.records.example import ImageHandle

#: `official`: the authors' prompt, extraction and rule. `vlmevalkit`: VLMEvalKit's, which the paper ran.
Protocol = Literal["official", "vlmevalkit"]
#: A protocol's scorer, or `robust`: rules that read what a response says where a protocol's rule is known to misread.
Scorer = Literal["official", "vlmevalkit", "robust"]
Family = Literal["perception", "reasoning"]
How = Literal["rule", "judge", "random", "unresolved", "failed"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)


@dataclass(frozen=True)
class Source:
    """Where a benchmark's rows are.

    Attributes:
        hub: owner/name at the hub.
        configs: its configurations, read one after another; `None` is the default one.
        split: of each configuration.
        by_split: whether what `configs` names are splits of the default configuration.
        files: how the parquet files of each of `configs` begin at the hub, where they do not begin with its name.
        revision: commit that the scorers were written against; None where none is known.
        rows: how many questions are scored.
        licence: as its authors state it.
        columns: that every row has.
    """

    hub: str
    split: str
    rows: int
    licence: str
    columns: tuple[str, ...]
    configs: tuple[str | None, ...] = (None,)
    revision: str | None = None
    by_split: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        id: the benchmark's own, unique within it.
        columns: what prompt and scorer read, of JSON's types; no pictures.
        images: pictures in the prompt's order; empty once they have been shown.
        cluster: what it shares with questions that are not independent of it (a picture, a problem, a seed question):
            intervals resample clusters.
    """

    id: str
    columns: Mapping[str, Any]
    images: tuple[ImageHandle, ...] = ()
    cluster: str = ""


@dataclass(frozen=True)
class Response:
    """A model's answer: its text without special tokens; `truncated` if the length limit ended it."""

    text: str
    truncated: bool = False


@dataclass(frozen=True)
class Sampling:
    """How a protocol samples. `temperature` 0 is greedy; None leaves a field to the server."""

    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    max_tokens: int = 4096
    seed: int = 0


#: The default of every benchmark whose authors sample greedily.
GREEDY = Sampling()
#: VLMEvalKit's settings for Qwen3-VL Instruct: not greedy.
VLMEVALKIT = Sampling(temperature=0.7, top_p=0.8, top_k=20, presence_penalty=1.5, max_tokens=16_384)


@dataclass(frozen=True)
class Mark:
    """How one response was scored.

    Attributes:
        score: 1 right, 0 wrong; None where nobody could tell (a judgement that failed): counted apart.
        extracted: the answer as it was read; None where none was found.
        how: `rule`, `judge`, `random` (VLMEvalKit's unresolved choices), `unresolved` (no answer found, wrong),
            `failed` (no judgement).
        label: a finer grade than right and wrong, where a benchmark has one (`not_attempted`).
        detail: why there is no score, for people.
    """

    score: float | None
    extracted: str | None = None
    how: How = "rule"
    label: str = ""
    detail: str = ""


def failed(detail: str) -> Mark:
    """No judgement: counted apart, never as wrong."""
    return Mark(None, how="failed", detail=detail)


@dataclass(frozen=True)
class Scored:
    """An item and its mark."""

    item: Item
    mark: Mark = field(default_factory=lambda: failed("no answer"))
