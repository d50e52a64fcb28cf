"""The simulation against closed forms where they must agree, and apart from them where it must differ."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
import simpy

from contextrl.engines.shared_prefix.cost import ModelCost
from contextrl.planning.assumptions import Assumptions
from contextrl.planning.gpus import gpu_named
from contextrl.planning.memory import judge_cards, memory
from contextrl.planning.plan import make_plan
from contextrl.planning.run import Engine, JudgeSetup, Lengths, PlannedRun
from contextrl.planning.shape import ActivationShape, ModelShape
from contextrl.planning.simulation import FLOWS, ContinuousBatching, Flow, simulate
from contextrl.planning.speed import (
    Server,
    judge_work,
    judging,
    learning,
    policy_server,
    response_lengths,
    sampling,
    scoring,
    second_stage,
    syncing,
)


def shape(billions: float) -> ModelShape:
    parameters = int(billions * 1e9)
    cost = ModelCost(2.0 * parameters, 1e9, 5e5)
    activations = ActivationShape(2.5e5, 1.6e4, 0, 0, 0, 0, 0)
    size = 4.0 * parameters
    sizes = (parameters, parameters, size, size, 3e9, 36, 4096, 150_000, 73_728, 0, 1, 1)
    return ModelShape("m", *sizes, False, False, 0.0, 0.0, cost, activations)


def a_run(**changes: object) -> PlannedRun:
    assumed = Assumptions(spread=0.0, all_negative=0.0)
    run = PlannedRun(
        policy=shape(8),
        method="contextrl",
        gpu=gpu_named("h100", where=""),
        count=8,
        way="fsdp2",
        rows=1,
        micro_batches=16,
        generations=8,
        steps=100,
        lengths=Lengths(1000, 4000, 0, 0, 1000, 8000),
        engine=Engine("colocate", share=0.6, sleeps=True),
        judge=JudgeSetup(),
        assumptions=assumed,
        scoring=2,
        reference=True,
        checkpointing=True,
        shared_prefix=True,
        autocast=True,
        optimizer_bytes=64e9,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def assuming(run: PlannedRun, **values: float) -> PlannedRun:
    return replace(run, assumptions=replace(run.assumptions, **values))


def test_a_batch_decodes_as_its_steps_say() -> None:
    """Two sequences of 10 and 30 tokens after 100: 10 steps of two, 20 of one, and a reading of 0.5 s before."""
    env, server = simpy.Environment(), Server(shape(1), 4, 1e15, 1e12, 0.01)
    engine = ContinuousBatching(env, server)
    both = [engine.submit(0.5, 100, 10), engine.submit(0.0, 100, 30)]
    env.run(until=simpy.AllOf(env, both))
    expected = 0.5 + 10 * server.step_seconds(2, 2 * 100 + 10) + 20 * server.step_seconds(1, 110 + 10)
    assert env.now == pytest.approx(expected)
    assert engine.busy == pytest.approx(expected)


def test_sequences_beyond_the_places_wait() -> None:
    env, server = simpy.Environment(), Server(shape(1), 2, 1e15, 1e12, 0.01)
    engine = ContinuousBatching(env, server)
    env.run(until=simpy.AllOf(env, [engine.submit(0, 100, 10) for _ in range(6)]))
    assert env.now == pytest.approx(3 * 10 * server.step_seconds(2, 2 * 100 + 10))


@pytest.mark.parametrize("count", [1, 8, 64])
def test_equal_lengths_and_no_judge_are_the_closed_form(count: int) -> None:
    run = a_run(count=count, micro_batches=16)
    alone = sampling(run).seconds + scoring(run).seconds + learning(run).seconds + syncing(run)
    assert simulate(run, "retried early").seconds == pytest.approx(alone, rel=0.01)


def test_lengths_that_vary_agree_on_average_of_many_engines() -> None:
    """One engine with 512 rows: its longest response is the quantile that the closed form takes, within a tenth."""
    run = assuming(a_run(count=1, rows=8, micro_batches=64), spread=0.8)
    rollout = simulate(run, "retried early", steps=20).rollout
    assert rollout == pytest.approx(sampling(run).seconds, rel=0.1)


def test_a_starved_rollout_is_as_long_as_its_judge() -> None:
    judge = JudgeSetup(shape(32), asked=True, replicas=1, cards=2, places=4, reply=700)
    run = a_run(judge=judge)
    assert judging(run).seconds > 3 * sampling(run).seconds
    rollout = simulate(run, "retried early").rollout
    assert judging(run).seconds == pytest.approx(rollout - sampling(run).seconds, rel=0.1)


def test_judges_hide_behind_sampling_where_there_are_enough() -> None:
    run = assuming(a_run(judge=JudgeSetup(shape(32), True, 1, 2, 64, 700)), spread=0.8)
    few, many = (simulate(replace(run, judge=replace(run.judge, replicas=n)), "retried early") for n in (1, 16))
    assert many.rollout < few.rollout
    plan = make_plan(run)
    assert plan.simulated == plan.overlapped
    assert plan.overlapped.seconds < plan.serial
    assert plan.overlapped.seconds < plan.in_turn.seconds


def test_without_overlap_parts_follow_one_another() -> None:
    """With equal lengths the sum of the parts: verdicts after the last sample, retries after the last verdict."""
    run = a_run(judge=JudgeSetup(None, True, 1, 1, 64, 700), stage2=True)
    run = assuming(run, all_negative=1.0, judge_seconds=7.0)
    waves = math.ceil(run.samples / 64)
    retries = math.ceil(run.samples * run.retries / 64)
    parts = (
        sampling(run).seconds + second_stage(run).seconds + 7.0 * (waves + retries + (waves if run.judge.apart else 0))
    )
    assert simulate(run, "one after the other").rollout == pytest.approx(parts, rel=0.05)
    dynamic = assuming(a_run(judge=JudgeSetup(shape(32), True, 1, 2, 64, 700)), spread=0.8)
    assert simulate(dynamic, "one after the other").seconds > simulate(dynamic, "retried early").seconds


@pytest.mark.parametrize(
    ("engine", "count", "expected"),
    [
        (Engine(), 1, "retried early"),
        (Engine("colocate"), 1, "retried early"),
        (Engine("server", cards=2), 1, "retried early"),
        (Engine(), 2, "judged early"),
        (Engine("colocate", parallel=2), 8, "judged early"),
        (Engine("server", cards=8), 8, "one after the other"),
    ],
)
def test_a_plan_says_how_this_run_goes(engine: Engine, count: int, expected: Flow) -> None:
    run = assuming(a_run(engine=engine, count=count, rows=8, judge=JudgeSetup(shape(32), True, 1, 2, 64, 700)))
    run = assuming(run, spread=0.8)
    plan = make_plan(run, steps=1)
    assert plan.flow == expected
    assert plan.simulated == simulate(run, expected, steps=1)
    assert plan.as_dict()["step"]["flow"] == expected
    assert (plan.simulated == plan.in_turn) is (expected == "one after the other")


def test_no_flow_retries_before_all_are_sampled() -> None:
    """Verdicts that take no time leave nothing to overlap: engines are given retries when stage 1 has ended."""
    run = a_run(count=1, rows=8, stage2=True, judge=JudgeSetup(None, True, 1, 1, 64, 700))
    run = assuming(run, spread=0.8, all_negative=1.0, judge_seconds=1e-6)
    seconds = [simulate(run, flow, steps=1).rollout for flow in FLOWS]
    assert seconds == pytest.approx([seconds[0]] * 3, rel=1e-3)
    assert min(seconds) > 1.5 * simulate(run, "retried early", steps=1).first_stage


def test_retries_that_wait_for_all_verdicts_wait_longer() -> None:
    run = a_run(count=4, rows=8, stage2=True, judge=JudgeSetup(None, True, 1, 1, 16, 700))
    run = assuming(run, spread=0.8, all_negative=0.5, judge_seconds=9.0)
    in_turn, judged, retried = (simulate(run, flow).rollout for flow in FLOWS)
    assert in_turn > judged > retried


@pytest.mark.parametrize("flow", FLOWS)
def test_refilled_groups_and_retried_ones_do_not_wait_for_one_another_for_ever(flow: Flow) -> None:
    run = a_run(dynamic=2, stage2=True, judge=JudgeSetup(None, True, 1, 1, 64, 700))
    run = assuming(run, spread=0.8, all_negative=0.5, no_spread=0.5)
    rounds = simulate(run, flow)
    once = simulate(replace(run, dynamic=0), flow)
    assert rounds.first_stage > 1.2 * once.first_stage
    assert rounds.recovered > 0


def test_as_many_replicas_as_sampling_wants_and_not_one_fewer() -> None:
    run = a_run(judge=JudgeSetup(shape(32), True, 1, 2, 4, 700))
    needed = make_plan(run).replicas
    assert needed is not None
    assert needed > 1
    sampled = sampling(run).seconds + second_stage(run).seconds
    assert (needed - 1) * sampled < judge_work(run) <= needed * sampled
    assert any(f"{needed} replicas" in warning for warning in make_plan(run).warnings)


def test_a_judge_without_a_model_takes_its_seconds() -> None:
    """128 calls, 64 at once, 15 s each, after one group's samples that are all equally long: 30 s."""
    run = a_run(judge=JudgeSetup(None, True, 1, 1, 64, 700))
    assert judging(run).seconds == 30.0
    assert simulate(run, "retried early").rollout - sampling(run).seconds == pytest.approx(30.0, rel=0.02)


