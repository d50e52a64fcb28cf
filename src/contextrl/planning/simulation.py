"""A step as events: engines, judges and learner, each group on its way through them (SimPy).

A group is judged as soon as it is complete, while others are sampled; retries begin when all of them are sampled, and
with several processes when all are judged, because processes enter generation together. The policy learns when all are
done. Closed form and simulation share what a decoding step takes; waiting, tails and overlap are what the simulation
adds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import simpy

from contextrl.planning.flops import read_flops
from contextrl.planning.run import PlannedRun
from contextrl.planning.speed import (
    Server,
    judge_prompt,
    judge_server,
    learning,
    policy_server,
    scoring,
    syncing,
)

#: How sampling and judging follow one another: the one waits for the other, groups are judged while others are sampled,
#: and judged ones are retried while others are judged.
Flow = Literal["one after the other", "judged early", "retried early"]
FLOWS: tuple[Flow, ...] = get_args(Flow)
#: Events of SimPy, which is not typed as narrowly.
Events = Generator[Any, Any, None]
#: A sequence that has less than this of a token to go is done.
_DONE = 1e-9


@dataclass(frozen=True)
class SimulatedStep:
    """Means over the simulated steps, in seconds.

    Attributes:
        seconds: of a whole step; rollout: until the last group is done.
        first_stage: until the last group is sampled.
        engine_idle, judge_idle: share of the rollout in which an engine or replica has nothing to do, means.
        judge_waiting: from the last sampled group until the last verdict.
        recovered: groups of a step that were retried.
    """

    seconds: float
    rollout: float
    first_stage: float
    engine_idle: float
    judge_idle: float
    judge_waiting: float
    recovered: float


class ContinuousBatching:
    """A server that decodes all its sequences together; those beyond its places wait in line.

    Attributes:
        busy: seconds with something to do.
    """

    def __init__(self, env: simpy.Environment, server: Server) -> None:
        self.env, self.server, self.busy = env, server, 0.0
        self._waiting: list[tuple[float, float, float, simpy.Event]] = []
        self._active: list[list[Any]] = []
        self._wake = env.event()
        env.process(self._serve())

    def submit(self, reading: float, context: float, tokens: float) -> simpy.Event:
        """A sequence.

        Args:
            reading: seconds of reading its prompt; context: tokens of it; tokens: that it will write.
        """
        done = self.env.event()
        self._waiting.append((reading, context, max(tokens, 1.0), done))
        if not self._wake.triggered:
            self._wake.succeed()
        return done

    def _serve(self) -> Events:
        while True:
            reading = self._admit()
            if reading:
                self.busy += reading
                yield self.env.timeout(reading)
                continue
            self._wake = self.env.event()
            if not self._active:
                yield self._wake
                continue
            shortest = min(one[1] for one in self._active)
            context = sum(one[0] + shortest / 2 for one in self._active)
            step = self.server.step_seconds(len(self._active), context)
            began = self.env.now
            yield self._wake | self.env.timeout(shortest * step)
            self.busy += self.env.now - began
            self._advance((self.env.now - began) / step)

    def _admit(self) -> float:
        free = self.server.places - len(self._active)
        admitted, self._waiting = self._waiting[:free], self._waiting[free:]
        self._active += [[context, tokens, done] for _, context, tokens, done in admitted]
        return sum(reading for reading, *_ in admitted)

    def _advance(self, tokens: float) -> None:
        still = []
        for one in self._active:
            one[0] += tokens
            one[1] -= tokens
            if one[1] <= _DONE:
                one[2].succeed()
            else:
                still.append(one)
        self._active = still


class _FixedLatency:
    """A judge that answers after so many seconds, as many calls at once as it has places."""

    def __init__(self, env: simpy.Environment, places: int, seconds: float) -> None:
        self.env, self.seconds, self.busy = env, seconds, 0.0
        self._places = simpy.Resource(env, places)

    def submit(self, *_: float) -> simpy.Process:
        return self.env.process(self._call())

    def _call(self) -> Events:
        with self._places.request() as place:
            yield place
            yield self.env.timeout(self.seconds)


class _Step:
    """One rollout: its groups, engines and judges."""

    def __init__(self, run: PlannedRun, seed: int, flow: Flow) -> None:
        self.run, self.seed, self.env = run, seed, simpy.Environment()
        server, count = policy_server(run)
        self.server = server
        self.engines = [ContinuousBatching(self.env, server) for _ in range(count)]
        self.judge = judge_server(run)
        self.judges: list[Any] = []
        if run.judge.asked and self.judge is None:
            places = run.judge.places * run.judge.replicas
            self.judges = [_FixedLatency(self.env, places, run.assumptions.judge_seconds)]
        elif run.judge.asked and self.judge is not None:
            self.judges = [ContinuousBatching(self.env, self.judge) for _ in range(run.judge.replicas)]
        self.sampled = self.retried = 0.0
        self._next_judge = 0
        self.flow = flow
        self._reached = [0.0] * run.groups
        self._barriers: dict[float, Any] = {}

    def roll_out(self) -> None:
        groups = [self.env.process(self._whole(n)) for n in range(self.run.groups)]
        self.env.run(until=simpy.AllOf(self.env, groups))

    def _whole(self, number: int) -> Events:
        yield from self._group(number)
        self._reach(number, math.inf)

    def _meet(self, number: int, phase: float, *flows: Flow) -> Events:
        """In some flows, wait until every group has come as far or is done."""
        if self.flow in flows:
            barrier = self._barriers.setdefault(phase, self.env.event())
            self._reach(number, phase)
            yield barrier

    def _reach(self, number: int, phase: float) -> None:
        self._reached[number] = phase
        slowest = min(self._reached)
        for reached, barrier in self._barriers.items():
            if reached <= slowest and not barrier.triggered:
                barrier.succeed()

    def _length(self, chance: random.Random) -> float:
        lengths, spread = self.run.lengths, self.run.assumptions.spread
        sigma = math.sqrt(math.log1p(spread**2))
        drawn = chance.lognormvariate(math.log(max(lengths.completion, 1.0)) - sigma**2 / 2, sigma)
        return min(lengths.completion_longest, max(1.0, drawn))

    def _group(self, number: int) -> Events:
        run, lengths = self.run, self.run.lengths
        # Its own, so that flows differ in nothing but when things happen.
        chance = random.Random(f"{self.seed} {number}")
        engine = self.engines[number * len(self.engines) // run.groups]
        read = self.server.read_seconds(lengths.prompt, lengths.patches)
        for n in range(run.dynamic + 1):
            once = run.shared_prefix or run.engine.kind != "trainer"
            samples = [
                engine.submit(read if not once or not sample else 0.0, lengths.prompt, self._length(chance))
                for sample in range(run.generations)
            ]
            yield simpy.AllOf(self.env, samples)
            self.sampled = max(self.sampled, self.env.now)
            self._reach(number, 2 * n + 1)
            yield from self._meet(number, 2 * n + 1, "one after the other")
            yield from self._judged(run.generations, read_picture=True)
            if n == run.dynamic or chance.random() >= run.assumptions.no_spread:
                break
            # What refills is drawn when all groups of the round are done.
            yield from self._meet(number, 2 * n + 2, *FLOWS)
        if not run.stage2 or chance.random() >= run.assumptions.all_negative:
            return
        self.retried += 1
        yield from self._meet(number, 2 * run.dynamic + 2, "one after the other")
        if run.judge.apart:
            yield from self._judged(run.generations, read_picture=False)
        # An engine samples what it was given at once; what comes later waits until it is done.
        yield from self._meet(number, 2 * run.dynamic + 1, "retried early")
        yield from self._meet(number, 2 * run.dynamic + 3, "one after the other", "judged early")
        count = run.generations * run.retries
        added = max(run.retry_prompt - lengths.prompt, 1.0)
        again = read_flops(run.policy, added, after=lengths.prompt) / self.server.read_rate
        yield simpy.AllOf(
            self.env, [engine.submit(again, run.retry_prompt, self._length(chance)) for _ in range(count)]
        )
        yield from self._meet(number, 2 * run.dynamic + 4, "one after the other")
        yield from self._judged(count, read_picture=False)

    def _judged(self, calls: int, *, read_picture: bool) -> Events:
        if not self.judges:
            return
        run = self.run
        shared = run.lengths.prompt + run.assumptions.judge_text
        # A group's calls share a prefix, so they go where it is cached.
        judge = self.judges[self._next_judge % len(self.judges)]
        self._next_judge += 1
        each = once = 0.0
        if self.judge is not None:
            rate = self.judge.read_rate
            each = read_flops(self.judge.shape, judge_prompt(run), after=shared) / rate
            once = read_flops(self.judge.shape, shared, run.lengths.patches) / rate if read_picture else 0.0
        context = shared + run.lengths.completion
        verdicts = [judge.submit(each + once * (not n), context, run.judge.reply) for n in range(calls)]
        yield simpy.AllOf(self.env, verdicts)


def overlap_of(run: PlannedRun) -> Flow:
    """How far sampling and judging can overlap: processes enter the sampling of retries together."""
    return "retried early" if run.count == 1 else "judged early"


def flow_of(run: PlannedRun) -> Flow:
    """How the trainer works: a vLLM server's answers come to several processes together, else it overlaps."""
    return "one after the other" if run.engine.kind == "server" and run.count > 1 else overlap_of(run)


def simulate(run: PlannedRun, flow: Flow, *, steps: int = 3, seed: int = 0) -> SimulatedStep:
    """Means over a few steps.

    Args:
        steps: that are simulated; each has lengths and all-negative groups of its own.
    """
    if run.generations == 1:
        seconds = scoring(run).seconds + learning(run).seconds
        return SimulatedStep(seconds, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    fixed = scoring(run).seconds + learning(run).seconds + syncing(run)
    found = []
    for number in range(steps):
        step = _Step(run, seed * 1000 + number, flow)
        step.roll_out()
        found.append((step, float(step.env.now)))
    mean_of = [
        (
            fixed + end,
            end,
            step.sampled,
            1 - sum(engine.busy for engine in step.engines) / len(step.engines) / end,
            1 - sum(judge.busy for judge in step.judges) / len(step.judges) / end
            if step.judge and step.judges
            else 0.0,
            end - step.sampled,
            step.retried,
        )
        for step, end in found
    ]
    return SimulatedStep(*(sum(values) / len(values) for values in zip(*mean_of, strict=True)))
