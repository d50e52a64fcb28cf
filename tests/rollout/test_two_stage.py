"""Both stages with a sampler and a judge that answer from tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest
from rollout_fakes import (
    CORRECT,
    INCORRECT,
    UNSCORED,
    FakeJudge,
    completion,
    example,
    group,
    prompts_of,
)

from contextrl.judge.protocol import JudgeRequest
from contextrl.policy.prompts import Prompts
from contextrl.records.groups import Rejection
from contextrl.records.verdict import Verdict
from contextrl.rollout.groups import Completion, Group
from contextrl.rollout.recovery import RetryPrompt
from contextrl.rollout.sampling import Draws
from contextrl.rollout.settings import Stage2Settings
from contextrl.rollout.two_stage import judge_groups, plan_retries, recover, sample_groups, unsampled_groups
from contextrl.rollout.verify import Verifier


class Latin1Tokenizer:
    """One id per character."""

    added_tokens_decoder: ClassVar[dict[int, Any]] = {}

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": list(text.encode("latin-1"))}


def render(messages: list[dict[str, Any]]) -> str:
    return "".join(f"\n{m['role'][0]}:{m['content'][0]['text']}" for m in messages) + "\na:"


def retry_prompt(budget: int = 500) -> RetryPrompt:
    return RetryPrompt(Latin1Tokenizer(), render, "Again.", budget)


class FakeSampler:
    """Hands out completions in order and remembers which prompts it was asked to continue, and with what.

    Args:
        prompts: of the rollout.
    """

    def __init__(self, prompts: Prompts, *completions: Completion | str) -> None:
        self.prompts = prompts
        self.rest = [completion(one) if isinstance(one, str) else one for one in completions]
        self.calls: list[tuple[list[int], list[list[int]]]] = []
        self.seeds: list[int] = []

    def __call__(self, draws: Draws) -> list[Completion]:
        self.calls.append((list(draws.prompt_of), [list(suffix) for suffix in draws.suffixes]))
        self.seeds += draws.seeds
        taken, self.rest = self.rest[: len(draws)], self.rest[len(draws) :]
        return taken

    def prompt_texts(self, call: int = 0) -> list[str]:
        """What the policy read before each sample."""
        row, suffixes = self.calls[call]
        return [bytes(self.prompts.ids[n] + more).decode("latin-1") for n, more in zip(row, suffixes, strict=True)]


def by_first_word(request: JudgeRequest) -> Verdict:
    word = request.response.split()[0]
    if word == "wordy":
        return replace(CORRECT, standalone=False)
    if word == "parting":
        return replace(INCORRECT, self_consistent=False)
    return {"right": replace(CORRECT, standalone=True), "lost": UNSCORED}.get(word, INCORRECT)


def run_stage_2(
    groups: list[Group],
    *completions: Completion | str,
    settings: Stage2Settings | None = None,
    judge: FakeJudge | None = None,
    elsewhere: bool = False,
    budget: int = 500,
) -> FakeSampler:
    """`recover` with the given retries; `elsewhere`: another process needs stage 2."""
    sampler = FakeSampler(Prompts.join([judged.prompt for judged in groups]), *completions)
    recover(
        groups,
        settings=settings or Stage2Settings(),
        retry_prompt=retry_prompt(budget),
        sample=sampler,
        verifier=Verifier(judge or FakeJudge(by_first_word)),
        any_process=lambda here: here or elsewhere,
    )
    return sampler


def rejections(judged: Group) -> list[Rejection | None]:
    return [one.rejection for one in judged.retries]


# ---- stage 1 -----------------------------------------------------------------------------------------------------


def test_stage_1_samples_g_of_each_prompt_in_runs() -> None:
    prompts = prompts_of("a", "b")
    sampler = FakeSampler(prompts, "a0", "a1", "b0", "b1")
    groups = unsampled_groups([example("a"), example("b")], [7, 3], [100, 50], prompts, 2)
    sample_groups(groups, sampler)
    assert sampler.prompt_texts() == ["a", "a", "b", "b"]
    assert sampler.calls == [([0, 0, 1, 1], [[]] * 4)]
    assert sampler.seeds == [100, 101, 50, 51]
    assert [group.seed for group in groups] == [100, 50]
    assert [(g.example.id, g.row, g.prompt.ids) for g in groups] == [("a", 7, [[97]]), ("b", 3, [[98]])]
    assert [[one.completion.text for one in g.attempts] for g in groups] == [["a0", "a1"], ["b0", "b1"]]


def test_reports_are_asked_for_only_in_all_negative_groups() -> None:
    judge = FakeJudge(by_first_word)
    texts = {"spread": ["right", "wrong a"], "dark": ["wrong b", "lost"], "solved": ["right", "right"]}
    prompts = prompts_of(*texts)
    sampler = FakeSampler(prompts, *[text for row in texts.values() for text in row])
    groups = unsampled_groups([example(n) for n in texts], [0, 1, 2], [0, 0, 0], prompts, 2)
    sample_groups(groups, sampler)
    judge_groups(groups, Verifier(judge), reports=True)
    assert [g.kind for g in groups] == ["spread", "all_negative", "solved"]
    asked = [request.response for batch in judge.batches for request in batch if request.wants_report]
    # The unscored attempt of the all-negative group has no mistake to report.
    assert asked == ["wrong b"]


def test_without_stage_2_nobody_asks_for_reports() -> None:
    judge = FakeJudge(by_first_word)
    prompts = prompts_of("sum")
    groups = unsampled_groups([example()], [0], [0], prompts, 2)
    sample_groups(groups, FakeSampler(prompts, "wrong", "wrong too"))
    judge_groups(groups, Verifier(judge), reports=False)
    assert len(judge.batches) == 1


# ---- stage 2 -----------------------------------------------------------------------------------------------------


def test_only_all_negative_groups_are_retried() -> None:
    groups = [group("+-", "spread"), group("--", "dark"), group("++", "solved"), group("??", "lost")]
    sampler = run_stage_2(groups, "right one", "wrong")
    assert [len(g.retries) for g in groups] == [0, 2, 0, 0]
    assert [text.split("\n")[0] for text in sampler.prompt_texts()] == ["darkdark try 0", "darkdark try 1"]
    assert groups[1].recovered
    assert [member.completion.text for member in groups[1].members] == ["dark try 0", "dark try 1", "right one"]


def test_the_retry_sees_question_attempt_report_and_instruction() -> None:
    groups = [group("--")]
    sampler = run_stage_2(groups, "right", "right")
    assert sampler.prompt_texts() == [f"sumsum try {i}\nu:report {i} Again.\na:" for i in range(2)]
    assert sampler.calls[0][0] == [0, 0], "both retries continue the one prompt that they share"
    assert [one.seen for one in groups[0].retries] == ["report 0 Again.", "report 1 Again."]
    assert [(one.stage, one.parent) for one in groups[0].retries] == [(2, 0), (2, 1)]


def test_the_original_prompt_is_kept_for_training() -> None:
    groups = [group("--")]
    run_stage_2(groups, "right", "wrong")
    assert groups[0].prompt.ids == [list(b"sum")]


def test_negatives_without_a_report_are_retried_and_told_only_that_they_are_wrong() -> None:
    judged = group("---")
    assert judged.attempts[1].verdict is not None
    judged.attempts[1].verdict = replace(judged.attempts[1].verdict, mistake_report=None)
    run_stage_2([judged], "right", "wrong", "lost")
    assert [one.parent for one in judged.retries] == [0, 1, 2]
    assert judged.retries[1].seen.startswith("The answer is wrong.")
    assert not judged.retries[0].seen.startswith("The answer is wrong.")


def test_negatives_whose_report_does_not_fit_are_skipped() -> None:
    judged = group("--")
    assert judged.attempts[0].verdict is not None
    judged.attempts[0].verdict = replace(judged.attempts[0].verdict, mistake_report="long " * 100)
    run_stage_2([judged], "right", budget=60)
    assert [one.parent for one in judged.retries] == [1]


def test_every_retry_has_a_seed_of_its_own_that_its_group_decides() -> None:
    def seeds_of(seed: int) -> list[int]:
        judged = group("--")
        judged.seed = seed
        return run_stage_2([judged], *["wrong"] * 4, settings=Stage2Settings(samples_per_negative=2)).seeds

    assert len({*seeds_of(7), *seeds_of(8)}) == 8
    assert seeds_of(7) == seeds_of(7)


def test_samples_per_negative() -> None:
    judged = group("--")
    sampler = run_stage_2(
        [judged],
        "right a",
        "wrong",
        "wrong",
        "right b",
        settings=Stage2Settings(samples_per_negative=2, max_positives=4),
    )
    assert len(sampler.prompt_texts()) == 4
    assert [one.parent for one in judged.retries] == [0, 0, 1, 1]
    assert rejections(judged) == [None, "incorrect", "incorrect", None]


def test_planning_leaves_the_group_alone() -> None:
    judged = group("--")
    assert len(plan_retries(judged, Stage2Settings(), retry_prompt())) == 2
    assert judged.retries == []
    assert plan_retries(group("+-"), Stage2Settings(), retry_prompt()) == []


# ---- rounds ------------------------------------------------------------------------------------------------------


def test_what_has_failed_again_is_retried_with_its_own_report() -> None:
    """Only where nothing of the group was kept, and only what was found incorrect; each failed retry once."""

    def verdict(request: JudgeRequest) -> Verdict:
        said = by_first_word(request)
        wanted = request.wants_report and said.status == "incorrect"
        return replace(said, mistake_report=f"on {request.response}") if wanted else said

    groups, judge = [group("--", "dark"), group("---", "lit")], FakeJudge(verdict)
    groups[1].seed = 1
    first = ["wrong a", completion("cut", truncated=True), "wrong b", "right", "wrong c"]
    sampler = run_stage_2(groups, *first, "wrong d", "right at last", settings=Stage2Settings(rounds=3), judge=judge)
    dark, lit = groups
    assert sampler.prompt_texts(1) == ["darkwrong a\nu:on wrong a Again.\na:"]
    assert sampler.prompt_texts(2) == ["darkwrong d\nu:on wrong d Again.\na:"]
    assert [(one.round, one.parent, one.retried) for one in dark.retries] == [
        (1, 0, None),
        (1, 1, None),
        (2, 0, 0),
        (3, 0, 2),
    ]
    assert rejections(dark) == ["incorrect", "truncated", "incorrect", None]
    assert [one.round for one in lit.retries] == [1, 1, 1], "a retry was kept"
    assert dark.kind == "all_negative"
    assert [one.completion.text for one in dark.members] == ["dark try 0", "dark try 1", "right at last"]
    assert len(set(sampler.seeds)) == len(sampler.seeds)
    reported = [request.response for batch in judge.batches for request in batch if request.wants_report]
    assert reported == ["wrong a", "wrong d"]
    assert dark.report_on(dark.retries[3]) == "on wrong d"


def test_rounds_end_when_nobody_has_anything_to_retry() -> None:
    judged = group("--")
    sampler = run_stage_2([judged], "lost", "right, you are right", settings=Stage2Settings(rounds=3))
    assert len(sampler.calls) == 1


def test_a_process_takes_part_in_every_round_of_another() -> None:
    judged = group("+-")
    sampler = run_stage_2([judged], settings=Stage2Settings(rounds=2), elsewhere=True)
    assert [row for row, _ in sampler.calls] == [[], []]


# ---- further samples, to compare with -------------------------------------------------------------------------------


def test_in_place_of_retries_the_original_prompt_is_sampled_as_often_again() -> None:
    judged, judge = group("---"), FakeJudge(by_first_word)
    settings = Stage2Settings(guidance="none", samples_per_negative=2)
    texts = ["right you are right", "wrong", "right", "right", "wrong", "lost"]
    sampler = run_stage_2([judged], *texts, settings=settings, judge=judge)
    assert sampler.prompt_texts() == ["sum"] * 6
    assert sampler.calls[0][1] == [[]] * 6
    # Nothing was shown that it could speak of: no filter, and the policy's own sample.
    assert rejections(judged) == [None, "incorrect", None, "duplicate", "incorrect", "unscored"]
    assert {request.wants_report or request.wants_standalone for b in judge.batches for request in b} == {False}
    added = [member for member in judged.members if member.stage == 2]
    assert [member.completion.text for member in added] == ["right you are right", "right"]
    assert not any(member.rolled_back or member.seen for member in added)
    assert judged.mixed
    assert judged.kind == "all_negative"
    assert len(set(sampler.seeds)) == 6


def test_nobody_asks_for_reports_that_are_not_shown() -> None:
    assert Stage2Settings().asks_for_reports
    assert not Stage2Settings(guidance="none").asks_for_reports


# ---- the filter --------------------------------------------------------------------------------------------------


def test_each_rejection_and_its_reason() -> None:
    judged = group("---------")
    run_stage_2(
        [judged],
        completion("right but cut", truncated=True),
        "right, you are right",
        "lost",
        "wrong",
        "wordy by the judge's field",
        "parting answer and reasoning",
        "right",
        "right",
        "right again",
        settings=Stage2Settings(max_positives=1),
    )
    assert rejections(judged) == [
        "truncated",
        "not_standalone",
        "unscored",
        "incorrect",
        "not_standalone",
        "not_standalone",
        None,
        "duplicate",
        "over_cap",
    ]


@pytest.mark.parametrize(
    ("retry", "reason"),
    [
        pytest.param(completion("wrong, you are right", truncated=True), "truncated", id="truncated-comes-first"),
        pytest.param(completion("wrong, you are right"), "not_standalone", id="rules-come-before-the-judge"),
        pytest.param(completion("lost"), "unscored", id="unscored-is-not-incorrect"),
    ],
)
def test_the_first_reason_counts(retry: Completion, reason: Rejection) -> None:
    judged = group("--")
    run_stage_2([judged], retry, "wrong")
    assert rejections(judged)[0] == reason


def test_what_the_rules_reject_is_not_judged() -> None:
    judge = FakeJudge(by_first_word)
    judged = group("---")
    run_stage_2([judged], completion("right", truncated=True), "right, you are right", "right", judge=judge)
    assert judge.asked == [("sum", "right")]
    assert judged.retries[0].verdict is None


def test_quoting_its_own_report_is_not_standalone() -> None:
    judged = group("--")
    report = "the second digit in the picture has two closed loops"
    assert judged.attempts[0].verdict is not None
    judged.attempts[0].verdict = replace(judged.attempts[0].verdict, mistake_report=report)
    # The same words are nobody's quote in the retry of the other negative.
    run_stage_2([judged], f"right because {report}", f"right because {report}")
    assert rejections(judged) == ["not_standalone", None]


@pytest.mark.parametrize("retry", ["right, you are right", "wordy"], ids=["by-rule", "by-the-judge"])
@pytest.mark.parametrize("standalone", [True, False], ids=["on", "off"])
def test_the_filter_can_be_switched_off(retry: str, standalone: bool) -> None:
    judged, judge = group("--"), FakeJudge(by_first_word)
    settings = Stage2Settings(standalone=standalone)
    judge.verdict_of = lambda request: replace(CORRECT, standalone=not request.response.startswith("wordy"))
    run_stage_2([judged], retry, "right", settings=settings, judge=judge)
    assert rejections(judged)[0] == ("not_standalone" if standalone else None)
    assert {request.wants_standalone for batch in judge.batches for request in batch} == {standalone}


def test_a_judge_without_an_opinion_on_standalone_rejects_nothing() -> None:
    judged = group("--")
    run_stage_2([judged], "right", "wrong", judge=FakeJudge(lambda _: CORRECT))
    assert rejections(judged) == [None, None]


def test_without_reports_a_retry_hears_only_that_it_is_wrong() -> None:
    """The paper's ablation: the failed attempt and a request to correct it; negatives without a report are retried."""
    judged = group("--")
    assert judged.attempts[1].verdict is not None
    judged.attempts[1].verdict = replace(judged.attempts[1].verdict, mistake_report=None)
    sampler = run_stage_2([judged], "right", "wrong", settings=Stage2Settings(report="none"))
    assert sampler.prompt_texts() == [f"sumsum try {i}\nu:The answer is wrong. Again.\na:" for i in range(2)]
    assert [one.seen for one in judged.retries] == ["The answer is wrong. Again."] * 2


# ---- several processes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elsewhere", "calls"),
    [pytest.param(True, [[]], id="another-process-needs-it"), pytest.param(False, [], id="nobody-needs-it")],
)
def test_generation_is_entered_by_all_processes_or_none(elsewhere: bool, calls: list[list[str]]) -> None:
    judge, groups = FakeJudge(by_first_word), [group("+-"), group("++")]
    sampler = run_stage_2(groups, judge=judge, elsewhere=elsewhere)
    assert [sampler.prompt_texts(n) for n in range(len(sampler.calls))] == calls
    assert judge.batches == []
    assert all(g.members == g.attempts for g in groups)


def test_any_process_hears_whether_this_one_has_retries() -> None:
    heard: list[bool] = []

    def any_process(here: bool) -> bool:
        heard.append(here)
        return False

    for outcomes in ("--", "+-"):
        recover(
            [group(outcomes)],
            settings=Stage2Settings(),
            retry_prompt=retry_prompt(),
            sample=FakeSampler(prompts_of("sum")),
            verifier=Verifier(FakeJudge(by_first_word)),
            any_process=any_process,
        )
    assert heard == [True, False]
