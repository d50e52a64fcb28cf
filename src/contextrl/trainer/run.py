"""One run in its directory: evaluated before, on the way and after; every group and every step on record."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from transformers import PrinterCallback, ProgressCallback, TrainerCallback

from contextrl.console import progress_bar
from contextrl.disk import writing
from contextrl.errors import DiskError
from contextrl.policy.loading import base_of, has_vision
from contextrl.records import metrics as names
from contextrl.records.evaluation import Evaluation
from contextrl.records.files import scratch_name
from contextrl.records.jsonl import json_ready
from contextrl.records.run_directory import RunDirectory, Whole, environment, package_versions
from contextrl.trainer.advice import Advice
from contextrl.trainer.clock import Clock
from contextrl.trainer.group_recorder import GroupRecorder
from contextrl.trainer.held_out import HeldOut
from contextrl.trainer.model_folder import is_adapter, model_card, save_model_folder
from contextrl.trainer.run_log import EvaluationPlan, RunLog, put_before_trackers
from contextrl.trainer.terminal import TerminalCallback


@dataclass(frozen=True)
class RunRecord:
    """What a run is, as its directory says it.

    Attributes:
        config: the resolved configuration, as YAML.
        command: what was typed.
        base: the policy that training starts from, as the configuration names it; `policy_path`: where it is.
        data: the training rows, as the configuration names them.
    """

    method: str
    seed: int
    config: str
    command: list[str]
    base: str
    policy_path: str
    data: str


class TrainingRun:
    """Trains within a run directory. The command and `ContextRLTrainer(run_dir=...)` are both this.

    Args:
        trainer: `ContextRLTrainer` or `ReferenceSFTTrainer`.
        record: what is trained.
        directory: where everything is written; None evaluates and logs only.
        held_out: what it is evaluated on; None for no evaluation.
        console: where progress is shown, in place of what transformers prints; None leaves that as it is.

    Attributes:
        clock: where the time went.
        log: of the training under way, None before it.
    """

    def __init__(
        self,
        trainer: Any,
        record: RunRecord,
        directory: RunDirectory | None,
        held_out: HeldOut | None,
        console: Console | None = None,
    ) -> None:
        self.trainer, self.record, self.directory, self.held_out = trainer, record, directory, held_out
        self.console = console
        self.clock = Clock()
        self.log: RunLog | None = None
        self._hooked: tuple[TrainerCallback, ...] = ()

    @property
    def is_main(self) -> bool:
        """Every process evaluates the same examples; the first alone writes and shows."""
        return bool(self.trainer.is_world_process_zero())

    def train(self, train: Callable[[str | None], Any], checkpoint: Path | None, *, resume: bool) -> dict[str, Any]:
        """Evaluate, train, evaluate.

        Args:
            train: trains from a checkpoint, or from the start.
            checkpoint: where the run goes on from, if it is resumed and has one.

        Returns:
            What results.json holds.
        """
        self._start(resume=resume)
        self.log = log = self._run_log()
        log.before = self._resumed_figures(checkpoint) if resume else None
        if log.before is None:
            log.measure_before()
        terminal = self._show(log)
        try:
            with self.clock.measure("train"):
                train(str(checkpoint) if checkpoint else None)
                log.measure_after(self.trainer.state)
        finally:
            if terminal is not None:
                terminal.close()
            # Trained again, it hooks in its own.
            for callback in self._hooked:
                self.trainer.remove_callback(callback)
        results = self._results(log)
        if self.directory is not None:
            self._save_model(self.directory.model, results)
            if self.is_main:
                log.write_after(self.trainer.state.global_step)
                self.directory.write_results(results)
        return results

    def _save_model(self, folder: Path, results: dict[str, Any]) -> None:
        """The trained model, before the run counts as finished."""
        config, record = self.trainer.accelerator.unwrap_model(self.trainer.model).config, self.record
        card = model_card(
            base=base_of(record.policy_path) or record.base,
            started_from=record.base,
            method=record.method,
            data=record.data,
            results=results,
            adapter=is_adapter(self.trainer),
            vision=has_vision(config),
            versions=package_versions(),
        )
        try:
            with writing(folder):
                save_model_folder(self.trainer, folder, card, base=record.policy_path)
        except DiskError:
            shutil.rmtree(folder.with_name(scratch_name(folder.name)), ignore_errors=True)
            raise

    def _start(self, *, resume: bool) -> None:
        if self.directory is None:
            return
        if self.is_main:
            record = self.record
            self.directory.start(record.config, environment(record.seed, record.command), resume=resume)
        if hasattr(self.trainer.args, "record"):
            self.trainer.recorder = GroupRecorder.of(self.trainer, self.directory.path, self.trainer.args.record)

    def _run_log(self) -> RunLog:
        plan = self.held_out.plan if self.held_out is not None else EvaluationPlan(0, 0, 0)
        directory = self.directory if self.is_main else None
        return RunLog(self._evaluate, plan, self.clock, directory, self.trainer.log, self.trainer.checkpoints.load)

    def _show(self, log: RunLog) -> TerminalCallback | None:
        """Hook the log in, and what shows it where there is a console."""
        terminal = None
        if self.console is not None:
            for unwanted in (PrinterCallback, ProgressCallback):
                self.trainer.remove_callback(unwanted)
            title = f"{self.record.method}, seed {self.record.seed}"
            terminal = TerminalCallback(self.console, title, lambda: self.trainer.progress, self.clock)
        stage2 = getattr(self.trainer.args, "stage2", None)
        advice = Advice(stage2=stage2 is not None and stage2.in_use)
        shown = (advice, terminal) if terminal is not None and self.is_main else (advice,)
        folder = self.directory.path if self.directory is not None else Path(self.trainer.args.output_dir)
        self._hooked = (log, *shown)
        put_before_trackers(self.trainer, self._hooked, folder / "tensorboard")
        return terminal

    def _resumed_figures(self, checkpoint: Path | None) -> Evaluation | None:
        """A resumed run forgets what came after its checkpoint and keeps its first figures."""
        if self.directory is None:
            return None
        if self.is_main:
            self.directory.forget_after(int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0)
        lines = list(self.directory.metrics())
        first = next((line for line in lines if "before" in line), None)
        if first is None:
            return None
        self.clock.seconds |= first["seconds"]
        for part, name in (("train", names.TIME_TRAIN_TOTAL), ("eval", names.TIME_EVAL_TOTAL)):
            self.clock.seconds[part] = max([line.get(name, 0.0) for line in lines], default=0.0)
        return Evaluation.from_json(first["before"])

    def _evaluate(self, count: int, whole: Whole | None) -> Evaluation:
        """The policy as it is now on the first `count` evaluation examples; see `trainer.run_log.Evaluate`."""
        assert self.held_out is not None
        kept = whole if self.is_main else None
        console = self.console or Console(quiet=True)
        with progress_bar(console, f"Evaluating {whole}", count, shown=kept is not None) as on_batch:
            result, items = self.held_out.evaluate(self.trainer, count, on_batch)
        if kept is not None and self.directory is not None:
            self.directory.write_items(kept, items)
        return result

    def _results(self, log: RunLog) -> dict[str, Any]:
        progress = self.trainer.progress
        seconds = {part: round(value, 1) for part, value in self.clock.seconds.items()}
        return {
            "method": self.record.method,
            "seed": self.record.seed,
            "steps": self.trainer.state.global_step,
            **({"best_step": log.best_step} if log.best_step else {}),
            "seconds": {**seconds, "total": round(sum(self.clock.seconds.values()), 1)},
            "before": log.before.as_json() if log.before else None,
            "after": log.after.as_json() if log.after else None,
            "groups": {"all_negative": progress.groups_all_negative, "recovered": progress.groups_recovered},
            "knowledge": json_ready(progress.knowledge(), digits=4),
            "tokens": {"sampled": progress.tokens_sampled, "trained": progress.tokens_trained},
        }
