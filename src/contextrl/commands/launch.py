"""One run, from configuration to results: check everything, evaluate, train, evaluate, write results.json."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from transformers.utils.logging import disable_progress_bar

from contextrl.commands.config import RunConfig
from contextrl.commands.disk import check_disk, says_what_is_safe
from contextrl.commands.hidden import refuse_hidden
from contextrl.commands.prepare import ask_judge, prepare
from contextrl.commands.program import how_to_go_on
from contextrl.commands.resuming import check_same_run
from contextrl.commands.sources import evaluation_judge
from contextrl.errors import LostProcessError
from contextrl.launchers import rank
from contextrl.policy.adapters import lora_config
from contextrl.policy.loading import freeze_vision, load_policy
from contextrl.records.run_directory import RunDirectory
from contextrl.records.writer import refuse_second_writer, written_by_one
from contextrl.trainer.checkpoint_folders import latest_checkpoint
from contextrl.trainer.checkpoints import check_resumable
from contextrl.trainer.contextrl_trainer import ContextRLTrainer
from contextrl.trainer.held_out import HeldOut
from contextrl.trainer.launched import leave, lost_process
from contextrl.trainer.run import RunRecord, TrainingRun
from contextrl.trainer.sft import ReferenceSFTTrainer


class Run:
    """A training run. Building it checks everything; `train` does the work.

    Args:
        config: the resolved configuration.
        console: where progress goes.
        command: what was typed, for environment.json.
        resume: continue the run that is in `run_dir`.
        overwrite: replace it.

    Raises:
        InputError: before anything is written.
    """

    def __init__(
        self,
        config: RunConfig,
        console: Console,
        command: list[str],
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.config, self.console, self.command, self.resume = config, console, command, resume
        self.overwrite = overwrite
        refuse_hidden(config)
        self.directory = RunDirectory(config.run_dir)
        # Every process evaluates the same examples; the first alone writes and shows.
        self.is_main = rank() == 0
        if self.is_main:
            self.directory.check_free(resume=resume, overwrite=overwrite)
            refuse_second_writer(self.directory.path)
        self.goes_further = resume and check_same_run(self.directory, config)
        disable_progress_bar()
        self.ready = ready = prepare(config)
        try:
            ready.problems.raise_them()
            if resume:
                check_resumable(ready.args, latest_checkpoint(self.directory.checkpoints))
            if self.is_main and config.judge.kind == "llm":
                ask_judge(ready)
            self.trainer = self._build_trainer()
            if self.is_main and (warning := check_disk(self.directory, self.trainer, resume=resume)):
                console.print(f"[yellow]Warning:[/] {escape(warning)}.", soft_wrap=True)
        except BaseException:
            ready.close()
            raise

    # ---- training ------------------------------------------------------------------------------------------------

    @says_what_is_safe
    def train(self) -> dict[str, Any]:
        """Evaluate, train, evaluate; returns what results.json holds."""
        finished = self.directory.results() if self.resume else None
        if finished is not None and not self.goes_further:
            self.ready.close()
            return finished
        checkpoint = latest_checkpoint(self.directory.checkpoints) if self.resume else None
        config = self.config
        record = RunRecord(
            method=config.method,
            seed=config.seed,
            config=config.recorded(),
            command=self.command,
            base=config.model.path,
            policy_path=self.ready.policy_path,
            data=config.data.train,
        )
        if self.goes_further and self.is_main:
            self.directory.continue_with(record.config)
        run = TrainingRun(self.trainer, record, self.directory, self._held_out(), self.console)
        try:
            with self._alone():
                results = run.train(self._train_from, checkpoint, resume=self.resume)
            leave(self.trainer)
            return results
        except RuntimeError as error:
            if (lost := lost_process(error)) is None:
                raise
            raise LostProcessError(f"{lost}. {self.where_it_stopped()}") from error
        finally:
            self.ready.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other run writes where this one does."""
        if not self.is_main:
            yield
            return
        with written_by_one(self.directory.path):
            # Another run may have begun, and ended, since this one was checked.
            self.directory.check_free(resume=self.resume, overwrite=self.overwrite)
            yield

    def _train_from(self, checkpoint: str | None) -> None:
        self.trainer.train(resume_from_checkpoint=checkpoint)

    def _held_out(self) -> HeldOut | None:
        spec = self.config.data.evaluated_on
        if spec is None:
            return None
        return HeldOut(
            self.ready.eval_examples, evaluation_judge(spec), spec, self.config.eval, self.config.max_new_tokens
        )

    def where_it_stopped(self) -> str:
        """How far the run came and how it goes on, in one line."""
        if not self.directory.exists():
            return "Stopped before the run began."
        state, last = self.trainer.state, latest_checkpoint(self.directory.checkpoints)
        reached = f"at step {state.global_step} of {state.max_steps}" if state.max_steps else "before the first step"
        return (
            f"Stopped {reached}; last checkpoint: {last.name if last else 'none'}; "
            f"go on with: {how_to_go_on(self.command)}"
        )

    def _build_trainer(self) -> Any:
        ready, wanted = self.ready, self.config.model
        assert ready.prompting is not None
        init_kwargs = dict(getattr(ready.args, "model_init_kwargs", None) or {})
        init_kwargs.setdefault("trust_remote_code", wanted.trust_remote_code)
        model = load_policy(ready.policy_path, trainable=True, **init_kwargs)
        peft_config = lora_config(wanted.lora, model)
        trainer: Any
        if self.config.method == "sft":
            trainer = ReferenceSFTTrainer(model, ready.args, ready.examples, ready.prompting, peft_config=peft_config)
        else:
            assert ready.judge is not None
            trainer = ContextRLTrainer(
                model,
                ready.judge,
                ready.args,
                ready.examples,
                ready.prompting.processor,
                audit=ready.audit,
                reward_funcs=ready.rewards,
                peft_config=peft_config,
            )
        if wanted.freeze_vision:
            # After adapters are in place: they must not train there either.
            freeze_vision(trainer.model)
        return trainer
