"""A `ContextRLTrainer` that keeps its run itself: from Python what `contextrl train` does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from transformers.trainer_utils import TrainOutput

from contextrl.errors import InputError
from contextrl.judge.protocol import Judge
from contextrl.policy.loading import has_vision
from contextrl.records.run_directory import RunDirectory
from contextrl.trainer.checkpoint_folders import MARKER
from contextrl.trainer.checkpoints import check_resumable
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.inputs import TrainerInputs, held_out_rows
from contextrl.trainer.run import RunRecord, TrainingRun
from contextrl.trainer.run_log import tracker_metrics
from contextrl.trainer.run_settings import as_yaml, check_same_run, run_settings


class OwnRun:
    """The run of a trainer, with a directory or without.

    Args:
        trainer: whose `train`, `evaluate` and `save_model` these are.
        directory: where everything is written, if anywhere.
        given: what the trainer works on.
        settings: see `run_settings.run_settings`.
        overwrite: replace a run that is in the directory.

    Attributes:
        results: what results.json holds, None before the end.
    """

    def __init__(
        self,
        trainer: Any,
        directory: RunDirectory | None,
        given: TrainerInputs,
        settings: dict[str, Any],
        *,
        overwrite: bool = False,
    ) -> None:
        self.trainer, self.directory, self.given = trainer, directory, given
        self.settings, self.overwrite = settings, overwrite
        self.results: dict[str, Any] | None = None

    @classmethod
    def of(
        cls,
        trainer: Any,
        given: TrainerInputs,
        args: ContextRLConfig,
        judge: Judge,
        audit: Judge | None,
        peft_config: Any,
        run_dir: str | Path | None,
        *,
        overwrite: bool,
    ) -> OwnRun:
        """The run of a trainer that is about to be built; checkpoints go to its directory."""
        directory = None if run_dir is None else RunDirectory(Path(run_dir).expanduser())
        if directory is not None:
            # A run that is there is looked at when training starts: it may be resumed.
            directory.check_free(resume=False, overwrite=True)
            args.output_dir = str(directory.checkpoints)
        settings = run_settings(args, given, judge, audit, peft_config, directory)
        return cls(trainer, directory, given, settings, overwrite=overwrite)

    @property
    def model_folder(self) -> str | None:
        """Where the trained model goes, None where Trainer decides."""
        return None if self.directory is None else str(self.directory.model)

    def train(self, steps: Callable[[str | None], Any], resume_from_checkpoint: str | Path | bool | None) -> Any:
        """Train, evaluated and on record where that is wanted.

        Args:
            steps: Trainer's `train`, from a checkpoint or from the start.
            resume_from_checkpoint: True for the last complete one.

        Returns:
            What Trainer's `train` returns.
        """
        resume = bool(resume_from_checkpoint)
        checkpoint = self._checkpoint(resume_from_checkpoint) if resume else None
        if self.directory is None and self.given.held_out is None:
            return steps(str(checkpoint) if checkpoint else None)
        if self.directory is not None and self.trainer.is_world_process_zero():
            self._check_directory(self.directory, resume=resume)
        finished = self.directory.results() if self.directory is not None and resume else None
        if self.directory is not None and finished is not None:
            if self.trainer.args.max_steps <= finished["steps"]:
                return self._finished(self.directory, finished)
            if self.trainer.is_world_process_zero():
                self.directory.continue_with(as_yaml(self.settings))
        outcomes: list[Any] = []
        record = RunRecord(
            method=self.settings["method"],
            seed=self.settings["seed"],
            config=as_yaml(self.settings),
            command=list(sys.argv),
            base=self.given.path,
            policy_path=self.given.path,
            data=self.given.data,
        )
        # Without a directory it is a trainer like TRL's, and shows what those show.
        console = None if self.directory is None else Console()
        run = TrainingRun(self.trainer, record, self.directory, self.given.held_out, console)
        self.results = run.train(lambda start: outcomes.append(steps(start)), checkpoint, resume=resume)
        return outcomes[0] or TrainOutput(self.trainer.state.global_step, float("nan"), {})

    def _finished(self, directory: RunDirectory, results: dict[str, Any]) -> TrainOutput:
        """Nothing is left to do but to have the trained weights."""
        self.results = results
        folder = directory.model if directory.model.is_dir() else self.trainer.checkpoints.last()
        if folder is not None:
            self.trainer._load_from_checkpoint(str(folder))
        self.trainer.state.global_step = results["steps"]
        return TrainOutput(results["steps"], float("nan"), {})

    def _checkpoint(self, wanted: str | Path | bool | None) -> Path | None:
        last: Path | None = self.trainer.checkpoints.last()
        checkpoint = last if wanted is True else Path(str(wanted))
        check_resumable(self.trainer.args, checkpoint)
        if wanted is not True and checkpoint is not None:
            if not (checkpoint / MARKER).is_file():
                raise InputError(
                    "a complete checkpoint", found=str(checkpoint), where="train(resume_from_checkpoint=...)"
                )
            return checkpoint
        # A run that was killed before its first checkpoint begins again.
        if last is None and (self.directory is None or not self.directory.exists()):
            raise InputError(
                "a run to resume",
                found="no complete checkpoint",
                where=f"train(resume_from_checkpoint=True), {self.trainer.checkpoints.folder}",
                fix="Run train() without it",
            )
        return last

    def _check_directory(self, directory: RunDirectory, *, resume: bool) -> None:
        if directory.exists() and not resume and not self.overwrite:
            raise InputError(
                "a folder without a run in it",
                found="an earlier run",
                where=f"run_dir, {directory.path}",
                fix="Continue it with train(resume_from_checkpoint=True), replace it with overwrite_run_dir=True, or "
                "change run_dir",
            )
        directory.check_free(resume=resume, overwrite=self.overwrite)
        if resume:
            check_same_run(directory.settings(), self.settings)

    def evaluate(self, eval_dataset: Any = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """Held-out figures of the policy as it is now, logged as Trainer logs an evaluation.

        Args:
            eval_dataset: other rows than the trainer's own.
            metric_key_prefix: what the names of figures begin with.

        Returns:
            `eval_answer_accuracy`, `eval_process_accuracy` where the judge looks at the process, their intervals
            (`..._ci95_low`, `..._ci95_high`) and `eval_n`.

        Raises:
            InputError: there is nothing to evaluate on.
        """
        trainer, held_out = self.trainer, self.given.held_out
        if eval_dataset is not None:
            judge = None if held_out is None else held_out.judge
            vision = has_vision(trainer.accelerator.unwrap_model(trainer.model).config)
            held_out = held_out_rows(eval_dataset, judge, trainer.args, vision=vision)
        if held_out is None:
            raise InputError(
                "rows to evaluate on", found="none", where="trainer.evaluate()", fix="Give the trainer an eval_dataset"
            )
        result, _ = held_out.evaluate(trainer)
        metrics = {
            f"{metric_key_prefix}_{name.removeprefix('eval_')}": value
            for name, value in tracker_metrics(result).items()
        }
        training = trainer.model.training
        # In training mode GRPOTrainer would log what it has gathered of the step so far.
        trainer.model.eval()
        try:
            trainer.log(dict(metrics))
        finally:
            trainer.model.train(training)
        trainer.control = trainer.callback_handler.on_evaluate(trainer.args, trainer.state, trainer.control, metrics)
        return metrics
