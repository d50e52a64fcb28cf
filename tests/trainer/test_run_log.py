"""When a run is evaluated, and which of its epochs is kept."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from contextrl.records.evaluation import Evaluation
from contextrl.trainer.clock import Clock
from contextrl.trainer.run_log import EvaluationPlan, RunLog


@pytest.mark.parametrize(
    ("plan", "due"),
    [
        (EvaluationPlan(2, 5, 5), [2, 4]),
        (EvaluationPlan(0, 5, 5), []),
        (EvaluationPlan(2, 0, 5), []),
        (EvaluationPlan("epoch", 5, 5), [3]),
        (EvaluationPlan("epoch", 5, 5, best=True), [3, 6]),
        (EvaluationPlan(3, 5, 5, best=True), [3, 6]),
    ],
)
def test_the_last_step_is_evaluated_at_the_end_but_among_epochs(plan: EvaluationPlan, due: list[int]) -> None:
    # Six steps in two epochs.
    assert [step for step in range(1, 7) if plan.is_due(step, 6, step / 3)] == due


def evaluation(process: float) -> Evaluation:
    return Evaluation(1.0, (0.9, 1.0), process, (0.0, 1.0), n=10, unscored=0)


def run(scores: Sequence[float]) -> tuple[RunLog, list[int]]:
    """A run of one step an epoch with these accuracies; returns what was loaded."""
    loaded: list[int] = []
    figures = iter([*scores, 0.0])
    log = RunLog(
        lambda count, title: evaluation(next(figures)),
        EvaluationPlan("epoch", 5, 5, best=True),
        Clock(),
        None,
        lambda metrics: None,
        loaded.append,
    )
    state: Any = SimpleNamespace(
        global_step=0, max_steps=len(scores), epoch=0.0, best_metric=None, best_global_step=None
    )
    for step in range(1, len(scores) + 1):
        state.global_step, state.epoch = step, float(step)
        log.on_step_end(None, state, SimpleNamespace(should_log=False))
    log.on_train_end(None, state, None)
    return log, loaded


@pytest.mark.parametrize(
    ("scores", "best"), [([0.1, 0.4, 0.3], 2), ([0.4, 0.4, 0.4], 1), ([0.1, 0.2, 0.3], None), ([0.3, 0.1], 1)]
)
def test_the_best_epoch_is_gone_back_to(scores: list[float], best: int | None) -> None:
    log, loaded = run(scores)
    assert (log.best_step, loaded) == (best, [best] if best else [])


def test_where_nobody_looked_at_the_process_answers_decide() -> None:
    assert Evaluation(0.7, (0.5, 0.9), None, None, n=10, unscored=0).score == 0.7
    assert evaluation(0.2).score == 0.2
