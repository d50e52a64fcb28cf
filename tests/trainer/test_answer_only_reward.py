"""A right answer by a wrong process may be worth something: it moves advantages, and nothing that is positive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from runs import FunctionEngine, ScriptedJudge, build_trainer, loader_rows

from contextrl.commands.arguments import training_arguments
from contextrl.commands.config import RunConfig
from contextrl.errors import InputError
from contextrl.judge.protocol import JudgeRequest
from contextrl.objective.advantages import group_advantages
from contextrl.records import metrics as names
from contextrl.records.verdict import Verdict


class HalfRight(ScriptedJudge):
    """At stage 1 every other response has a right answer and none a right process; half of the retries are right."""

    def _one(self, request: JudgeRequest) -> Verdict:
        odd = sum(request.response.encode()) % 2 == 1
        if request.wants_standalone and odd:
            return Verdict("correct", answer_correct=True, process_correct=True)
        report = "Mistake: step 1 is wrong." if request.wants_report else None
        return Verdict("incorrect", answer_correct=odd, process_correct=False, mistake_report=report)


@pytest.mark.parametrize("worth", [0.0, 0.25])
@pytest.mark.parametrize("stage2", [False, True], ids=["grpo", "contextrl"])
def test_it_is_in_the_advantages_alone(tiny_policy: Path, tmp_path: Path, worth: float, stage2: bool) -> None:
    settings: dict[str, Any] = {"objective": {"answer_only_reward": worth}, "stage2": {"enabled": stage2}}
    trainer = build_trainer(tiny_policy, tmp_path, HalfRight(None), **settings)
    trainer.collector.engine = FunctionEngine(trainer._tokenizer.eos_token_id)
    batch = trainer._generate_and_score_completions(loader_rows(0, 1))
    assert trainer.rows is not None
    groups = trainer.rows.rollout.groups
    assert {group.kind for group in groups} == {"all_negative"}
    assert all(group.recovered == stage2 for group in groups)
    found = dict(zip(map(id, trainer.rows.attempts), batch["advantages"].tolist(), strict=True))
    for group in groups:
        given = [1.0 if one.stage == 2 else worth * _odd(one) for one in group.members]
        assert len(set(given)) == 1 + stage2 + (worth > 0), "some answers are right and some are not"
        expected = (0.5 if stage2 else 1.0) * group_advantages(torch.tensor([given]))[0]
        torch.testing.assert_close(torch.tensor([found[id(one)] for one in group.members]), expected)
    logged = trainer._metrics["train"]
    assert logged[names.ACCURACY_PROCESS] == [0.0]
    right = sum(_odd(one) for group in groups for one in group.attempts) / 8
    assert logged[names.REWARD] == [pytest.approx(worth * right)]
    assert logged[names.JUDGE_FALSE_POSITIVE_RATE] == [1.0]


def _odd(attempt: Any) -> bool:
    return sum(attempt.completion.text.encode()) % 2 == 1


def test_rules_never_look_at_a_process() -> None:
    config = RunConfig(objective={"answer_only_reward": 0.5}, judge={"kind": "rules"})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"objective\.answer_only_reward: expected 0 with judge\.kind: rules"):
        training_arguments(config)
