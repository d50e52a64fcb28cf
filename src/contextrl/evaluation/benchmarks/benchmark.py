"""What every benchmark says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.items import (
    GREEDY,
    VLMEVALKIT,
    Family,
    Item,
    Protocol,
    Response,
    Sampling,
    Scored,
    Scorer,
    Source,
)
from contextrl.evaluation.benchmarks.metrics import Metrics
from contextrl.evaluation.benchmarks.steps import Step

#: The key under which a row tells the configuration or split that it was read from, beside its own columns; a row that
#: has one of its own keeps it.
CONFIG = "_config"


class Benchmark(ABC):
    """Rows to prompts, responses to marks, marks to figures; stateless.

    Attributes:
        name: as it is asked for: `mmstar`.
        title: as the paper writes it.
        family: which half of table 1 it stands in.
        source: its rows.
        columns: metrics in table 1's order, with the column's heading there.
        headline: the metric that stands for the benchmark.
        scorers: what its responses can be scored by; `robust` where a protocol's rule is known to misread.
        notes: by scorer, what a reader of its figures must know: traps that are reproduced, columns that are inferred.
        judge_prompts: by scorer, the prompts (of `prompts/`) that a judge may be asked with; their hash is part of a
            result.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    family: ClassVar[Family]
    source: ClassVar[Source]
    columns: ClassVar[Mapping[str, str]]
    headline: ClassVar[str]
    scorers: ClassVar[tuple[Scorer, ...]] = ("official", "vlmevalkit", "robust")
    notes: ClassVar[Mapping[Scorer, str]] = {}
    judge_prompts: ClassVar[Mapping[Scorer, tuple[str, ...]]] = {}

    @abstractmethod
    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        """A row's question; None for rows that the benchmark does not score (text-only versions, an empty answer).

        Args:
            position: of the row among all that are read, from 0; `row[CONFIG]` names its configuration, None where a
                local copy does not tell.

        Raises:
            InputError: the row lacks a column, or one is not what it must be.
        """

    @abstractmethod
    def prompt(self, item: Item, protocol: Protocol) -> str:
        """The user's turn; pictures come before it."""

    @abstractmethod
    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        """Score one response. Pure; never raises, whatever the response says.

        Args:
            seed: of the random options that VLMEvalKit's protocol draws.
        """

    @abstractmethod
    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        """All figures, table 1's columns among them; items without a score are left out of what they belong to."""

    def counts(self, item: Item, scorer: Scorer) -> bool:
        """Whether a scorer's figures are over this question too; one that they leave out is not counted."""
        del item, scorer
        return True

    def sampling(self, protocol: Protocol) -> Sampling:
        """How responses are sampled."""
        return VLMEVALKIT if protocol == "vlmevalkit" else GREEDY

    def without_question(self, item: Item) -> Item:
        """The same item without its question, options kept: what a model then gets right is guessed or leaked."""
        return replace(item, columns={**item.columns, "question": ""})


def text_of(row: Mapping[str, Any], column: str, where: str) -> str:
    """A column's text; numbers are written out.

    Raises:
        InputError: the column is not there, or holds neither text nor a number.
    """
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        found = "no such column" if column not in row else type(value).__name__
        raise InputError("text", found=found, where=f"{where}, column {column!r}")
    return str(value)
