"""Held-out evaluation before, during and after training, and what is written of a run as it goes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from transformers import DefaultFlowCallback, TrainerCallback
from transformers.integrations import TensorBoardCallback

from contextrl.records import metrics as names
from contextrl.records.evaluation import Evaluation
from contextrl.records.jsonl import json_ready
from contextrl.records.run_directory import RunDirectory, Whole
from contextrl.trainer.clock import Clock

#: Evaluates the policy as it is now on the first so many examples; before and after training it shows how far it is and
#: keeps every item.
Evaluate = Callable[[int, Whole | None], Evaluation]


@dataclass(frozen=True)
class EvaluationPlan:
    """When the policy is evaluated.

    Attributes:
        every: steps between evaluations, 0 for none on the way; `epoch` for one after each.
        examples: of each on the way; `final_examples`: of those before and after. 0 for none.
        best: the policy after training is the best of the epochs'.
    """

    every: int | Literal["epoch"]
    examples: int
    final_examples: int
    best: bool = False

    def is_due(self, step: int, last: int, epoch: float) -> bool:
        """Whether to evaluate after a step. The last one is evaluated on more examples at the end, but among epochs."""
        if not self.examples or not self.every or (step >= last and not self.best):
            return False
        if self.every == "epoch":
            return math.isclose(epoch, round(epoch), abs_tol=1e-6)
        return step % self.every == 0


class RunLog(TrainerCallback):
    """Evaluates, and writes a line of metrics.jsonl per logged step; NaN (nothing to count) is written as null.

    Trackers (`train.report_to`) get the same figures, the first and the last evaluation too, and numbers only. Stands
    behind the trainer's own flow and before whatever shows or reports elsewhere (`put_before_trackers`).

    Args:
        evaluate: see `Evaluate`.
        plan: when.
        clock: told what evaluating cost.
        directory: where it is written; None on processes that write nothing.
        log: the trainer's.
        go_back: loads the weights of a step's checkpoint, for `plan.best`.

    Attributes:
        before, after: the evaluations around training, where there are any.
        best_step: the step whose weights were kept; None where the last ones were.
    """

    def __init__(
        self,
        evaluate: Evaluate,
        plan: EvaluationPlan,
        clock: Clock,
        directory: RunDirectory | None,
        log: Callable[[dict[str, float]], None],
        go_back: Callable[[int], None] | None = None,
    ) -> None:
        self.evaluate, self.plan, self.clock, self.directory, self.log = evaluate, plan, clock, directory, log
        self.go_back = go_back
        self.best_step: int | None = None
        self.before: Evaluation | None = None
        self.after: Evaluation | None = None
        self._on_the_way: Evaluation | None = None

    def measure_before(self) -> None:
        """Evaluate before training, and write the line that a resumed run reads."""
        self.before = self._measure("before")
        if self.before is not None:
            seconds = dict(self.clock.seconds)
            self._append(
                {"step": 0, **evaluation_metrics(self.before), "before": self.before.as_json(), "seconds": seconds}
            )

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if self.before is not None and state.global_step == 0:
            self.log(tracker_metrics(self.before))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        # With fewer log lines than steps, the last steps would else be in none.
        control.should_log = control.should_log or state.global_step >= state.max_steps
        if self.plan.is_due(state.global_step, state.max_steps, state.epoch or 0.0):
            with self.clock.measure("eval"):
                self._on_the_way = self.evaluate(self.plan.examples, None)
            control.should_log = True
            score = self._on_the_way.score
            # Trainer's own fields: they are saved with every checkpoint, so that a resumed run knows them.
            if self.plan.best and (state.best_metric is None or score > state.best_metric):
                state.best_metric, state.best_global_step = score, state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:  # noqa: ARG002
        evaluation, self._on_the_way = self._on_the_way, None
        if names.LOSS in logs:  # else of no step
            record = {"step": state.global_step, **logs}
            record |= {names.TIME_TRAIN_TOTAL: self.clock.now("train"), names.TIME_EVAL_TOTAL: self.clock.now("eval")}
            self._append(record | (evaluation_metrics(evaluation) if evaluation else {}))
        if evaluation is not None:
            logs.update(tracker_metrics(evaluation))
            # Trainer has a copy, which is what notebooks plot and checkpoints keep.
            state.log_history[-1].update(tracker_metrics(evaluation))
        for name in [name for name, value in logs.items() if value is None]:
            del logs[name]

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.measure_after(state)

    def measure_after(self, state: Any) -> None:
        """Evaluate after training, once. A run that is resumed at its last step trains nothing and still needs it."""
        if self.after is not None:
            return
        best = state.best_global_step if self.plan.best else None
        if best and best != state.global_step and self.go_back is not None:
            self.go_back(best)
            self.best_step = best
        self.after = self._measure("after")
        if self.after is not None:
            self.log(tracker_metrics(self.after))

    def write_after(self, step: int) -> None:
        """The line of the evaluation after training; its step is the last."""
        if self.after is not None:
            self._append({"step": step, **evaluation_metrics(self.after), "after": self.after.as_json()})

    def _measure(self, whole: Whole) -> Evaluation | None:
        if not self.plan.final_examples:
            return None
        with self.clock.measure("eval"):
            return self.evaluate(self.plan.final_examples, whole)

    def _append(self, record: dict[str, Any]) -> None:
        if self.directory is not None:
            self.directory.append_metrics(json_ready(record))


def evaluation_metrics(result: Evaluation) -> dict[str, Any]:
    """Metrics under their fixed names, each interval as [low, high]."""
    metrics: dict[str, Any] = {
        names.EVAL_ANSWER_ACCURACY: result.answer_accuracy,
        names.interval_of(names.EVAL_ANSWER_ACCURACY): list(result.answer_accuracy_ci95),
        names.EVAL_N: result.n,
        names.EVAL_BY_SOURCE: result.as_json()["by_source"],
    }
    if result.process_accuracy is not None and result.process_accuracy_ci95 is not None:
        metrics[names.EVAL_PROCESS_ACCURACY] = result.process_accuracy
        metrics[names.interval_of(names.EVAL_PROCESS_ACCURACY)] = list(result.process_accuracy_ci95)
    return metrics


def tracker_metrics(result: Evaluation) -> dict[str, float]:
    """The same as numbers, spelled `eval_...`, which trackers of transformers show as `eval/...`."""
    metrics: dict[str, float] = {}
    for name, value in evaluation_metrics(result).items():
        spelled = name.replace("/", "_", 1)
        if name == names.EVAL_BY_SOURCE:
            continue
        if isinstance(value, list):
            metrics |= {f"{spelled}_low": value[0], f"{spelled}_high": value[1]}
        else:
            metrics[spelled] = value
    return metrics


def put_before_trackers(trainer: Any, callbacks: Sequence[TrainerCallback], tensorboard: Path) -> None:
    """Add callbacks behind the trainer's own flow and before whatever reports elsewhere.

    Args:
        tensorboard: where its files go, unless TENSORBOARD_LOGGING_DIR says otherwise.
    """
    handlers = trainer.callback_handler.callbacks
    place = next((n + 1 for n, handler in enumerate(handlers) if isinstance(handler, DefaultFlowCallback)), 0)
    handlers[place:place] = callbacks
    for handler in handlers:
        if isinstance(handler, TensorBoardCallback) and handler.logging_dir is None:
            handler.logging_dir = str(tensorboard)
