"""What judging while others are sampled saves, beside what the critical path allows, in one process.

    python benchmarks/judge_overlap.py [--groups 32] [--rounds 5] [--latency 0.2] [--calls 64] [--json]

The trainer's own collector with an engine and a judge that only take their time, so that two cores can measure what a
GPU and a server would do. The engine gives a token of every sample each 4 ms, however many samples there are, and
lengths have a long tail; the judge answers every request after 200 ms, so many at a time. The same groups are rolled
out one after the other and overlapped, in turns; results are compared, and medians of the times.

The bound is computed from the parts of the rollout of one after the other, with the times at which samples ended:
no rollout can end before (engine) stage 1 is sampled, and then either all retries at once, when the last of their
groups is judged and reported on, or the longest and at least another wave, and the last retry is verified;
(group) any group is sampled, verified and, where it is retried, reported on, retried by itself and verified again;
(judge) all requests are answered from the end of the first group on.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contextrl.commands.quiet import quiet_libraries
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature import BASE_POLICY
from contextrl.policy.prompts import Prompts
from contextrl.records import metrics as names
from contextrl.records.verdict import ReferenceContext, Usage, Verdict
from contextrl.rollout.collect import Collector, Rollout
from contextrl.rollout.sampling import Draws, Sampled

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "trainer"))
# By name: a checker of types would take the folder `runs/`, which `make demo` makes, for the module.
build_trainer = importlib.import_module("runs").build_trainer

G = 8
TOKEN = 0.004
#: Median and longest length of a sample, in tokens.
MEDIAN, LONGEST = 150, 600


class PacedJudge:
    """Answers every request after a while, so many at a time; three groups in ten have no right answer at first."""

    name = "paced"
    context: ReferenceContext = "solution"
    concurrent = True

    def __init__(self, latency: float, calls: int) -> None:
        self.latency, self._lines = latency, ThreadPoolExecutor(calls)

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        return list(self._lines.map(self._one, requests))

    def _one(self, request: JudgeRequest) -> Verdict:
        time.sleep(self.latency)
        hard = random.Random(request.example.id).random() < 0.3
        right = random.Random(request.response).random() < (0.4 if request.wants_standalone or not hard else 0.0)
        report = "Mistake: a step is wrong." if request.wants_report and not right else None
        return Verdict(
            "correct" if right else "incorrect",
            answer_correct=right,
            process_correct=right,
            mistake_report=report,
            usage=Usage(calls=1),
        )


@dataclass
class PacedEngine:
    """A token of every sample at a time; samples and their lengths follow from their seeds.

    Attributes:
        calls: of the last rollout: when each sample ended, and how long all took, in seconds.
    """

    end: int
    calls: list[tuple[dict[int, float], float]] = field(default_factory=list)

    def read(self, prompts: Prompts) -> PacedReading:
        return PacedReading(self, prompts)


@dataclass(frozen=True)
class PacedReading:
    engine: PacedEngine
    prompts: Prompts

    def sample(self, draws: Draws) -> Sampled:
        sampled = [tokens(seed, self.engine.end) for seed in draws.seeds]
        began, ends = time.perf_counter(), dict[int, float]()
        for index in sorted(range(len(draws)), key=lambda index: len(sampled[index])):
            time.sleep(max(0.0, began + TOKEN * len(sampled[index]) - time.perf_counter()))
            if draws.ended is not None:
                draws.ended(index, sampled[index])
            ends[index] = time.perf_counter() - began
        self.engine.calls.append((ends, time.perf_counter() - began))
        return Sampled(sampled)


def tokens(seed: int, end: int) -> list[int]:
    chance = random.Random(seed)
    length = min(LONGEST, max(2, round(MEDIAN * math.exp(chance.gauss(0, 0.6)))))
    return [*(chance.randrange(40, 240) for _ in range(length - 1)), end]


def rolled_out(collector: Collector, engine: PacedEngine, rows: list[int], *, overlap: bool) -> tuple[Rollout, float]:
    """A rollout and its seconds. The same one every time: seeds follow the step, which stays."""
    collector.overlap, engine.calls = overlap, []
    started = time.perf_counter()
    rollout = collector.collect(rows)
    return rollout, time.perf_counter() - started


def bounds(rollout: Rollout, engine: PacedEngine, latency: float, calls: int) -> dict[str, float]:
    """Seconds that a rollout of these parts takes at least, by what holds it up; see the module."""
    (ends, stage1), (ends2, stage2) = engine.calls
    of_group = [max(ends[i] for i in range(n * G, (n + 1) * G)) for n in range(len(rollout.groups))]
    left = iter(range(len(ends2)))
    alone = {n: max(ends2[next(left)] for _ in g.retries) for n, g in enumerate(rollout.groups) if g.retries}
    ready = {n: of_group[n] + 2 * latency for n in alone}
    together = max([stage1, *ready.values()]) + stage2
    in_waves = stage1 + stage2 + min(alone.values())
    return {
        "engine": min(together, in_waves) + latency,
        "group": max(max(of_group) + latency, *(ready[n] + alone[n] + latency for n in alone)),
        "judge": min(of_group) + rollout.verifier.tally.usage.calls * latency / calls,
    }


def measured(groups: int, rounds: int, latency: float, calls: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = {"num_generations": G, "per_device_train_batch_size": groups * G}
        trainer = build_trainer(BASE_POLICY, Path(folder), PacedJudge(latency, calls), groups, **settings)
        collector = trainer.collector
    engine = PacedEngine(trainer.eos_token_ids[0])
    collector.engine = engine
    rows, parts = list(range(groups)), list[dict[str, float]]()
    serial, overlapped = [], []
    for _ in range(rounds):
        one, seconds = rolled_out(collector, engine, rows, overlap=False)
        serial.append(seconds)
        parts.append(bounds(one, engine, latency, calls))
        other, seconds = rolled_out(collector, engine, rows, overlap=True)
        overlapped.append(seconds)
        assert [g.attempts + g.retries for g in one.groups] == [g.attempts + g.retries for g in other.groups]
    before, after = statistics.median(serial), statistics.median(overlapped)
    each = {name: statistics.median(part[name] for part in parts) for name in parts[0]}
    bound = max(each.values())
    return {
        "groups": groups,
        "requests": one.verifier.tally.usage.calls,
        "retried": sum(bool(group.retries) for group in one.groups),
        "waves": len(engine.calls) - 1,
        "one_after_the_other": before,
        "overlapped": after,
        "bounds": each,
        "of_the_saving": (before - after) / (before - bound),
        "of_the_speed": bound / after,
        "engine_idle": [rollout.seconds[names.TIME_ENGINE_IDLE] for rollout in (one, other)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds of a call")
    parser.add_argument("--calls", type=int, default=64, help="calls that the judge answers at a time")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    quiet_libraries()
    found = measured(given.groups, given.rounds, given.latency, given.calls)
    if given.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{found['groups']} groups of {G}, {found['requests']} requests to the judge")
    print(f"{found['retried']} groups are retried, in {found['waves']} waves")
    print(f"one after the other  {found['one_after_the_other']:6.2f} s")
    print(f"overlapped           {found['overlapped']:6.2f} s")
    print("at least             " + ", ".join(f"{name} {value:.2f} s" for name, value in found["bounds"].items()))
    print(f"of what the critical path allows to save: {found['of_the_saving']:.0%}")
    print(f"of the speed that it allows:              {found['of_the_speed']:.0%}")
    print("the engine is idle for {:.2f} s, overlapped for {:.2f} s".format(*found["engine_idle"]))


if __name__ == "__main__":
    main()
