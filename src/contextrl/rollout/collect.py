"""One rollout from data rows to mixed groups: stage 1, judge, stage 2, mixing and DAPO's refill."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from contextrl.errors import InputError, ServiceError
from contextrl.objective.settings import Mixing
from contextrl.policy.prompts import Prompts
from contextrl.records import metrics as names
from contextrl.records.example import Example
from contextrl.rollout.budget import RecoveryBudget
from contextrl.rollout.dynamic import RefillCursor, ShareOut, refill
from contextrl.rollout.groups import Completion, Group, has_spread
from contextrl.rollout.pipeline import Arrived, Pipeline
from contextrl.rollout.recovery import RetryPrompt
from contextrl.rollout.rewards import Rewards
from contextrl.rollout.sampling import Completions, Draws, Engine, Reading, Sampled
from contextrl.rollout.seeds import GroupSeeds
from contextrl.rollout.settings import DynamicSamplingSettings, Stage2Settings
from contextrl.rollout.threads import Threads
from contextrl.rollout.two_stage import AnyProcess, Sample, judge_groups, recover, sample_groups, unsampled_groups
from contextrl.rollout.verify import Verifier

#: Parts of a rollout whose time is logged.
TIMES = (
    names.TIME_STAGE1,
    names.TIME_JUDGE,
    names.TIME_STAGE2,
    names.TIME_JUDGE_WAITING,
    names.TIME_ENGINE_IDLE,
    names.TIME_SCORE,
)


class RolloutLostError(ServiceError):
    """Nothing of a rollout can be used, here or on another process: every process raises this at the same place.

    Its cause is what went wrong on this one; `who` is what is to be mended.
    """

    who: str


class JudgeLostError(RolloutLostError):
    """The judge is gone, or returned what is no verdict."""

    who = "judge"


class RewardLostError(RolloutLostError):
    """A reward function has failed, or returned what is no reward."""

    who = "reward"


@dataclass
class Rollout:
    """What one generation batch went through on this process.

    Attributes:
        verifier: who judged, with what that cost.
        seeds: of its groups' samples.
        groups: the groups that are trained; dynamic sampling has replaced some of the drawn ones.
        drawn: the groups that the data gave; what shares of groups and samples speak of.
        sampled: these and what dynamic sampling drew; what counts of stage 2 speak of.
        tokens: completion tokens sampled.
        seconds: by metric of time.
        sampling: seconds in which the engine was at work.
    """

    verifier: Verifier
    seeds: GroupSeeds
    groups: list[Group] = field(default_factory=list)
    drawn: list[Group] = field(default_factory=list)
    sampled: list[Group] = field(default_factory=list)
    tokens: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TIMES, 0.0))
    sampling: float = 0.0

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the time of a block to a part."""
        started = time.perf_counter()
        yield
        self.seconds[part] += time.perf_counter() - started

    def add_idleness(self, seconds: float) -> None:
        """Count what a rollout of so many seconds did beside sampling."""
        self.seconds[names.TIME_ENGINE_IDLE] += max(0.0, seconds - self.sampling)


