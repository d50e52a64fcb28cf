"""Many samples of a question: whoever draws them, each is judged and counted once, and pass@k is what it says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from contextrl.evaluation import sampling
from contextrl.evaluation.sampling import SamplePlan, evaluate_samples
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.plugin import register
from contextrl.plugins import EVALUATIONS
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompting import Prompting
from contextrl.policy.prompts import Prompts
from contextrl.records.example import Example
from contextrl.records.verdict import Verdict, unscored
from contextrl.statistics.pass_at_k import pass_at_k

register()


class Marks:
    """Judges by the text; counts what it is asked."""

    name, context = "marks", "solution"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        self.asked += [(request.example.id, request.response) for request in requests]
        return [self._verdict(request.response) for request in requests]

    def _verdict(self, text: str) -> Verdict:
        if text == "lost":
            return unscored("timeout", "60 s")
        answer = text in ("right", "lucky")
        process = text == "right"
        status = "correct" if answer and process else "incorrect"
        return Verdict(status, answer_correct=answer, process_correct=process)


class Says:
    """A sampler whose samples are words: token id n is word n, and 9 ends them."""

    words = ("right", "lucky", "wrong", "lost")

    def __init__(self, rows: Sequence[Sequence[int]], *, agreed: bool = True) -> None:
        self.rows, self.agreed, self.given = list(rows), agreed, 0

    def agrees(self, prompts: Prompts) -> bool:
        return self.agreed

    def sample(self, prompts: Prompts, prompt_of: Sequence[int], seeds: Sequence[int]) -> list[list[int]]:
        assert len(prompt_of) == len(seeds) == len(set(seeds))
        own = self.rows[self.given : self.given + len(prompts.ids)]
        self.given += len(prompts.ids)
        return [[word, 9] for row in own for word in row]


@pytest.fixture(scope="module")
def policy(tiny_policy: Path) -> tuple[Any, Prompting]:
    return load_policy(str(tiny_policy)), Prompting(load_processor(str(tiny_policy), policy_config(str(tiny_policy))))


def questions(count: int) -> list[Example]:
    return list(EVALUATIONS["miniature:dev"].examples(count))


def test_figures_by_hand(policy: tuple[Any, Prompting], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "ROWS", 8)  # two questions at once
    monkeypatch.setattr(sampling, "response_of", lambda ids, *_: sampling.Response(Says.words[ids[0]], False, 2))
    rows = [[0, 0, 1, 2], [2, 2, 2, 1], [2, 2, 2, 2], [3, 0, 0, 0], [3, 3, 3, 3]]
    judge, model, prompting = Marks(), *policy
    batches: list[int] = []
    figures, records = evaluate_samples(
        model,
        prompting,
        questions(5),
        judge,
        SamplePlan(4),
        max_new_tokens=4,
        sampler=Says(rows),
        on_batch=batches.append,
    )
    assert batches == [2, 2, 1]
    assert len(records) == 20
    assert [record["sample"] for record in records[:5]] == [0, 1, 2, 3, 0]
    assert len(judge.asked) == len(set(judge.asked)) == 3 + 2 + 1 + 2 + 1, "each text once per question"
    # The last question has no verdict; the fourth has three.
    assert (figures["n"], figures["unscored"]) == (4, 1)
    assert figures["answer_accuracy"] == pytest.approx((3 / 4 + 1 / 4 + 0 + 1) / 4, abs=1e-4)
    assert figures["process_accuracy"] == pytest.approx((2 / 4 + 0 + 0 + 1) / 4, abs=1e-4)
    found = figures["pass_at_k"]
    assert found["process"]["1"] == pytest.approx((2 / 4 + 0 + 0 + 1) / 4, abs=1e-4)
    assert found["answer"]["2"] == pytest.approx((pass_at_k(4, 3, 2) + pass_at_k(4, 1, 2) + 0 + 1) / 4, abs=1e-4)
    assert found["answer"]["4"] == pytest.approx((1 + 1 + 0) / 3, abs=1e-4), "three verdicts say nothing of four"
    assert len(figures["pass_at_k_ci95"]["process"]["4"]) == 2


def test_samples_are_the_same_by_either_way(policy: tuple[Any, Prompting]) -> None:
    from contextrl.engines.shared_prefix.alone import PromptSampler
    from contextrl.evaluation.sampling import sampling_config

    model, prompting = policy
    plan, judge = SamplePlan(6, 1.0, seed=3), EVALUATIONS["miniature:dev"].judge()
    _, plain = evaluate_samples(model, prompting, questions(3), judge, plan, max_new_tokens=8)
    sampler = PromptSampler.of(model, sampling_config(model, prompting.tokenizer, 1.0, 8))
    assert sampler is not None
    _, shared = evaluate_samples(model, prompting, questions(3), judge, plan, max_new_tokens=8, sampler=sampler)
    assert shared == plain
    assert len({record["response"] for record in plain}) > 6
    _, alone = evaluate_samples(model, prompting, questions(3)[1:2], judge, plan, max_new_tokens=8, sampler=sampler)
    assert alone == plain[6:12], "a question's samples do not depend on the others"


def test_a_sampler_that_computes_otherwise_is_not_used(policy: tuple[Any, Prompting]) -> None:
    model, prompting = policy
    wrong = Says([], agreed=False)
    _, records = evaluate_samples(
        model, prompting, questions(1), Marks(), SamplePlan(2), max_new_tokens=4, sampler=wrong
    )
    assert len(records) == 2
    assert wrong.given == 0
