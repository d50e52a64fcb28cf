"""The `stage2` and `dynamic_sampling` sections: how groups are sampled."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from contextrl.settings import CODE_PATH, Section

#: What follows the report in stage 2, unless `stage2.instruction` says otherwise.
DEFAULT_INSTRUCTION = "Answer the question afresh."
#: What stands in the place of a mistake report where the policy is to see none.
WITHOUT_REPORT = "The answer is wrong."


class BudgetSettings(Section):
    least_recovery: float | None = Field(None, gt=0, lt=1)
    """Share of a kind's retried groups that must lately have been recovered for its groups to be retried; kinds are the
    rows' `source`, or `task` where they have none. null retries always."""
    window: int = Field(32, gt=1)
    """About how many retried groups of a kind are remembered."""
    exploration: float = Field(0.05, ge=0, le=1)
    """Share of groups that may be retried however little it has paid, to find out when that changes."""


class Stage2Settings(Section):
    enabled: bool | None = None
    """Retry all-negative groups; by default on for `contextrl` and off for every other method."""
    samples_per_negative: int = Field(1, gt=0)
    """Retries of each negative."""
    rounds: int = Field(1, gt=0)
    """Most rounds of retries: while nothing of a group is kept, each retry that the judge found incorrect gets a report
    of its own and is retried once, shown in the place of the attempt before it."""
    max_positives: int | None = Field(None, gt=0)
    """Most retries kept in a group; by default all of them (with `objective.mixing: replace`, half of the group)."""
    guidance: Literal["attempt", "none"] = "attempt"
    """What a retry is shown: its failed attempt with what `report` says, or nothing. `none` draws as many further
    samples of the original prompt in its place (ours: what the same number of samples gives without reports)."""
    report: Literal["full", "none"] = "full"
    """What a retry is shown beside the failed attempt: the mistake report, or only that the answer is wrong."""
    standalone: bool = True
    """Reject retries that speak of the report or the earlier attempt."""
    budget: BudgetSettings = BudgetSettings()
    rollback: bool = True
    """Train kept retries as answers to the original prompt. false: under the prompt that they were sampled from, failed
    attempt and report included (ours, to see what rollback does); they then count as on-policy."""
    instruction: str = DEFAULT_INSTRUCTION
    """What follows the report in the retry's prompt."""
    max_context_tokens: int = Field(4096, gt=0)
    """Budget of a retry's prompt; the attempt is cut in its middle to fit, the report never."""

    @property
    def in_use(self) -> bool:
        """Whether all-negative groups are retried: always where no method has said otherwise."""
        return self.enabled is not False

    @property
    def asks_for_reports(self) -> bool:
        """Whether retries are shown mistake reports."""
        return self.in_use and self.report == "full" and self.guidance == "attempt"

    @property
    def filters(self) -> bool:
        """Whether retries must stand alone; what was shown nothing can speak of nothing."""
        return self.standalone and self.guidance == "attempt"


class DynamicSamplingSettings(Section):
    enabled: bool | None = None
    """Refill groups without spread; by default on for `dapo` and off for every other method."""
    max_rounds: int = Field(2, gt=0)
    """Most rounds of refilling in a step."""

    @property
    def rounds(self) -> int:
        """Rounds that may be used; 0 where dynamic sampling is off."""
        return self.max_rounds if self.enabled else 0


class RewardSettings(Section):
    path: Annotated[str, CODE_PATH]
    """`module:name` of a function with TRL's signature, `my_rules:format_ok` or `rules.py:format_ok`, relative to the
    file that names it; its module is run."""
    weight: float = Field(1.0, allow_inf_nan=False)
    """What its values are multiplied with before they are added to the verdict's reward of 0 or 1."""
