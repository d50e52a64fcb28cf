"""Seconds of a step's parts in closed form: each as if it were alone, with lengths at their quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

from contextrl.planning.flops import Rows, backward_flops, decode_flops, forward_flops, read_flops
from contextrl.planning.gpus import Gpu
from contextrl.planning.memory import memory
from contextrl.planning.run import PlannedRun
from contextrl.planning.shape import ModelShape

#: Bytes that sharded training sends of each weight and micro-batch, bfloat16: gathered twice, gradients once.
_SENT = 3 * 2.0


@dataclass(frozen=True)
class Server:
    """One engine on some cards: reads prompts, and decodes all its sequences a token at a time.

    Attributes:
        places: sequences at once.
        read_rate: FLOP/s while reading; decode_rate: while decoding; bandwidth: bytes a second.
        overhead: seconds of a decoding step beside these.
        paused: seconds of gathering weights in each decoding step.
    """

    shape: ModelShape
    places: int
    read_rate: float
    bandwidth: float
    overhead: float
    paused: float = 0.0

    def step_seconds(self, active: float, context: float) -> float:
        """One token for each of so many sequences that hold so many tokens together."""
        memory_bound = (self.shape.half_bytes + context * self.shape.kv_bytes) / self.bandwidth
        products = active * (self.shape.cost.token + self.shape.cost.scored) + self.shape.cost.pair * context
        return self.overhead + self.paused + max(memory_bound, products / self.read_rate)

    def read_seconds(self, tokens: float, patches: float = 0.0) -> float:
        """A prompt that no cache holds."""
        return read_flops(self.shape, tokens, patches) / self.read_rate

    def drain_seconds(self, prompt: float, lengths: Sequence[float]) -> float:
        """All sequences decoded, begun at once as far as there are places: full for most, then the tail."""
        ordered = sorted(lengths, reverse=True)
        tail, before = _spread_out(ordered, self.places)
        full = 0.0
        if before:
            mean = sum(before) / len(before)
            at_once = self.step_seconds(self.places, self.places * (prompt + mean / 2))
            full = sum(before) / self.places * at_once
        seconds, done, active = full, 0.0, len(tail)
        for length in sorted(tail):
            seconds += (length - done) * self.step_seconds(active, active * (prompt + (length + done) / 2))
            done, active = length, active - 1
        return seconds


def _spread_out(ordered: list[float], places: int) -> tuple[list[float], list[float]]:
    """The last sequences to run, an even choice of all lengths, and those before them."""
    if len(ordered) <= places:
        return ordered, []
    last = {round(n * (len(ordered) - 1) / max(1, places - 1)) for n in range(places)}
    return [one for n, one in enumerate(ordered) if n in last], [one for n, one in enumerate(ordered) if n not in last]


def response_lengths(count: int, mean: float, spread: float, longest: float) -> list[float]:
    """Quantiles of a log-normal distribution cut at `longest`, at least a token each."""
    if count <= 0:
        return []
    sigma = math.sqrt(math.log1p(spread**2))
    normal = NormalDist(math.log(max(mean, 1.0)) - sigma**2 / 2, sigma) if sigma else None
    points = [(n + 0.5) / count for n in range(count)]
    return [min(longest, max(1.0, math.exp(normal.inv_cdf(p)) if normal else mean)) for p in points]


def policy_server(run: PlannedRun) -> tuple[Server, int]:
    """The engine that samples, and how many there are."""
    assumed, gpu, engine = run.assumptions, run.gpu, run.engine
    if engine.kind == "trainer":
        paused = run.policy.half_bytes / link_rate(run) if run.way == "fsdp2" and run.count > 1 else 0.0
        # Every row of a batch decodes until the last has ended; all of them are sampled at once.
        server = _server(run.policy, gpu, 1, max(1, run.local), run, assumed.plain_overhead)
        return replace(server, paused=paused), run.count
    cards = engine.cards if engine.kind == "server" else run.count
    found = memory(run)
    each = (run.lengths.prompt / run.generations + run.lengths.completion) * run.policy.kv_bytes
    places = max(1, min(1024, int(max(found.cache_room, 0.0) // each)))
    return _server(run.policy, gpu, engine.parallel, places, run, assumed.step_overhead), max(
        1, cards // engine.parallel
    )


def judge_server(run: PlannedRun) -> Server | None:
    """One replica of the judge; None where its model is not known or there is none."""
    judge = run.judge
    if judge.shape is None:
        return None
    return _server(judge.shape, run.gpu, judge.cards, judge.places, run, run.assumptions.step_overhead)


def _server(shape: ModelShape, gpu: Gpu, cards: int, places: int, run: PlannedRun, overhead: float) -> Server:
    assumed = run.assumptions
    rate, bandwidth = gpu.flops * assumed.prefill_mfu * cards, gpu.bandwidth * assumed.decode_bandwidth * cards
    return Server(shape, places, rate, bandwidth, overhead)


def link_rate(run: PlannedRun) -> float:
    """Bytes a second that a card exchanges with the others."""
    assumed = run.assumptions
    across = run.count > assumed.node
    return assumed.link_share * (assumed.network * 1e9 if across else run.gpu.link)


@dataclass(frozen=True)
class Phase:
    """One part of a step, all cards together: tokens read, tokens written, FLOPs, and its seconds if it were alone."""

    read: float
    written: float
    flops: float
    seconds: float


def sampling(run: PlannedRun) -> Phase:
    """Stage 1, with dynamic sampling's refills."""
    server, engines = policy_server(run)
    lengths = run.lengths
    rows = run.samples * run.rounds
    reads = rows / (run.generations if run.shared_prefix or run.engine.kind != "trainer" else 1)
    drawn = response_lengths(
        math.ceil(run.samples / engines), lengths.completion, run.assumptions.spread, lengths.completion_longest
    )
    reading = reads * server.read_seconds(lengths.prompt, lengths.patches) / engines
    flops = reads * read_flops(run.policy, lengths.prompt, lengths.patches)
    flops += rows * decode_flops(run.policy, lengths.prompt, lengths.completion)
    seconds = reading + run.rounds * server.drain_seconds(lengths.prompt, drawn)
    return Phase(reads * lengths.prompt, rows * lengths.completion, flops, seconds)