@dataclass
class Collector:
    """Runs the method on data rows.

    Attributes:
        examples: the training data.
        build_prompts: stage-1 prompts of examples.
        engine: samples; `completions` makes of its token ids what the method works with.
        verifier: makes the verifier of one rollout.
        seeds: makes the seeds of one rollout.
        retry_prompt: stage 2's prompts.
        budget: which groups stage 2 may retry.
        cursor: what dynamic sampling draws next.
        processes: that train together.
        any_process: whether a condition holds on any of them.
        share_out: how a refill's rows are shared out over them.
        rewards: functions beside the judge, None for none.
        overlap: judge while others are sampled.
    """

    examples: Sequence[Example]
    num_generations: int
    build_prompts: Callable[[Sequence[Example]], Prompts]
    engine: Engine
    completions: Completions
    verifier: Callable[[], Verifier]
    seeds: Callable[[], GroupSeeds]
    stage2: Stage2Settings
    mixing: Mixing
    retry_prompt: RetryPrompt
    budget: RecoveryBudget
    dynamic_sampling: DynamicSamplingSettings
    cursor: RefillCursor
    processes: int
    any_process: AnyProcess
    share_out: ShareOut
    rewards: Rewards | None = None
    overlap: bool = True
    _threads: Threads = field(init=False, default_factory=Threads)

    def collect(self, rows: Sequence[int]) -> Rollout:
        """Both stages for data rows, refilled where dynamic sampling is on.

        Raises:
            RolloutLostError: on every process; nothing of the rollout can be used.
        """
        started = time.perf_counter()
        rollout = Rollout(self.verifier(), self.seeds())
        rollout.groups = self._roll_out(rollout, rows)
        rollout.drawn, rollout.sampled = list(rollout.groups), list(rollout.groups)
        if self.dynamic_sampling.rounds:
            rollout.sampled += refill(
                rollout.groups,
                lambda group: not has_spread([member.reward for member in group.members]),
                partial(self._roll_out, rollout),
                self.cursor,
                max_rounds=self.dynamic_sampling.rounds,
                share_out=self.share_out,
            )
        self.budget.learn(rollout.sampled)
        if self.rewards is not None:
            with rollout.timed(names.TIME_JUDGE):
                self._add_rewards(self.rewards, rollout.groups)
        rollout.add_idleness(time.perf_counter() - started)
        return rollout

    def _add_rewards(self, rewards: Rewards, groups: Sequence[Group]) -> None:
        """Collective: where a function fails on one process, all of them stop."""
        failure = None
        try:
            rewards.score(groups)
        except InputError as error:
            failure = error
        if self.any_process(failure is not None):
            raise RewardLostError(
                str(failure) if failure is not None else "a reward has failed on another process"
            ) from failure

    def _roll_out(self, rollout: Rollout, rows: Sequence[int], first: int | None = None) -> list[Group]:
        """Both stages for data rows; with none, this process only takes part in the others' generation.

        Args:
            first: of rows that a refill has drawn, the number of the first one's draw.
        """
        examples = [self.examples[row] for row in rows]
        of, of_refill = rollout.seeds.of, rollout.seeds.of_refill
        seeds = [of(row) if first is None else of_refill(row, first + n) for n, row in enumerate(rows)]
        with rollout.timed(names.TIME_STAGE1):
            reading = self.engine.read(self.build_prompts(examples))
            groups = unsampled_groups(examples, rows, seeds, reading.prompts, self.num_generations)
        for group in groups:
            group.may_retry = self.budget.allows(group)
        sample = partial(self._sample, rollout, reading)
        if self.overlap:
            Pipeline(
                rollout.verifier,
                self.stage2,
                self.retry_prompt,
                self.mixing,
                sample,
                self.any_process,
                self.processes == 1,
                rollout.seconds,
                self._threads,
            ).run(groups)
            self._check_judge(rollout.verifier)
        else:
            self._one_after_the_other(rollout, groups, sample)
        return groups

    def _one_after_the_other(self, rollout: Rollout, groups: list[Group], sample: Sample) -> None:
        """Stage 1, then the judge, then stage 2, of all groups: what the pipeline's results are those of."""
        with rollout.timed(names.TIME_STAGE1):
            sample_groups(groups, sample)
        with rollout.timed(names.TIME_JUDGE), rollout.timed(names.TIME_JUDGE_WAITING):
            judge_groups(groups, rollout.verifier, reports=self.stage2.asks_for_reports)
        self._check_judge(rollout.verifier)
        if self.stage2.in_use:
            before = rollout.seconds[names.TIME_STAGE2] - rollout.sampling
            with rollout.timed(names.TIME_STAGE2):
                recover(
                    groups,
                    settings=self.stage2,
                    retry_prompt=self.retry_prompt,
                    sample=sample,
                    verifier=rollout.verifier,
                    any_process=self.any_process,
                    mixing=self.mixing,
                )
            without_sampling = rollout.seconds[names.TIME_STAGE2] - rollout.sampling - before
            rollout.seconds[names.TIME_JUDGE_WAITING] += max(0.0, without_sampling)
            self._check_judge(rollout.verifier)

    def _sample(
        self, rollout: Rollout, reading: Reading, draws: Draws, ended: Arrived | None = None
    ) -> list[Completion]:
        """See `two_stage.Sample` and `pipeline.Sampling`."""
        started = time.perf_counter()
        told: dict[int, list[int]] = {}

        def hand_over(index: int, ids: list[int]) -> None:
            told[index] = ids
            if ended is not None:
                ended(index, self.completions.of(Sampled([ids]))[0])

        if not len(draws):
            if self.processes > 1:
                # Generation is collective: stand in with a prompt of our own and throw its completion away.
                self.engine.read(self.build_prompts(self.examples[:1])).sample(Draws([0], [()], [0]))
            return []
        sampled = reading.sample(draws if ended is None else replace(draws, ended=hand_over))
        if others := [index for index, ids in told.items() if list(sampled.ids[index]) != list(ids)]:
            # They have been judged: a verdict would be of another response than is trained on.
            raise ValueError(f"the engine has told of samples {others[:5]} with other tokens than it returns")
        rollout.sampling += time.perf_counter() - started
        rollout.tokens += sum(len(ids) for ids in sampled.ids)
        return self.completions.of(sampled)

    def _check_judge(self, verifier: Verifier) -> None:
        """Collective: where one process has lost its judge, all of them stop."""
        failure = verifier.failure
        if self.any_process(failure is not None):
            raise JudgeLostError(
                str(failure) if failure is not None else "another process has lost its judge"
            ) from failure
