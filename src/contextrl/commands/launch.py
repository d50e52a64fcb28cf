"""One run, from configuration to results: check everything, evaluate, train, evaluate, write results.json."""

from __future__ import annotations

import os
import shlex
from typing import Any

from rich.console import Console
from transformers.utils.logging import disable_progress_bar

from contextrl.commands.arguments import chat_template_kwargs, training_arguments
from contextrl.commands.config import RunConfig
from contextrl.commands.judges import audit_from_config, judge_from_config
from contextrl.commands.models import model_config, policy_folder
from contextrl.commands.resuming import check_resumable
from contextrl.commands.sources import evaluation_examples, evaluation_judge, training_examples
from contextrl.errors import InputError
from contextrl.judge.protocol import Judge, check_judge, close_judge
from contextrl.plugins import JUDGES
from contextrl.policy.adapters import check_lora, lora_config
from contextrl.policy.loading import freeze_vision, has_vision, load_policy, load_processor
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example
from contextrl.records.run_directory import RunDirectory
from contextrl.trainer.checkpoints import latest_checkpoint
from contextrl.trainer.checks import check_prompts, prompt_room
from contextrl.trainer.contextrl_trainer import ContextRLTrainer
from contextrl.trainer.held_out import HeldOut
from contextrl.trainer.refusals import check_arguments, check_checkpoint
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
        self.directory = RunDirectory(config.run_dir)
        # Every process evaluates the same examples; the first alone writes and shows.
        self.is_main = int(os.environ.get("RANK", "0")) == 0
        if self.is_main:
            self.directory.check_free(resume=resume, overwrite=overwrite)
        self.goes_further = resume and check_resumable(self.directory, config)
        disable_progress_bar()
        self.args = training_arguments(config)
        check_arguments(self.args)
        self.policy_path = policy_folder(config.model.path)
        trust = config.model.trust_remote_code
        policy = model_config(self.policy_path, trust_remote_code=trust)
        vision = has_vision(policy)
        self.examples = training_examples(config, vision=vision)
        self.eval_examples: list[Example] = []
        if config.data.eval is not None:
            count = max(config.eval.examples, config.eval.final_examples)
            self.eval_examples = list(
                evaluation_examples(config.data.eval, count, vision=vision, allow_outside=config.data.allow_outside)
            )
        self._build_judges()
        check_lora(config.model.lora)
        processor = load_processor(
            self.policy_path, policy, config.model.max_pixels, config.model.min_pixels, trust_remote_code=trust
        )
        self.prompting = Prompting(processor, config.data.system_prompt, chat_template_kwargs(config))
        self.prompting.check()
        room = prompt_room(policy, config.max_new_tokens)
        # ContextRLTrainer checks the rows it trains on; SFTTrainer does not.
        unchecked = [*self.eval_examples, *(self.examples if config.method == "sft" else ())]
        check_prompts(self.prompting, unchecked, min(config.data.max_prompt_tokens, room))
        self.trainer = self._build_trainer()

    def _build_judges(self) -> None:
        """Judges that answer, and that know these questions: found now, not after steps of unscored verdicts."""
        self.judge: Judge | None = None
        self.audit: Judge | None = None
        if self.config.method == "sft":
            return
        # Rules cost nothing: only a judge that does gets the gate.
        gate = self.config.judge.gate and self.config.judge.kind == "llm"
        together = self.config.judge.reports == "with_verdict"
        self.judge = judge_from_config(self.config.judge, gate=gate, defer_reports=together)
        self.audit = audit_from_config(self.config.judge)
        check_judge(self.judge)
        check_judge(self.audit)
        self._check_questions()

    def _check_questions(self) -> None:
        judge = self.config.judge
        for where, name in (("judge.kind", judge.kind), ("judge.audit", judge.audit)):
            entry = JUDGES.get(name or "")
            problems = ((example, entry.knows(example)) for example in self.examples) if entry else ()
            for example, problem in problems:
                if problem is not None:
                    raise InputError(
                        f"questions that {name!r} knows",
                        found=problem,
                        where=f"{where}, row {example.id}",
                        fix=f"Set {where} to llm or none" if where == "judge.audit" else "Set judge.kind to rules",
                    )

    # ---- training ------------------------------------------------------------------------------------------------

    def train(self) -> dict[str, Any]:
        """Evaluate, train, evaluate; returns what results.json holds."""
        finished = self.directory.results() if self.resume else None
        if finished is not None and not self.goes_further:
            return finished
        checkpoint = latest_checkpoint(self.directory.checkpoints) if self.resume else None
        check_checkpoint(self.args, checkpoint)
        config = self.config
        record = RunRecord(
            method=config.method,
            seed=config.seed,
            config=config.to_yaml(),
            command=self.command,
            base=config.model.path,
            policy_path=self.policy_path,
            data=config.data.train,
        )
        if self.goes_further and self.is_main:
            self.directory.continue_with(record.config)
        run = TrainingRun(self.trainer, record, self.directory, self._held_out(), self.console)
        try:
            return run.train(self._train_from, checkpoint, resume=self.resume)
        finally:
            close_judge(self.judge)
            close_judge(self.audit)

    def _train_from(self, checkpoint: str | None) -> None:
        self.trainer.train(resume_from_checkpoint=checkpoint)

    def _held_out(self) -> HeldOut | None:
        spec = self.config.data.eval
        if spec is None:
            return None
        return HeldOut(self.eval_examples, evaluation_judge(spec), spec, self.config.eval, self.config.max_new_tokens)

    def where_it_stopped(self) -> str:
        """How far the run came and how it goes on, in one line."""
        if not self.directory.exists():
            return "Stopped before the run began."
        state, last = self.trainer.state, latest_checkpoint(self.directory.checkpoints)
        again = [part for part in self.command if part not in ("--resume", "--overwrite")]
        return (
            f"Stopped at step {state.global_step} of {state.max_steps or 'none yet'}; last checkpoint: "
            f"{last.name if last else 'none'}; go on with: {shlex.join([*again, '--resume'])}"
        )

    def _build_trainer(self) -> Any:
        init_kwargs = dict(getattr(self.args, "model_init_kwargs", None) or {})
        init_kwargs.setdefault("trust_remote_code", self.config.model.trust_remote_code)
        model = load_policy(self.policy_path, trainable=True, **init_kwargs)
        peft_config = lora_config(self.config.model.lora, model)
        trainer: Any
        if self.config.method == "sft":
            trainer = ReferenceSFTTrainer(model, self.args, self.examples, self.prompting, peft_config=peft_config)
        else:
            assert self.judge is not None
            trainer = ContextRLTrainer(
                model,
                self.judge,
                self.args,
                self.examples,
                self.prompting.processor,
                audit=self.audit,
                peft_config=peft_config,
            )
        if self.config.model.freeze_vision:
            # After adapters are in place: they must not train there either.
            freeze_vision(trainer.model)
        return trainer