def second_stage(run: PlannedRun) -> Phase:
    """Retries of all-negative groups: their conversations share the prompt that is read already."""
    if not run.retried:
        return Phase(0, 0, 0, 0)
    server, engines = policy_server(run)
    lengths, rows = run.lengths, run.retried
    added = max(run.retry_prompt - lengths.prompt, 1.0)
    each = read_flops(run.policy, added, after=lengths.prompt)
    # All-negative groups are whole, so some engines have several and others none.
    groups = run.groups * run.assumptions.all_negative
    busiest = min(run.groups / engines, max(1.0, groups / engines + math.sqrt(groups / engines)))
    most = math.ceil(busiest * run.generations * run.retries)
    drawn = response_lengths(most, lengths.completion, run.assumptions.spread, lengths.completion_longest)
    seconds = most * each / server.read_rate + server.drain_seconds(run.retry_prompt, drawn)
    flops = rows * (each + decode_flops(run.policy, run.retry_prompt, lengths.completion))
    return Phase(rows * added, rows * lengths.completion, flops, seconds)


def judge_prompt(run: PlannedRun) -> float:
    """Tokens of a call that no cache holds: the response; instruction, picture and reference are shared by a group."""
    return run.lengths.completion


def judge_calls(run: PlannedRun) -> float:
    """Of a step."""
    if not run.judge.asked:
        return 0.0
    apart = run.samples * run.assumptions.all_negative if run.judge.apart and run.stage2 else 0.0
    return run.samples * run.rounds + run.retried + apart


