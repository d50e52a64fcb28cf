"""Warnings of a run: said once, when and only when something is wrong with it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from runs import build_trainer

from contextrl.judge.rules import RulesJudge
from contextrl.trainer.advice import PATIENCE, Advice

FINE = {
    "loss": 0.1,
    "group/all_negative": 0.5,
    "group/recovered": 0.5,
    "completions/clipped_ratio": 0.5,
    "judge/unscored": 0.05,
    "report/vague": 0.5,
}
BARREN = {**FINE, "group/all_negative": 1.0, "group/recovered": 0.0}


def said(
    caplog: pytest.LogCaptureFixture, *steps: Mapping[str, Any], stage2: bool = True, main: bool = True
) -> list[str]:
    """Messages of a run that logs these."""
    advice = Advice(stage2=stage2)
    args = SimpleNamespace(max_completion_length=64)
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="contextrl"):
        for step, logs in enumerate(steps, start=1):
            advice.on_log(args, SimpleNamespace(global_step=step, is_world_process_zero=main), None, dict(logs))
    return [record.getMessage() for record in caplog.records]


def test_a_healthy_run_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert said(caplog, *[FINE] * 30) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"completions/clipped_ratio": 0.51}, "51% of the responses were cut at 64 tokens"),
        ({"judge/unscored": 0.06, "judge/unscored_timeout": 3.0}, "left 6% of its verdicts unscored (timeout)"),
        ({"report/vague": 1.0}, "100% of the mistake reports name no mistake"),
    ],
)
def test_each_is_said_once(caplog: pytest.LogCaptureFixture, wrong: dict[str, float], message: str) -> None:
    (text,) = said(caplog, FINE, *[{**FINE, **wrong}] * 5)
    assert text.startswith("Step 2: ")
    assert message in text


def test_nothing_to_learn_from_is_said_after_ten_steps_in_a_row(caplog: pytest.LogCaptureFixture) -> None:
    assert said(caplog, *[BARREN] * (PATIENCE - 1), FINE, *[BARREN] * (PATIENCE - 1)) == []
    recovered = {**BARREN, "group/recovered": 0.1}
    assert said(caplog, *[recovered] * 20) == []
    (text,) = said(caplog, *[BARREN] * 25)
    assert text.startswith(f"Step {PATIENCE}: nothing can be learned: in {PATIENCE} steps in a row")
    assert "method: contextrl" in said(caplog, *[BARREN] * 10, stage2=False)[0]


def test_reward_that_parts_from_the_audit_is_said_with_the_step(caplog: pytest.LogCaptureFixture) -> None:
    honest = {**FINE, "accuracy/rewarded": 0.5, "accuracy/process": 0.45}
    hacked = {**FINE, "accuracy/rewarded": 0.9, "accuracy/process": 0.4}
    assert said(caplog, *[honest] * 60) == []
    (text,) = said(caplog, *[honest] * 30, *[hacked] * 30)
    assert text.startswith(
        "Step 35: since step 31 the judge accepts more than judge.audit: 50% of the samples more, 5% at"
    )
    unaudited = {**hacked, "accuracy/rewarded": None}
    assert said(caplog, *[honest] * 30, *[unaudited] * 30) == []


def test_log_lines_of_several_steps_count_them_all(caplog: pytest.LogCaptureFixture) -> None:
    advice = Advice(stage2=True)
    with caplog.at_level(logging.WARNING, logger="contextrl"):
        for step in (5, 10):
            advice.on_log(None, SimpleNamespace(global_step=step, is_world_process_zero=True), None, dict(BARREN))
    assert len(caplog.records) == 1


def test_vague_reports_matter_to_stage_2_alone(caplog: pytest.LogCaptureFixture) -> None:
    assert said(caplog, {**FINE, "report/vague": 1.0}, stage2=False) == []


def test_other_processes_and_other_lines_say_nothing(caplog: pytest.LogCaptureFixture) -> None:
    wrong = {**FINE, "completions/clipped_ratio": 1.0}
    assert said(caplog, wrong, main=False) == []
    assert said(caplog, {"eval_answer_accuracy": 0.3, "completions/clipped_ratio": 1.0}) == []


def test_a_real_run_with_rules_hears_of_its_reports(
    tiny_policy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = build_trainer(tiny_policy, tmp_path, RulesJudge(), max_steps=1)
    trainer.add_callback(Advice(stage2=True))
    with caplog.at_level(logging.WARNING, logger="contextrl"):
        trainer.train()
    texts = [record.getMessage() for record in caplog.records]
    assert any("name no mistake" in text for text in texts)
    assert any("were cut at 16 tokens" in text for text in texts)
