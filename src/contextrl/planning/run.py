"""A run in numbers: what is sampled, judged and learned in a step, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from contextrl.planning.assumptions import Assumptions
from contextrl.planning.gpus import Gpu
from contextrl.planning.shape import ModelShape

#: How a model is shared out over processes.
Way = Literal["ddp", "fsdp2", "zero3"]


@dataclass(frozen=True)
class Lengths:
    """Tokens of prompts and responses.

    Attributes:
        prompt, prompt_longest: with pictures; picture: tokens of a prompt's pictures; patches: of them before merging.
        completion, completion_longest: of a response.
        measured: whether prompts are those of the run's rows.
    """

    prompt: float
    prompt_longest: float
    patches: float
    patches_longest: float
    completion: float
    completion_longest: float
    measured: bool = False


@dataclass(frozen=True)
class Engine:
    """What samples.

    Attributes:
        kind: `trainer`: transformers or shared prefix. `colocate`, `server`: vLLM.
        share: of a card's memory that vLLM takes.
        parallel: cards of one vLLM engine.
        sleeps: it gives its memory back while the policy learns.
        cards: of a server, beside those that train.
    """

    kind: Literal["trainer", "colocate", "server"] = "trainer"
    share: float = 0.3
    parallel: int = 1
    sleeps: bool = False
    cards: int = 0


@dataclass(frozen=True)
class JudgeSetup:
    """Who judges.

    Attributes:
        shape: its model; None where it is not known, or no model at all.
        asked: whether a server is asked.
        replicas, cards: servers, and cards of each.
        places: calls at once, of each.
        reply: tokens of an answer.
        apart: reports are asked for in a call of their own.
    """

    shape: ModelShape | None = None
    asked: bool = False
    replicas: int = 1
    cards: int = 1
    places: int = 64
    reply: float = 700.0
    apart: bool = False


@dataclass(frozen=True)
class PlannedRun:
    """All that a plan is made from.

    Attributes:
        rows: samples of a micro-batch, of each process; micro_batches: of a step.
        generations: G, 1 where nothing is sampled.
        steps: optimizer steps, None where rows are not known.
        scoring: passes over every row without gradient: old and reference.
        reference: a second copy of the weights is held.
        updates: optimizer passes over each generation batch.
        checkpointing, shared_prefix, autocast: as in the configuration.
        optimizer_bytes: of one process that shares nothing.
        stage2, retries, context, dynamic: whether groups are retried, times each negative, tokens of their prompts at
            most, and rounds of refilling.
    """

    policy: ModelShape
    method: str
    gpu: Gpu
    count: int
    way: Way
    rows: int
    micro_batches: int
    generations: int
    steps: int | None
    lengths: Lengths
    engine: Engine
    judge: JudgeSetup
    assumptions: Assumptions
    scoring: int
    reference: bool
    checkpointing: bool
    shared_prefix: bool
    autocast: bool
    optimizer_bytes: float
    updates: int = 1
    stage2: bool = False
    retries: int = 1
    context: int = 4096
    dynamic: int = 0

    @property
    def local(self) -> int:
        """Samples of a step on one process."""
        return self.rows * self.micro_batches

    @property
    def samples(self) -> int:
        """Samples of a step."""
        return self.local * self.count

    @property
    def groups(self) -> int:
        """Prompts of a step."""
        return max(1, self.samples // self.generations)

    @property
    def rounds(self) -> float:
        """How often a step's groups are sampled, with dynamic sampling's refills."""
        again = self.assumptions.no_spread
        return sum(again**n for n in range(self.dynamic + 1))

    @property
    def retried(self) -> float:
        """Retries of a step, stage 2."""
        return self.samples * self.assumptions.all_negative * self.retries if self.stage2 else 0.0

    @property
    def added(self) -> float:
        """Retries that are learned from."""
        return self.retried * self.assumptions.kept

    @property
    def retry_prompt(self) -> float:
        """Tokens of a retry's prompt: the prompt, the failed response and its report."""
        report = self.judge.reply / 3
        return min(self.lengths.prompt + self.lengths.completion + report + 40, float(self.context))

    @property
    def prompts_read(self) -> float:
        """How often a micro-batch of `rows` reads a prompt."""
        return -(-self.rows // self.generations) if self.shared_prefix else float(self.rows)

    @property
    def cards(self) -> int:
        """All that are paid for."""
        judges = self.judge.replicas * self.judge.cards if self.judge.shape is not None else 0
        return self.count + self.engine.cards + judges
