"""One of two processes that roll out one after the other and overlapped: the same groups, the same collectives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import ScriptedJudge, build_trainer
from test_overlap import (
    LAST_WISHES,
    SETTINGS,
    WAIT,
    Noticing,
    RandomJudge,
    StreamingEngine,
    StreamingReading,
    seen,
)

from contextrl.errors import ServiceError
from contextrl.judge.protocol import JudgeRequest
from contextrl.records.verdict import Verdict
from contextrl.rollout.collect import Collector, JudgeLostError
from contextrl.rollout.sampling import Draws, Sampled
from contextrl.rollout.verify import Verifier
from contextrl.trainer.launched import leave

OWN_ROWS = ([0, 1, 2, 3, 1, 4], [5, 6, 7])


class Together(StreamingEngine):
    """Samples only where both processes do, as sharded weights have it."""

    def read(self, prompts: Any) -> Any:
        return TogetherReading(prompts, self.end, self.before)  # type: ignore[attr-defined]


class TogetherReading(StreamingReading):
    def sample(self, draws: Draws) -> Sampled:
        stages: list[Any] = [None, None]
        # A stand-in is at whatever stage the other process is.
        mine = None if len(draws) == 1 else 2 if any(draws.suffixes) else 1
        torch.distributed.all_gather_object(stages, mine)
        assert len(set(stages) - {None}) == 1, "one process samples retries while the other is at stage 1"
        return super().sample(draws)


class Mortal(RandomJudge):
    """Gone from the first request of a kind on."""

    def __init__(self, last: Callable[[JudgeRequest], bool]) -> None:
        super().__init__()
        self.last = last

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        if any(map(self.last, requests)):
            raise ServiceError("the judge stops")
        return super().judge(requests)


def asking(collector: Collector, judge: Any) -> Collector:
    """The collector with another judge."""
    _, *others = collector.verifier.args  # type: ignore[attr-defined]
    collector.verifier = partial(Verifier.configured, judge, *others)
    return collector


def results_are_those_of_one_after_the_other(collector: Collector) -> bool:
    """Whether there were retries here."""
    found = []
    for overlap in (False, True, True):
        collector.overlap, collector.cursor.position = overlap, 0
        found.append(seen(collector.collect(OWN_ROWS[torch.distributed.get_rank()])))
    assert found[0] == found[1] == found[2]
    return any(retries for _, _, _, retries, *_ in found[0][0])


def groups_are_judged_while_others_are_sampled(collector: Collector) -> None:
    judge = Noticing(lambda request: "correct")

    def before(draws: Draws, n: int) -> None:
        if draws.prompt_of[n] == 1:
            assert judge.asked.wait(WAIT), "nobody was asked about the first group"

    object.__setattr__(collector.engine, "before", before)
    rollout = asking(collector, judge).collect(OWN_ROWS[torch.distributed.get_rank()])
    object.__setattr__(collector.engine, "before", None)
    assert {group.kind for group in rollout.groups} == {"solved"}


def a_judge_that_is_gone_on_one_process_ends_the_rollout_on_both(collector: Collector) -> None:
    rank = torch.distributed.get_rank()
    says = "another process has lost its judge" if rank else "the judge stops"
    for last in LAST_WISHES.values():
        for collector.overlap in (False, True):
            with pytest.raises(JudgeLostError, match=says):
                asking(collector, RandomJudge() if rank else Mortal(last)).collect(OWN_ROWS[rank])


def main(policy: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    for name in ("giving-up", "refilled"):
        trainer = build_trainer(policy, folder, RandomJudge(stray=3), **SETTINGS[name])
        assert trainer.accelerator.num_processes == 2
        collector = trainer.collector
        collector.engine = Together(trainer.eos_token_ids[0])  # type: ignore[assignment]
        assert results_are_those_of_one_after_the_other(collector), name
    second = torch.distributed.get_rank() == 1
    solved: Any = ScriptedJudge(lambda request: "correct")
    one_sided = asking(collector, solved if second else RandomJudge())
    assert results_are_those_of_one_after_the_other(one_sided) is not second
    groups_are_judged_while_others_are_sampled(collector)
    a_judge_that_is_gone_on_one_process_ends_the_rollout_on_both(collector)
    leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
