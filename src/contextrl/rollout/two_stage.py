"""The method: sample, judge, retry what failed with a mistake report, keep what stands on its own, roll it back.

ContextRL (arXiv 2602.22623), "two-stage sampling" and "mixed groups". Sampling is a function that is given, so that
this file runs with transformers, vLLM or a test's fake alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contextrl.objective.settings import Mixing
from contextrl.policy.prompts import Prompts
from contextrl.records.example import Example
from contextrl.rollout.groups import Attempt, Completion, Group
from contextrl.rollout.mixing import mix_group
from contextrl.rollout.recovery import RetryPrompt
from contextrl.rollout.sampling import Draws
from contextrl.rollout.seeds import retry_seed, seed_again
from contextrl.rollout.settings import WITHOUT_REPORT, Stage2Settings
from contextrl.rollout.standalone import standalone_problem
from contextrl.rollout.verify import Verifier

#: Completions [B] of what is to be drawn. N prompts and B samples, so that a prompt and its images are read only once.
Sample = Callable[[Draws], list[Completion]]
#: What an attempt holds until it is sampled.
UNSAMPLED = Completion((), "", False)
#: Whether a condition holds on any process. Generation is collective (FSDP, ZeRO-3, vLLM): all enter it or none.
AnyProcess = Callable[[bool], bool]


def sample_groups(groups: Sequence[Group], sample: Sample) -> None:
    """Stage 1: the G completions of each of the N groups, in place."""
    completions = sample(first_draws(groups))
    for attempt, completion in zip([a for group in groups for a in group.attempts], completions, strict=True):
        attempt.completion = completion


def unsampled_groups(
    examples: Sequence[Example], rows: Sequence[int], seeds: Sequence[int], prompts: Prompts, num_generations: int
) -> list[Group]:
    """Groups whose attempts are still to be sampled.

    Args:
        rows: [N] positions of the examples in the data.
        seeds: [N] of each group's first sample.
    """
    return [
        Group(example, row, prompts.select([n]), [Attempt(UNSAMPLED) for _ in range(num_generations)], seed=seed)
        for n, (example, row, seed) in enumerate(zip(examples, rows, seeds, strict=True))
    ]


def first_draws(groups: Sequence[Group]) -> Draws:
    """Stage 1 of groups that are in the order of their prompts, attempt by attempt."""
    places = [(n, i) for n, group in enumerate(groups) for i in range(len(group.attempts))]
    return Draws([n for n, _ in places], [()] * len(places), [groups[n].seed + i for n, i in places])


def judge_groups(groups: Sequence[Group], verifier: Verifier, *, reports: bool) -> None:
    """Verify every stage-1 attempt; with `reports`, ask for mistake reports on the negatives of all-negative groups."""
    attempts = [(group.example, attempt) for group in groups for attempt in group.attempts]
    verifier.verify(attempts, wants_report=reports and verifier.reports == "with_verdict")
    if reports:
        report_mistakes(groups, verifier)


def failures(group: Group) -> list[tuple[Attempt, int, int | None]]:
    """What the next round retries: an all-negative group's negatives, then, until one is kept, its newest failures.

    Returns:
        Each with the index of the stage-1 attempt that it goes back to and, for a retry, its own among the retries.
    """
    if not group.calls_for_retries or group.recovered:
        return []
    if not group.retries:
        return [(group.attempts[i], i, None) for i in group.negatives]
    newest = max(retry.round for retry in group.retries)
    return [
        (retry, retry.parent or 0, n)
        for n, retry in enumerate(group.retries)
        if retry.round == newest and retry.rejection == "incorrect"
    ]


def report_failures(groups: Sequence[Group], settings: Stage2Settings, verifier: Verifier) -> None:
    """Mistake reports on what a later round is to retry."""
    if settings.asks_for_reports:
        verifier.add_reports([(group.example, failed) for group in groups for failed, _, _ in failures(group)])


def report_mistakes(groups: Sequence[Group], verifier: Verifier) -> None:
    """Mistake reports on the negatives of those judged groups that are to be retried."""
    verifier.add_reports([(g.example, g.attempts[i]) for g in groups if g.calls_for_retries for i in g.negatives])


@dataclass(frozen=True)
class Retry:
    """A planned retry: what the policy reads after the original prompt, and the `attempt` that sampling will fill."""

    group: Group
    attempt: Attempt
    suffix: list[int]
    report: str
    seed: int


def plan_retries(
    group: Group, settings: Stage2Settings, retry_prompt: RetryPrompt, mixing: Mixing = "union"
) -> list[Retry]:
    """The next round's retries of an all-negative group, where their context fits the budget.

    A negative without a report is retried all the same, and told that the answer is wrong.
    """
    # Where retries take the places of negatives, one must stay: with a single scored one nothing could be kept.
    if mixing == "replace" and len(group.negatives) < 2:
        return []
    planned = []
    for failed, parent, retried in failures(group):
        shown = _shown(group, failed, settings, retry_prompt)
        if shown is None:
            continue
        suffix, report, seen = shown
        for n in range(settings.samples_per_negative if retried is None else 1):
            attempt = Attempt(
                UNSAMPLED,
                stage=2,
                parent=parent,
                round=failed.round + 1,
                retried=retried,
                seen=seen,
                context=() if settings.rollback else tuple(suffix),
                resampled=settings.guidance == "none",
            )
            seed = retry_seed(group.seed, parent, n) if retried is None else seed_again(group.seed, retried)
            planned.append(Retry(group, attempt, suffix, report, seed))
    return planned


def _shown(
    group: Group, failed: Attempt, settings: Stage2Settings, retry_prompt: RetryPrompt
) -> tuple[list[int], str, str] | None:
    """What a retry is shown after the prompt: its tokens, the report, and the text; None where that is too long."""
    if settings.guidance == "none":
        return [], "", ""
    report = (failed.verdict.mistake_report if failed.verdict and settings.report == "full" else None) or ""
    suffix = retry_prompt.suffix(group.prompt.ids[0], failed.completion.ids, report)
    return None if suffix is None else (suffix, report, f"{report or WITHOUT_REPORT} {retry_prompt.instruction}")


def recover(
    groups: Sequence[Group],
    *,
    settings: Stage2Settings,
    retry_prompt: RetryPrompt,
    sample: Sample,
    verifier: Verifier,
    any_process: AnyProcess,
    mixing: Mixing = "union",
) -> None:
    """Stage 2 on the all-negative groups, in place: retry, filter, mix.

    Args:
        groups: judged groups, in the order of the prompts that `sample` continues.
        any_process: if any process has an all-negative group, all of them enter generation.
        mixing: how kept retries join their group; see `mix_group`.
    """
    for number in range(settings.rounds):
        if number:
            report_failures(groups, settings, verifier)
        planned = [plan_retries(group, settings, retry_prompt, mixing) for group in groups]
        retries = [retry for plan in planned for retry in plan]
        if not any_process(bool(retries)):
            break
        completions = sample(retry_draws([n for n, plan in enumerate(planned) for _ in plan], retries))
        for retry, completion in zip(retries, completions, strict=True):
            retry.attempt.completion = completion
            retry.group.retries.append(retry.attempt)
        remaining = reject_unjudged(retries, settings)
        pairs = [(retry.group.example, retry.attempt) for retry in remaining]
        verifier.verify(pairs, wants_standalone=settings.filters)
        reject_judged(remaining, settings)
    for group in groups:
        if group.retries:
            mix_group(group, mixing, settings.max_positives)


def retry_draws(prompt_of: Sequence[int], retries: Sequence[Retry]) -> Draws:
    """Stage 2 of retries, in their order.

    Args:
        prompt_of: of each retry, which prompt its group has.
    """
    return Draws(prompt_of, [retry.suffix for retry in retries], [retry.seed for retry in retries])


def reject_unjudged(retries: Sequence[Retry], settings: Stage2Settings) -> list[Retry]:
    """Reject retries that are truncated or by rules not standalone; the others, which the judge has to see."""
    for retry in retries:
        attempt, question = retry.attempt, retry.group.example.question
        if attempt.completion.truncated:
            attempt.rejection = "truncated"
        elif settings.filters and standalone_problem(attempt.completion.text, retry.report, question):
            attempt.rejection = "not_standalone"
    return [retry for retry in retries if retry.attempt.rejection is None]


def reject_judged(retries: Sequence[Retry], settings: Stage2Settings) -> None:
    """Reject retries that are unscored, not standalone or incorrect."""
    for attempt in (retry.attempt for retry in retries):
        assert attempt.verdict is not None
        if not attempt.scored:
            attempt.rejection = "unscored"
        elif settings.filters and False in (attempt.verdict.self_consistent, attempt.verdict.standalone):
            attempt.rejection = "not_standalone"
        elif not attempt.correct:
            attempt.rejection = "incorrect"
