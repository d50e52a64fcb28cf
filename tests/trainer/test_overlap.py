"""The judge works while others are sampled, and nothing but time tells."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from runs import FunctionEngine, FunctionReading, ScriptedJudge, build_trainer
from two_processes import on_two_processes

from contextrl.errors import ServiceError
from contextrl.judge.protocol import JudgeRequest
from contextrl.records import metrics as names
from contextrl.records.verdict import Usage, Verdict
from contextrl.rollout.collect import Collector, JudgeLostError, Rollout
from contextrl.rollout.metrics import rollout_sums
from contextrl.rollout.sampling import Draws, Sampled

ROWS = [0, 1, 2, 3, 1, 4]
"""One comes twice."""
WAIT = 60.0
"""Seconds after which a test that waits for something has failed."""


LAST_WISHES: dict[str, Callable[[JudgeRequest], bool]] = {
    "verifying": lambda request: True,
    "reporting": lambda request: request.known_verdict is not None,
    "retries": lambda request: request.wants_standalone,
}


class StreamingEngine(FunctionEngine):
    """Tells of each sample in an order of its own; `before` is called before it does."""

    def __init__(self, end: int, before: Any = None) -> None:
        super().__init__(end)
        object.__setattr__(self, "before", before)

    def read(self, prompts: Any) -> Any:
        return StreamingReading(prompts, self.end, self.before)  # type: ignore[attr-defined]


class StreamingReading(FunctionReading):
    def __init__(self, prompts: Any, end: int, before: Any) -> None:
        super().__init__(prompts, end)
        object.__setattr__(self, "before", before)

    def sample(self, draws: Draws) -> Sampled:
        sampled = super().sample(draws)
        if draws.ended is not None:
            for n in range(len(draws)):
                if self.before is not None:  # type: ignore[attr-defined]
                    self.before(draws, n)  # type: ignore[attr-defined]
                draws.ended(n, sampled.ids[n])
        return sampled


class RandomJudge(ScriptedJudge):
    """A function of the request that answers after a random while, with a cost that floats cannot add in any order.

    Args:
        concurrent: whether it says that threads may ask it at once.
        stray: remainder of a response's value at which no reply can be read; None for never.
    """

    def __init__(self, *, concurrent: bool = True, stray: int | None = None) -> None:
        super().__init__(None)
        self.concurrent, self.stray = concurrent, stray
        self._asked, self.most = 0, 0
        self._lock = threading.Lock()

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        with self._lock:
            self._asked += 1
            self.most = max(self.most, self._asked)
        time.sleep(random.Random().random() / 200)
        verdicts = super().judge(requests)
        with self._lock:
            self._asked -= 1
        return verdicts

    def _one(self, request: JudgeRequest) -> Verdict:
        value = random.Random(f"{request.example.id} {request.response}").randrange(12)
        usage = Usage(calls=1, tokens=value, cost=0.1 * (value + 1))
        if value == self.stray and request.attempt < 2:
            return Verdict("unscored", error="contradictory: two verdicts", usage=usage)
        if value == 7:
            return Verdict("unscored", error="timeout: nothing came", usage=usage)
        right = value < 2 or (request.wants_standalone and value < 6)
        report = f"Mistake: step {value}." if request.wants_report and not right else None
        status = "correct" if right else "incorrect"
        return Verdict(status, answer_correct=right, process_correct=right, mistake_report=report, usage=usage)


class Noticing(ScriptedJudge):
    """Says when it is asked for the first time."""

    def __init__(self, rule: Any) -> None:
        super().__init__(rule)
        self.asked = threading.Event()

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        self.asked.set()
        return super().judge(requests)


def collector_of(policy: Path, folder: Path, judge: Any, before: Any = None, **settings: Any) -> Collector:
    trainer = build_trainer(policy, folder, judge, **settings)
    trainer.collector.engine = StreamingEngine(trainer.eos_token_ids[0], before)  # type: ignore[assignment]
    return trainer.collector


def seen(rollout: Rollout) -> Any:
    """All of a rollout but its times."""
    groups = [
        (group.row, group.refilled, group.attempts, group.retries, group.members, group.replayed)
        for group in rollout.sampled
    ]
    sums = rollout_sums(rollout.drawn, rollout.verifier.tally, sampled=rollout.sampled, trained=rollout.groups)
    return groups, sums, rollout.tokens, [g.row for g in rollout.groups]


SETTINGS: dict[str, dict[str, Any]] = {
    "lazy": {"judging": {"unreadable_attempts": None}},
    "with-verdict": {"judging": {"reports": "with_verdict", "unreadable_attempts": 2}},
    "insisting": {"judging": {"unreadable_attempts": 3}},
    "giving-up": {"judging": {"unreadable_attempts": 2}},
    "refilled": {"dynamic_sampling": {"enabled": True, "max_rounds": 2}},
    "replacing": {"objective": {"mixing": "replace"}},
    "without-reports": {"stage2": {"report": "none", "samples_per_negative": 2}},
    "three-rounds": {"stage2": {"rounds": 3}},
    "further-samples": {"stage2": {"guidance": "none", "rounds": 2}},
    "under-a-budget": {"stage2": {"budget": {"least_recovery": 0.2}}},
    "without-stage-2": {"stage2": {"enabled": False}},
}


@pytest.mark.parametrize("concurrent", [True, False], ids=["together", "one-at-a-time"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_results_are_those_of_one_after_the_other(
    settings: dict[str, Any], concurrent: bool, tiny_policy: Path, tmp_path: Path
) -> None:
    found = []
    for overlap in (False, True, True):
        judge = RandomJudge(concurrent=concurrent, stray=3)
        collector = collector_of(tiny_policy, tmp_path, judge, **settings)
        made = collector.verifier

        def verifier(made: Any = made, concurrent: bool = concurrent) -> Any:
            one = made()
            one.audit = RandomJudge(concurrent=concurrent)
            return one

        collector.verifier, collector.overlap = verifier, overlap
        found.append(seen(collector.collect(ROWS)))
        assert concurrent or judge.most == 1
    assert found[1] == found[0]
    assert found[2] == found[0]
    if settings != SETTINGS["without-stage-2"]:
        assert any(retries for _, _, _, retries, *_ in found[0][0]), "there is something to compare"
    rounds = {retry.round for _, _, _, retries, *_ in found[0][0] for retry in retries}
    assert (2 in rounds) == ("rounds" in settings.get("stage2", {}))


def test_a_group_is_judged_while_others_are_sampled(tiny_policy: Path, tmp_path: Path) -> None:
    """The engine does not go on with the second group before the first one's verdicts are asked for."""
    judge = Noticing(lambda request: "correct")

    def before(draws: Draws, n: int) -> None:
        if draws.prompt_of[n] == 1:
            assert judge.asked.wait(WAIT), "nobody was asked about the first group"

    collector = collector_of(tiny_policy, tmp_path, judge, before)
    assert [group.kind for group in collector.collect([0, 1]).groups] == ["solved", "solved"]


