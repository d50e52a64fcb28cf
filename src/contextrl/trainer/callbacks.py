"""What runs beside training: evaluation, the metrics file, what trackers are told."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import DefaultFlowCallback, TrainerCallback
from transformers.integrations import TensorBoardCallback

from contextrl.evaluation.runner import Evaluation
from contextrl.run_directory import RunDirectory

#: Runs an evaluation of the policy as it is now on so many examples.
Evaluate = Callable[[int], Evaluation]


@dataclass
class Clock:
    """Seconds by part of a run, resumed parts included. An evaluation within training counts as evaluation."""

    seconds: dict[str, float] = field(default_factory=lambda: {"base": 0.0, "train": 0.0, "eval": 0.0})
    _running: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        self._running.append((part, time.perf_counter()))
        try:
            yield
        finally:
            _, started = self._running.pop()
            spent = time.perf_counter() - started
            self.seconds[part] += spent
            if self._running:
                self.seconds[self._running[-1][0]] -= spent

    def now(self, part: str) -> float:
        """Seconds of a part so far, while it runs."""
        return self.seconds[part] + sum(time.perf_counter() - began for p, began in self._running if p == part)


class EvaluationCallback(TrainerCallback):
    """Greedy evaluation every so many steps; the figures join the step's own log line.

    Args:
        evaluate: see `Evaluate`.
        every: steps between evaluations, 0 for none on the way.
        examples: examples of each.
        clock: told what evaluating cost.
    """

    def __init__(self, evaluate: Evaluate, every: int, examples: int, clock: Clock) -> None:
        self.evaluate, self.every, self.examples, self.clock = evaluate, every, examples, clock
        self.pending: Evaluation | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        # With fewer log lines than steps, the last steps would else be in none.
        control.should_log = control.should_log or state.global_step >= state.max_steps
        # The last step is evaluated on more examples, at the end.
        if self.every and state.global_step % self.every == 0 and state.global_step < state.max_steps:
            with self.clock.measure("eval"):
                self.pending = self.evaluate(self.examples)
            control.should_log = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:  # noqa: ARG002
        if self.pending is not None:
            logs.update(tracker_metrics(self.pending))


def evaluation_metrics(result: Evaluation) -> dict[str, Any]:
    """Metrics under their fixed names, each interval as [low, high]."""
    metrics: dict[str, Any] = {
        "eval/answer_accuracy": result.answer_accuracy,
        "eval/answer_accuracy_ci95": list(result.answer_accuracy_ci95),
        "eval/n": result.n,
    }
    if result.process_accuracy is not None and result.process_accuracy_ci95 is not None:
        metrics["eval/process_accuracy"] = result.process_accuracy
        metrics["eval/process_accuracy_ci95"] = list(result.process_accuracy_ci95)
    return metrics


def tracker_metrics(result: Evaluation) -> dict[str, float]:
    """The same as numbers, spelled `eval_...`, which trackers of transformers show as `eval/...`."""
    metrics: dict[str, float] = {}
    for name, value in evaluation_metrics(result).items():
        spelled = name.replace("/", "_", 1)
        if isinstance(value, list):
            metrics |= {f"{spelled}_low": value[0], f"{spelled}_high": value[1]}
        else:
            metrics[spelled] = value
    return metrics


class MetricsFileCallback(TrainerCallback):
    """A line of metrics.jsonl per logged step; NaN (nothing to count) is written as null.

    Stands after `EvaluationCallback` in the trainer's list.
    """

    def __init__(self, run: RunDirectory, evaluation: EvaluationCallback, clock: Clock) -> None:
        self.run, self.evaluation, self.clock = run, evaluation, clock

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:  # noqa: ARG002
        if "loss" not in logs:
            return  # of no step
        record = {"step": state.global_step, **{n: v for n, v in logs.items() if not n.startswith("eval_")}}
        record |= {f"time/{part}_total": self.clock.now(part) for part in ("train", "eval")}
        if self.evaluation.pending is not None:
            record |= evaluation_metrics(self.evaluation.pending)
        self.run.append_metrics({name: _json_number(value) for name, value in record.items()})


def _json_number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


class TrackerCallback(TrainerCallback):
    """What TensorBoard and the like (`train.report_to`) need: the first and the last evaluation, and numbers only.

    Stands after the run's own callbacks and before the trackers', which close when training ends.

    Args:
        log: the trainer's.
        evaluation: whose figures have been written when this is asked.
        before: the evaluation before training.
        measure: evaluates after training; `after` is what it found.
    """

    def __init__(
        self,
        log: Callable[[dict[str, float]], None],
        evaluation: EvaluationCallback,
        before: Evaluation | None,
        measure: Callable[[], Evaluation | None],
    ) -> None:
        self.log, self.evaluation, self.before, self.measure = log, evaluation, before, measure
        self.after: Evaluation | None = None

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if self.before is not None and state.global_step == 0:
            self.log(tracker_metrics(self.before))
        self.before = None

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:  # noqa: ARG002
        self.evaluation.pending = None
        for name in [name for name, value in logs.items() if value is None]:
            del logs[name]

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.after = self.measure()
        if self.after is not None:
            self.log(tracker_metrics(self.after))


def put_before_trackers(trainer: Any, callbacks: Sequence[TrainerCallback], tensorboard: Path) -> None:
    """Add callbacks behind the trainer's own flow and before whatever reports elsewhere.

    Args:
        tensorboard: where its files go, unless TENSORBOARD_LOGGING_DIR says otherwise.
    """
    handlers = trainer.callback_handler.callbacks
    place = next((n + 1 for n, one in enumerate(handlers) if isinstance(one, DefaultFlowCallback)), 0)
    handlers[place:place] = callbacks
    for one in handlers:
        if isinstance(one, TensorBoardCallback) and one.logging_dir is None:
            one.logging_dir = str(tensorboard)
