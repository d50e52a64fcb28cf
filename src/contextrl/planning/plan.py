"""The plan of a run: memory, time, cost, what holds it up, and what to change."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from contextrl.planning.assumptions import meanings
from contextrl.planning.memory import Memory, memory, ways_that_fit
from contextrl.planning.run import PlannedRun
from contextrl.planning.shape import ModelShape
from contextrl.planning.simulation import Flow, SimulatedStep, flow_of, overlap_of, simulate
from contextrl.planning.speed import Phase, judge_work, judging, learning, sampling, scoring, second_stage, syncing

#: Names of phases, in their order.
SAMPLING, JUDGE, STAGE2, SCORING, LEARNING, SYNC = "sampling", "judge", "stage 2", "scoring", "learning", "sync"
_HOUR = 3600.0


@dataclass(frozen=True)
class Plan:
    """What `contextrl plan` says.

    Attributes:
        run: in numbers; memory: of one card; ways: peak bytes of a card by way of sharing.
        phases: parts of a step, each as if it were alone.
        flow: how the trainer's sampling and judging follow one another; simulated: a step of it.
        in_turn: a step whose parts wait for one another; overlapped: one whose groups are judged while others are
            sampled. One of them is this run's.
        bottleneck: the phase that decides; replicas: judge replicas with which sampling does not wait, None where the
            judge is no server of ours.
        price: of a card and hour, None where none was given.
    """

    run: PlannedRun
    memory: Memory
    ways: dict[str, float]
    phases: dict[str, Phase]
    flow: Flow
    in_turn: SimulatedStep
    overlapped: SimulatedStep
    bottleneck: str
    replicas: int | None
    warnings: tuple[str, ...]
    price: float | None

    @property
    def simulated(self) -> SimulatedStep:
        return self.in_turn if self.flow == "one after the other" else self.overlapped

    @property
    def serial(self) -> float:
        """Seconds of a step whose parts follow one another."""
        return sum(phase.seconds for phase in self.phases.values())

    @property
    def hours(self) -> float | None:
        return None if self.run.steps is None else self.simulated.seconds * self.run.steps / _HOUR

    @property
    def card_hours(self) -> float | None:
        return None if self.hours is None else self.hours * self.run.cards

    @property
    def cost(self) -> float | None:
        return None if self.card_hours is None or self.price is None else self.card_hours * self.price

    @property
    def fits(self) -> bool:
        return self.memory.peak <= limit(self.run)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for `--json`; seconds, bytes and FLOPs."""
        run = self.run
        return {
            "run": {
                "method": run.method,
                "model": run.policy.name,
                "parameters": run.policy.parameters,
                "trained_parameters": run.policy.trained,
                "gpu": asdict(run.gpu),
                "count": run.count,
                "cards_paid": run.cards,
                "parallel": run.way,
                "lora": run.policy.adapter,
                "samples_per_step": run.samples,
                "prompts_per_step": run.groups,
                "steps": run.steps,
                "engine": asdict(run.engine),
                "lengths": asdict(run.lengths),
                "judge": {
                    "asked": run.judge.asked,
                    "model": run.judge.shape.name if run.judge.shape else None,
                    "replicas": run.judge.replicas,
                    "gpus_per_replica": run.judge.cards,
                    "places": run.judge.places,
                },
            },
            "assumptions": {
                name: {"value": value, "meaning": meanings()[name]} for name, value in asdict(run.assumptions).items()
            },
            "memory": {
                "gpu": run.gpu.memory,
                "peak": self.memory.peak,
                "fits": self.fits,
                "learning": self.memory.learning,
                "sampling": self.memory.sampling,
                "cache_room": self.memory.cache_room,
                "cache_needed": self.memory.cache_needed,
                "ways": {way: {"peak": size, "fits": size <= limit(run)} for way, size in self.ways.items()},
            },
            "step": {
                "phases": {name: asdict(phase) for name, phase in self.phases.items()},
                "serial_seconds": self.serial,
                "flow": self.flow,
                "simulated": asdict(self.simulated),
                "one_after_the_other": asdict(self.in_turn),
                "overlapped": asdict(self.overlapped),
            },
            "hours": self.hours,
            "gpu_hours": self.card_hours,
            "price": self.price,
            "cost": self.cost,
            "bottleneck": self.bottleneck,
            "judge_replicas_needed": self.replicas,
            "warnings": list(self.warnings),
        }


def limit(run: PlannedRun) -> float:
    """Bytes of a card that may be used."""
    return run.gpu.memory * (1 - run.assumptions.reserved)