def test_retries_are_sampled_while_another_group_is_judged(tiny_policy: Path, tmp_path: Path) -> None:
    """The judge does not answer about the second group before the first one is retried."""
    retried = threading.Event()

    class Slow(ScriptedJudge):
        concurrent = True

        def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
            if any(request.example.id == slow for request in requests):
                assert retried.wait(WAIT), "the other group was not retried meanwhile"
            return super().judge(requests)

    def before(draws: Draws, n: int) -> None:
        if any(draws.suffixes):
            retried.set()

    collector = collector_of(tiny_policy, tmp_path, Slow(lambda request: "incorrect"), before)
    slow = collector.examples[1].id
    rollout = collector.collect([0, 1])
    assert all(group.retries for group in rollout.groups)
    assert rollout.seconds[names.TIME_JUDGE_WAITING] <= rollout.seconds[names.TIME_ENGINE_IDLE]


@pytest.mark.parametrize("last", LAST_WISHES.values(), ids=LAST_WISHES)
@pytest.mark.parametrize("concurrent", [True, False], ids=["together", "one-at-a-time"])
def test_a_judge_that_is_gone_ends_the_rollout(
    last: Callable[[JudgeRequest], bool], concurrent: bool, tiny_policy: Path, tmp_path: Path
) -> None:
    class Mortal(RandomJudge):
        def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
            if any(map(last, requests)):
                raise ServiceError("the judge stops")
            return super().judge(requests)

    for overlap in (False, True):
        collector = collector_of(tiny_policy, tmp_path, Mortal(concurrent=concurrent))
        collector.overlap = overlap
        with pytest.raises(JudgeLostError, match="the judge stops"):
            collector.collect(ROWS)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_ends_sampling_does_not_wait_for_the_judge(
    error: type[BaseException], tiny_policy: Path, tmp_path: Path
) -> None:
    """Ctrl-C in the engine while the judge hangs; the next rollout goes on."""
    released, hung = threading.Event(), threading.Event()

    class Hanging(ScriptedJudge):
        def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
            hung.set()
            assert released.wait(WAIT)
            return super().judge(requests)

    def before(draws: Draws, n: int) -> None:
        if draws.prompt_of[n] == 1 and not released.is_set():
            assert hung.wait(WAIT)
            raise error

    collector = collector_of(tiny_policy, tmp_path, Hanging(lambda request: "correct"), before)
    with pytest.raises(error):
        collector.collect([0, 1])
    released.set()
    assert [group.kind for group in collector.collect([0, 1]).groups] == ["solved", "solved"]


