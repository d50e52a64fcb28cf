"""Attempts and groups: what one example went through in a rollout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Literal

from contextrl.judge.disclosure import step_of
from contextrl.policy.prompts import Prompts
from contextrl.records.example import Example
from contextrl.records.groups import GroupKind, Rejection
from contextrl.records.verdict import Verdict
from contextrl.rollout.alignment import Decode, step_start, tokens_before


@dataclass(frozen=True)
class Completion:
    """What the policy sampled.

    Attributes:
        ids: the sampled tokens, end-of-turn included where it was sampled.
        text: `ids` decoded without special tokens.
        truncated: the length limit, not the policy, ended it.
        logps: of `ids` under the distribution that they were drawn from; None where the engine does not tell.
    """

    ids: tuple[int, ...]
    text: str
    truncated: bool
    logps: tuple[float, ...] | None = None


@dataclass
class Attempt:
    """One response with its verdict.

    Attributes:
        stage: 1 for the original prompt, 2 for a retry.
        parent: for a retry, the index of the stage-1 attempt it retries.
        round: of retries, 1 for the first; 0 for stage 1.
        retried: for a retry of a later round, the index among its group's retries of the one that it retries; `parent`
            is then the attempt that the first of them retried.
        seen: for a retry, the text of what followed the failed attempt in its prompt.
        context: for a retry that is trained as it was sampled, without rollback, the tokens between the original prompt
            and it.
        resampled: drawn in stage 2 from the original prompt, where nothing is shown: on-policy, as stage 1 is.
        verdict: the rewarded judge's.
        audit: a second judge's, recorded and never rewarded.
        rejection: why a retry was not kept; None if it was, and for stage 1.
        rewards: what reward functions beside the judge gave, by name; without those that do not apply.
        shift: their weighted sum. It moves the advantage and nothing else.
    """

    completion: Completion
    stage: Literal[1, 2] = 1
    parent: int | None = None
    round: int = 0
    retried: int | None = None
    seen: str = ""
    context: tuple[int, ...] = ()
    resampled: bool = False
    verdict: Verdict | None = None
    audit: Verdict | None = None
    rejection: Rejection | None = None
    rewards: dict[str, float] = field(default_factory=dict)
    shift: float = 0.0

    @property
    def correct(self) -> bool:
        return self.verdict is not None and self.verdict.status == "correct"

    @property
    def scored(self) -> bool:
        return self.verdict is not None and self.verdict.status != "unscored"

    @property
    def rolled_back(self) -> bool:
        """Sampled under the guiding context, trained under the original prompt."""
        return self.stage == 2 and not self.context and not self.resampled

    @property
    def reward(self) -> float | None:
        """The verdict's: 1, 0, or None where the judge failed."""
        return self.reward_with(0.0)

    def reward_with(self, answer_only: float) -> float | None:
        """The verdict's reward where a right answer by a wrong process is worth something.

        Args:
            answer_only: what it is worth; see `objective.answer_only_reward`.
        """
        if self.verdict is None or not self.scored:
            return None
        if self.correct:
            return 1.0
        return answer_only if self.verdict.false_positive else 0.0


@dataclass
class Group:
    """One example's G stage-1 attempts, its retries, and the responses that are trained.

    Attributes:
        row: position of the example in the data.
        prompt: the stage-1 prompt, one row.
        seed: of its first sample; see `GroupSeeds`.
        members: the group that is trained: an online group's G attempts, or the mixed group that `mix_group` made.
        replayed: the G responses that GRPOTrainer scores: the attempts, or, where kept retries take the places of
            negatives, the members.
        may_retry: whether stage 2 retries it if it is all-negative; see `RecoveryBudget`.
        refilled: drawn by dynamic sampling in place of a group without spread.
    """

    example: Example
    row: int
    prompt: Prompts
    attempts: list[Attempt]
    retries: list[Attempt] = field(default_factory=list)
    members: list[Attempt] = field(default_factory=list)
    replayed: list[Attempt] = field(default_factory=list)
    refilled: bool = False
    may_retry: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        self.members = self.members or list(self.attempts)
        self.replayed = self.replayed or list(self.attempts)

    @property
    def kind(self) -> GroupKind:
        """By the scored stage-1 samples, before mixing."""
        outcomes = {attempt.correct for attempt in self.attempts if attempt.scored}
        if not outcomes:
            return "unscored"
        if outcomes == {True}:
            return "solved"
        return "spread" if True in outcomes else "all_negative"

    @property
    def calls_for_retries(self) -> bool:
        """All-negative, and not beyond stage 2's budget."""
        return self.kind == "all_negative" and self.may_retry

    @property
    def recovered(self) -> bool:
        """All-negative, with at least one retry kept."""
        return any(retry.rejection is None for retry in self.retries)

    @property
    def mixed(self) -> bool:
        """Whether kept retries are trained beside negatives."""
        return any(member.stage == 2 for member in self.members)

    def failed_before(self, retry: Attempt) -> Attempt | None:
        """What a retry retries, and is shown."""
        if retry.retried is not None:
            return self.retries[retry.retried]
        return None if retry.parent is None else self.attempts[retry.parent]

    def divergence(self, retry: Attempt) -> int:
        """How many tokens a retry has in common with what it retries, from the beginning on."""
        failed = self.failed_before(retry)
        pairs = zip(retry.completion.ids, failed.completion.ids if failed else (), strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    def wrong_step(self, retry: Attempt) -> int | None:
        """Where in a retry's text the step begins that was wrong in what it retries, as the report on that says: the
        place of its first character; None where the report names no step, or the retry has fewer."""
        failed = self.failed_before(retry)
        if failed is None or failed.verdict is None:
            return None
        step = failed.verdict.mistake_step or step_of(failed.verdict.mistake_report or "")
        return None if step is None else step_start(retry.completion.text, step)

    def before_wrong_step(self, retry: Attempt, decode: Decode) -> int:
        """How many tokens of a retry stand before the step that was wrong; 0 where no step is known."""
        place = self.wrong_step(retry)
        return 0 if place is None else tokens_before(retry.completion.ids, place, decode)

    def report_on(self, retry: Attempt) -> str | None:
        """The mistake report on the attempt that was retried."""
        failed = self.failed_before(retry)
        return None if failed is None or failed.verdict is None else failed.verdict.mistake_report

    @property
    def negatives(self) -> list[int]:
        """Indices of scored incorrect stage-1 attempts."""
        return [i for i, attempt in enumerate(self.attempts) if attempt.scored and not attempt.correct]


def has_spread(rewards: Sequence[float | None]) -> bool:
    """Whether the scored rewards differ, so that the group has a gradient."""
    return len({reward for reward in rewards if reward is not None}) > 1