def make_plan(
    run: PlannedRun,
    *,
    lora: ModelShape | None = None,
    lora_optimizer: float = 0.0,
    price: float | None = None,
    steps: int = 3,
    seed: int = 0,
) -> Plan:
    """Work a plan out.

    Args:
        lora: the model with an adapter, for a run that trains all weights; lora_optimizer: bytes of its optimizer.
        price: of a card and hour.
        steps: that are simulated, from `seed`.
    """
    phases = {
        SAMPLING: sampling(run),
        JUDGE: judging(run),
        STAGE2: second_stage(run),
        SCORING: scoring(run),
        LEARNING: learning(run),
        SYNC: Phase(0, 0, 0, syncing(run)),
    }
    if run.generations == 1:
        phases = {LEARNING: phases[LEARNING]}
    found = Plan(
        run=run,
        memory=memory(run),
        ways=ways_that_fit(run, lora, lora_optimizer),
        phases=phases,
        flow=flow_of(run),
        in_turn=simulate(run, "one after the other", steps=steps, seed=seed),
        overlapped=simulate(run, overlap_of(run), steps=steps, seed=seed),
        bottleneck=max(phases, key=lambda name: phases[name].seconds),
        replicas=replicas_needed(run),
        warnings=(),
        price=price,
    )
    return replace(found, warnings=tuple(_warnings(found)))


def replicas_needed(run: PlannedRun) -> int | None:
    """Replicas that, kept busy, judge a step's calls in the time in which the engine samples them.

    The last calls come after the last samples whatever the number of replicas is.
    """
    if run.judge.shape is None or not run.judge.asked or run.generations == 1:
        return None
    sampled = sampling(run).seconds + second_stage(run).seconds
    return max(1, math.ceil(judge_work(run) / sampled))


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _warnings(plan: Plan) -> list[str]:
    run, found = plan.run, []
    if not plan.fits:
        found.append(_does_not_fit(plan))
    if run.engine.kind != "trainer" and plan.memory.cache_room <= 0:
        found.append(
            f"vLLM's share of a card, {_gb(run.engine.share * run.gpu.memory)}, does not hold the weights of "
            f"{_gb(run.policy.half_bytes / run.engine.parallel)}: raise train.vllm_gpu_memory_utilization or "
            "train.vllm_tensor_parallel_size"
        )
    elif run.engine.kind != "trainer" and plan.memory.cache_room < plan.memory.cache_needed:
        share = plan.memory.cache_room / plan.memory.cache_needed
        found.append(f"vLLM's cache holds {share:.0%} of a step's samples at once: the others wait for places")
    if plan.replicas is not None and run.judge.shape is not None and plan.replicas > run.judge.replicas:
        more = plan.replicas * run.judge.cards
        found.append(
            f"the judge is slower than sampling: {plan.replicas} replicas "
            f"of {run.judge.cards} {run.gpu.name} ({more} in all) keep up, {run.judge.replicas} planned "
            "(judge.base_url takes a list)"
        )
    if run.judge.asked and run.judge.shape is None:
        found.append(
            f"the judge's model is not known here: {run.assumptions.judge_seconds:g} s a call are assumed "
            "(--assume judge_seconds=...)"
        )
    if run.engine.kind == "trainer" and run.generations > 1 and run.policy.parameters > 1e9:
        found.append("the trainer itself samples, a token at a time: train.use_vllm: true is several times faster")
    if run.rows < run.generations and run.shared_prefix and run.generations > 1:
        found.append(
            f"a micro-batch holds {run.rows} of a group's {run.generations} samples, so that learning reads a prompt "
            f"{math.ceil(run.generations / run.rows)} times; a larger train.per_device_train_batch_size shares it"
        )
    traffic = run.way != "ddp" and run.count > 1
    if traffic and plan.phases[LEARNING].seconds > 1.5 * learning(replace(run, way="ddp", count=1)).seconds:
        found.append(
            "learning waits for weights that travel between cards: fewer and larger micro-batches "
            "(train.per_device_train_batch_size up, train.gradient_accumulation_steps down)"
        )
    return found


def _does_not_fit(plan: Plan) -> str:
    run = plan.run
    parts = sorted(plan.memory.parts.items(), key=lambda item: -item[1])[:2]
    largest = " and ".join(f"{name} {_gb(size)}" for name, size in parts)
    text = f"does not fit: {_gb(plan.memory.peak)} on a card that leaves {_gb(limit(run))} (most: {largest})"
    others = [way for way, size in plan.ways.items() if size <= limit(run) and way != run.way]
    remedies = []
    if others:
        remedies.append(f"{others[0]} fits ({_gb(plan.ways[others[0]])})")
    if not run.checkpointing:
        remedies.append("train.gradient_checkpointing: true")
    if run.engine.kind == "colocate" and not run.engine.sleeps:
        remedies.append("train.vllm_enable_sleep_mode: true")
    if run.rows > 1:
        remedies.append("a smaller train.per_device_train_batch_size with more gradient_accumulation_steps")
    remedies += ["more or larger cards", "shorter train.max_completion_length"]
    return f"{text}. What helps: {'; '.join(remedies[:4])}"