def test_all_negative_groups_take_a_second_stage() -> None:
    none, all_ = (assuming(a_run(stage2=True), all_negative=share) for share in (0.0, 1.0))
    assert second_stage(none).seconds == 0
    assert simulate(none, "retried early").recovered == 0
    assert simulate(all_, "retried early").recovered == all_.groups
    added = simulate(all_, "retried early").rollout - simulate(none, "retried early").rollout
    assert added == pytest.approx(second_stage(all_).seconds, rel=0.05)


def test_seeds_decide_and_nothing_else() -> None:
    run = assuming(a_run(stage2=True), spread=0.8, all_negative=0.3)
    state = random.getstate()
    first, again, other = (simulate(run, "retried early", seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert random.getstate() == state


def test_refills_sample_again() -> None:
    run = assuming(a_run(dynamic=2), no_spread=0.5)
    assert run.rounds == 1.75
    assert sampling(run).written == 1.75 * sampling(replace(run, dynamic=0)).written


@pytest.mark.parametrize(("spread", "mean"), [(0.0, 500.0), (0.5, 500.0), (0.8, 2048.0)])
def test_quantiles_have_the_mean_that_was_asked(spread: float, mean: float) -> None:
    lengths = response_lengths(2000, mean, spread, 1e9)
    assert sum(lengths) / len(lengths) == pytest.approx(mean, rel=0.02)
    assert max(response_lengths(2000, mean, spread, 600)) <= 600


def test_shards_are_parts_of_the_whole() -> None:
    """8B in float32: 32 GB each of weights, gradients and reference, 64 GB of moments, on one card or an eighth."""
    ddp, fsdp = (memory(a_run(way=way)).learning for way in ("ddp", "fsdp2"))
    for part, size in {"weights": 32e9, "gradients": 32e9, "reference model": 32e9, "optimizer": 64e9}.items():
        assert ddp[part] == size
        assert fsdp[part] == size / 8
    zero = memory(a_run(way="zero3")).learning
    assert zero["optimizer"] == 12 * 8e9 / 8
    assert zero["weights"] == 2 * 8e9 / 8


def test_a_micro_batch_reads_a_groups_prompt_once() -> None:
    assert a_run(rows=8, micro_batches=2).prompts_read == 1
    assert a_run(rows=16, micro_batches=1).prompts_read == 2
    assert a_run(rows=1).prompts_read == 1
    assert a_run(rows=8, micro_batches=2, shared_prefix=False).prompts_read == 8
    shared, separate = (learning(a_run(rows=8, micro_batches=2, shared_prefix=on)) for on in (True, False))
    assert shared.flops < separate.flops
    # 16 groups of 1,000 tokens and 8 responses of 1,000.
    assert shared.read == 16 * (1000 + 8 * 1000)
    assert separate.read == 128 * 2000


def test_a_judge_has_cards_that_hold_it() -> None:
    assert judge_cards(shape(32), 80e9) == 2
    assert judge_cards(shape(8), 80e9) == 1
    assert judge_cards(shape(235), 80e9) == 16


def test_the_engine_waits_for_places_in_its_cache() -> None:
    """0.6 of 80 GB is 48, less 16 of weights and 2 of work: 30 GB for 1,125 tokens of 147 kB each a sample."""
    server, engines = policy_server(a_run())
    assert (server.places, engines) == (int(30e9 // (1125 * 147_456)), 8)
