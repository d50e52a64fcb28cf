"""What runs beside training: evaluation, the metrics file, the terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback

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
        self.pending: dict[str, Any] = {}

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        # The last step is evaluated on more examples, after training.
        if self.every and state.global_step % self.every == 0 and state.global_step < state.max_steps:
            with self.clock.measure("eval"):
                self.pending = evaluation_metrics(self.evaluate(self.examples))


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


class MetricsFileCallback(TrainerCallback):
    """A line of metrics.jsonl per logged step; NaN (nothing to count) is written as null.

    Stands after `EvaluationCallback` in the trainer's list: an evaluation of a step without a log line gets its own.
    """

    def __init__(self, run: RunDirectory, evaluation: EvaluationCallback, clock: Clock) -> None:
        self.run, self.evaluation, self.clock = run, evaluation, clock

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        logged = control.should_log or (args.logging_steps >= 1 and state.global_step % int(args.logging_steps) == 0)
        if self.evaluation.pending and not logged:
            self._write(state.global_step, {})

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:  # noqa: ARG002
        if "train_runtime" not in logs:
            totals = {f"time/{part}_total": self.clock.now(part) for part in ("train", "eval")}
            self._write(state.global_step, {**logs, **totals})

    def _write(self, step: int, figures: dict[str, Any]) -> None:
        record = {"step": step, **figures, **self.evaluation.pending}
        self.evaluation.pending = {}
        self.run.append_metrics({name: _json_number(value) for name, value in record.items()})


def _json_number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


class TerminalCallback(TrainerCallback):
    """One progress bar with reward and recovered groups."""

    def __init__(self, console: Console, title: str) -> None:
        self.title = title
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
        )

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.task = self.bar.add_task(self.title, total=state.max_steps, completed=state.global_step, note="")
        self.bar.start()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:  # noqa: ARG002
        if logs.get("reward") is not None:
            recovered = logs.get("group/recovered") or 0.0
            self.bar.update(self.task, note=f"reward {logs['reward']:.2f}  recovered {recovered:.0%}")
        elif "loss" in logs:
            self.bar.update(self.task, note=f"loss {logs['loss']:.3f}")
        self.bar.update(self.task, completed=state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.close()

    def close(self) -> None:
        """Also called when training fails: a live display left open would swallow the error."""
        self.bar.stop()
