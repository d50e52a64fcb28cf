"""One of two processes that roll out one after the other and overlapped: the same groups, the same collectives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import ScriptedJudge, build_trainer
from test_overlap import LAST_WISHES, SETTINGS, WAIT, Noticing, RandomJudge, StreamingEngine, StreamingReading, seen

from contextrl.errors import ServiceError
from contextrl.judge.protocol import JudgeRequest
from contextrl.records.verdict import Verdict
from contextrl.rollout.collect import Collector, JudgeLostError
from contextrl.rollout.sampling import Draws, Sampled

OWN_ROWS = ([0, 1, 2, 3, 1, 4], [5, 6, 7])


class Together(StreamingEngine):
    """Samples only where both processes do, as sharded weights have it."""

    def read(self, prompts: Any) -> Any:
        return TogetherReading(prompts, self.end, self.before)  # type: ignore[attr-defined]


class TogetherReading(StreamingReading):
    def sample(self, draws: Draws, ended: Any = None) -> Sampled:
        stages: list[Any] = [None, None]
        torch.distributed.all_gather_object(stages, any(draws.suffixes) if ended is not None else None)
        assert len(set(stages) - {None}) <= 1, "one process samples retries while the other is at stage 1"
        return super().sample(draws, ended)


class Mortal(RandomJudge):
    """Gone from the first request of a kind on."""

    def __init__(self, last: Callable[[JudgeRequest], bool]) -> None:
        super().__init__()
        self.last = last

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        if any(map(self.last, requests)):
            raise ServiceError("the judge stops")
        return super().judge(requests)


def collector_of(policy: Path, folder: Path, judge: Any, before: Any = None, **settings: Any) -> Collector:
    trainer = build_trainer(policy, folder, judge, **settings)
    assert trainer.accelerator.num_processes == 2
    trainer.collector.engine = Together(trainer.eos_token_ids[0], before)  # type: ignore[assignment]
    return trainer.collector


def results_are_those_of_one_after_the_other(policy: Path, folder: Path, rank: int) -> None:
    settings = {**SETTINGS, "one-sided": {}}
    for name, changed in settings.items():
        judge: Any = RandomJudge(stray=3)
        if name == "one-sided" and rank:
            judge = ScriptedJudge(lambda request: "correct")
        collector = collector_of(policy, folder, judge, **changed)
        found = []
        for overlap in (False, True, True):
            collector.overlap, collector.cursor.position = overlap, 0
            found.append(seen(collector.collect(OWN_ROWS[rank])))
        assert found[0] == found[1] == found[2], name
        if name in ("lazy", "one-sided"):
            assert any(retries for _, _, _, retries, *_ in found[0][0]) == (name == "lazy" or not rank)


def groups_are_judged_while_others_are_sampled(policy: Path, folder: Path, rank: int) -> None:
    judge = Noticing(lambda request: "correct")

    def before(draws: Draws, n: int) -> None:
        if draws.prompt_of[n] == 1:
            assert judge.asked.wait(WAIT), "nobody was asked about the first group"

    rollout = collector_of(policy, folder, judge, before).collect(OWN_ROWS[rank])
    assert {group.kind for group in rollout.groups} == {"solved"}


def a_judge_that_is_gone_on_one_process_ends_the_rollout_on_both(policy: Path, folder: Path, rank: int) -> None:
    for last in LAST_WISHES.values():
        collector = collector_of(policy, folder, RandomJudge() if rank else Mortal(last))
        says = "another process has lost its judge" if rank else "the judge stops"
        for collector.overlap in (False, True):
            with pytest.raises(JudgeLostError, match=says):
                collector.collect(OWN_ROWS[rank])


if __name__ == "__main__":
    torch.set_num_threads(1)
    policy_, folder_ = Path(sys.argv[1]), Path(sys.argv[2])
    torch.distributed.init_process_group("gloo")
    number = torch.distributed.get_rank()
    results_are_those_of_one_after_the_other(policy_, folder_, number)
    groups_are_judged_while_others_are_sampled(policy_, folder_, number)
    a_judge_that_is_gone_on_one_process_ends_the_rollout_on_both(policy_, folder_, number)
    torch.distributed.destroy_process_group()
