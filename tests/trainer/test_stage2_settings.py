"""Settings of stage 2 that contradict one another, or mean nothing, are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from runs import SETTINGS, ScriptedJudge

from contextrl.errors import InputError
from contextrl.judge.rules import RulesJudge
from contextrl.objective.settings import ObjectiveSettings
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.stage2_checks import check_named_steps


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param(
            {"stage2": {"rollback": False, "enabled": False}},
            ["stage2.rollback", "contextrl"],
            id="rollback-of-nothing",
        ),
        pytest.param(
            {"stage2": {"budget": {"least_recovery": 0.1}, "enabled": False}}, ["stage2.budget"], id="budget-of-nothing"
        ),
        pytest.param(
            {"stage2": {"budget": {"least_recovery": 1.5}}}, ["budget.least_recovery"], id="more-than-all-groups"
        ),
        pytest.param(
            {"stage2": False, "objective": {"rolled_back_tokens": "after_divergence"}},
            ["objective.rolled_back_tokens", "stage 2"],
            id="alignment-of-nothing",
        ),
        pytest.param(
            {"stage2": {"rollback": False}, "objective": {"rolled_back_tokens": "after_divergence"}},
            ["objective.rolled_back_tokens", "rolled back"],
            id="alignment-without-rollback",
        ),
        pytest.param(
            {"stage2": {"report": "none"}, "objective": {"rolled_back_tokens": "after_wrong_step"}},
            ["stage2.report", "after_wrong_step"],
            id="a-step-that-no-report-names",
        ),
        pytest.param({"stage2": {"guidance": "none", "enabled": False}}, ["stage2.guidance"], id="guidance-of-nothing"),
        pytest.param(
            {"stage2": {"guidance": "none", "rollback": False}},
            ["stage2.rollback", "stage2.guidance"],
            id="no-context-to-keep",
        ),
        pytest.param(
            {"stage2": {"guidance": "none"}, "objective": {"ratio": "shaped"}},
            ["objective.ratio", "rolled back"],
            id="a-ratio-for-samples-of-the-policy",
        ),
        pytest.param({"stage2": {"rounds": 2, "enabled": False}}, ["stage2.rounds"], id="rounds-of-nothing"),
        pytest.param(
            {"stage2": {"rollback": False}, "objective": {"mixing": "replace"}},
            ["objective.mixing", "union"],
            id="a-longer-row-in-the-place-of-a-negative",
        ),
        pytest.param(
            {"stage2": {"rollback": False}, "objective": {"ratio": "shaped"}},
            ["objective.ratio", "rolled back"],
            id="a-ratio-for-what-is-not-there",
        ),
    ],
)
def test_refused(settings: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        ContextRLConfig(output_dir=str(tmp_path / "run"), **(SETTINGS | settings))
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"stage2": {"rollback": False, "rounds": 2}},
        {"stage2": {"guidance": "none"}},
        {"objective": {"rolled_back_tokens": "after_divergence", "mixing": "replace", "ratio": "shaped"}},
    ],
)
def test_accepted(settings: dict[str, Any], tmp_path: Path) -> None:
    ContextRLConfig(output_dir=str(tmp_path / "run"), **(SETTINGS | settings))


def test_a_judge_that_looks_at_no_step_is_refused_where_retries_are_aligned_to_one() -> None:
    objective = ObjectiveSettings(rolled_back_tokens="after_wrong_step")
    with pytest.raises(InputError, match=r"objective\.rolled_back_tokens.*rules look at no step"):
        check_named_steps(RulesJudge(), objective)
    check_named_steps(ScriptedJudge(lambda _: "correct"), objective)
    check_named_steps(RulesJudge(), ObjectiveSettings())