def test_an_error_of_a_thread_is_raised_where_the_rollout_is_made(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Iterator[None]:
        raise ZeroDivisionError("in a thread")

    monkeypatch.setattr("contextrl.rollout.verify.leaks_answer", broken)
    collector = collector_of(tiny_policy, tmp_path, RandomJudge())
    with pytest.raises(ZeroDivisionError, match="in a thread"):
        collector.collect(ROWS)


@pytest.mark.parametrize("shared_prefix", [False, True], ids=["separate", "shared"])
def test_engines_tell_of_each_sample_once_and_early(shared_prefix: bool, tiny_policy: Path, tmp_path: Path) -> None:
    trainer = build_trainer(
        tiny_policy, tmp_path, ScriptedJudge(None), shared_prefix=shared_prefix, max_completion_length=64
    )
    prompts = trainer.collector.build_prompts(trainer.examples[:4])
    reading = trainer.engines.engine.read(prompts)
    told: list[tuple[int, list[int]]] = []
    draws = Draws([n for n in range(4) for _ in range(8)], [()] * 32, range(32), lambda *of_one: told.append(of_one))
    sampled = reading.sample(draws)
    assert sorted(told) == list(enumerate(sampled.ids))
    lengths = [len(ids) for _, ids in told]
    assert lengths == sorted(lengths), "in the order in which they end"
    assert len(set(lengths)) > 1


@pytest.mark.parametrize("settings", [{}, SETTINGS["refilled"], SETTINGS["without-stage-2"]], ids=str)
def test_parts_of_a_rollout_do_not_count_time_twice(
    settings: dict[str, Any], tiny_policy: Path, tmp_path: Path
) -> None:
    collector = collector_of(tiny_policy, tmp_path, RandomJudge(), **settings)
    for collector.overlap in (False, True):
        started = time.perf_counter()
        seconds = collector.collect(ROWS).seconds
        whole = time.perf_counter() - started
        assert min(seconds.values()) >= 0
        parts = [seconds[name] for name in (names.TIME_STAGE1, names.TIME_JUDGE, names.TIME_STAGE2)]
        assert sum(parts) <= whole
        assert (parts[2] == 0) is (settings == SETTINGS["without-stage-2"])
        assert 0 < seconds[names.TIME_JUDGE_WAITING] <= parts[1] + parts[2] + 1e-9
        assert seconds[names.TIME_JUDGE_WAITING] <= seconds[names.TIME_ENGINE_IDLE] <= whole


def test_two_processes_overlap_too(tiny_policy: Path, tmp_path: Path) -> None:
    """Equal to one after the other, early, and in the same collectives, also where one has nothing to retry."""
    on_two_processes(
        Path(__file__).with_name("overlap_on_two_processes.py"), str(tiny_policy), str(tmp_path), timeout=400
    )