def _judge_reading(run: PlannedRun, server: Server) -> float:
    """FLOPs of reading all calls' prompts; picture and reference once per group."""
    shared = run.lengths.prompt + run.assumptions.judge_text
    once = read_flops(server.shape, shared, run.lengths.patches)
    each = read_flops(server.shape, judge_prompt(run), after=shared)
    return run.groups * run.rounds * once + judge_calls(run) * each


def _judge_context(run: PlannedRun) -> float:
    return run.lengths.prompt + run.assumptions.judge_text + run.lengths.completion


def judge_work(run: PlannedRun) -> float:
    """Seconds in which one replica with all places taken does a step's calls; 0 for a judge that is not known."""
    server, calls = judge_server(run), judge_calls(run)
    if server is None or not calls:
        return 0.0
    places = min(float(server.places), calls)
    step = server.step_seconds(places, places * (_judge_context(run) + run.judge.reply / 2))
    return _judge_reading(run, server) / server.read_rate + calls * run.judge.reply * step / places


def judging(run: PlannedRun) -> Phase:
    """All calls of a step, as fast as the replicas answer."""
    calls = judge_calls(run)
    shared = run.lengths.prompt + run.assumptions.judge_text
    read = run.groups * run.rounds * shared + calls * judge_prompt(run)
    if not calls:
        return Phase(0, 0, 0, 0)
    server, replicas = judge_server(run), run.judge.replicas
    if server is None:
        places = run.judge.places * replicas
        return Phase(read, calls * run.judge.reply, 0.0, math.ceil(calls / places) * run.assumptions.judge_seconds)
    drawn = response_lengths(math.ceil(calls / replicas), run.judge.reply, 0.0, run.judge.reply)
    reading = _judge_reading(run, server)
    flops = reading + calls * decode_flops(server.shape, _judge_context(run), run.judge.reply)
    seconds = reading / server.read_rate / replicas + server.drain_seconds(_judge_context(run), drawn)
    return Phase(read, calls * run.judge.reply, flops, seconds)


def _micro(run: PlannedRun) -> Rows:
    lengths = run.lengths
    rows = run.rows * (1 + run.added / run.samples)
    prompts = run.prompts_read if run.shared_prefix else rows
    return Rows(prompts, rows, lengths.prompt, lengths.completion, lengths.patches)


def scoring(run: PlannedRun) -> Phase:
    """Passes without gradient: log-probabilities of the sampling policy and of the reference."""
    one = _micro(run)
    forwards = run.micro_batches * run.scoring
    flops = forwards * forward_flops(run.policy, one)
    seconds = forwards * _at_least(run, flops / max(forwards, 1) / (run.gpu.flops * run.assumptions.prefill_mfu), 1 / 3)
    return Phase(forwards * run.count * one.tokens, 0.0, flops * run.count, seconds)


def learning(run: PlannedRun) -> Phase:
    """Forward and backward of every micro-batch, and the update."""
    one = _micro(run)
    passes = run.micro_batches * run.updates
    each = forward_flops(run.policy, one) + backward_flops(run.policy, one, checkpointing=run.checkpointing)
    compute = each / (run.gpu.flops * run.assumptions.mfu)
    seconds = passes * _at_least(run, compute, 1.0)
    if run.way == "ddp" and run.count > 1:
        seconds += 2 * run.policy.trained_bytes / link_rate(run)
    return Phase(passes * run.count * one.tokens, 0.0, passes * each * run.count, seconds)


def _at_least(run: PlannedRun, compute: float, part: float) -> float:
    """Seconds of a forward (and backward) that weights which travel may hold up: both go on at once."""
    if run.way == "ddp" or run.count == 1:
        return compute
    return max(compute, part * _SENT * run.policy.parameters / link_rate(run))


def syncing(run: PlannedRun) -> float:
    """Seconds of bringing new weights to vLLM."""
    return 0.0 if run.engine.kind == "trainer" else 2 * run.policy.half_bytes / link_rate(run)
