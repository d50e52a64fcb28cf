"""One run, from configuration to results: check everything, evaluate, train, evaluate, write results.json."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from rich.console import Console
from transformers import PrinterCallback, ProgressCallback
from transformers.utils.logging import disable_progress_bar

from contextrl.config import RunConfig
from contextrl.data.example import Example
from contextrl.errors import InputError, nearest_key
from contextrl.evaluation.progress import examples_bar
from contextrl.evaluation.runner import Evaluation, evaluate
from contextrl.judge.building import audit_from_config, check_judge, close_judge, judge_from_config
from contextrl.judge.rules import RulesJudge
from contextrl.judge.types import Judge
from contextrl.miniature.steps_judge import StepsJudge, question_kind
from contextrl.policies import freeze_vision, has_vision, load_policy, load_processor, policy_config, policy_folder
from contextrl.run_directory import RunDirectory, read_jsonl
from contextrl.sources import evaluation_examples, is_miniature, training_examples
from contextrl.trainer.arguments import training_arguments
from contextrl.trainer.callbacks import (
    Clock,
    EvaluationCallback,
    MetricsFileCallback,
    TrackerCallback,
    evaluation_metrics,
    put_before_trackers,
)
from contextrl.trainer.checkpoints import latest_checkpoint
from contextrl.trainer.checks import check_prompts, prompt_room
from contextrl.trainer.contextrl_trainer import ContextRLTrainer
from contextrl.trainer.groups_log import GroupRecorder
from contextrl.trainer.sft import ReferenceSFTTrainer
from contextrl.trainer.terminal import TerminalCallback


def evaluation_judge(spec: str) -> Judge:
    """Who counts accuracy: the process verifier with the whole solution for the miniature, rules for other data."""
    return StepsJudge("solution") if is_miniature(spec) else RulesJudge()


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
            if resume:
                self.directory.check_same(config)
        self.clock = Clock()
        disable_progress_bar()
        self.args = training_arguments(config)
        # The miniature's policy is built only when everything else is known to be right.
        vision = config.model.path == "miniature" or has_vision(policy_config(config.model.path))
        self.examples = training_examples(config, vision=vision)
        self.eval_examples: list[Example] = []
        if config.data.eval is not None:
            count = max(config.eval.examples, config.eval.final_examples)
            self.eval_examples = list(evaluation_examples(config.data.eval, count, vision=vision))
        self._build_judges()
        self._check_lora()
        with self.clock.measure("base"):
            self.policy_path = policy_folder(config.model.path, console)
        model_config = policy_config(self.policy_path)
        self.processor = load_processor(self.policy_path, model_config)
        room = prompt_room(model_config, config.max_new_tokens)
        # ContextRLTrainer checks the rows it trains on; SFTTrainer does not.
        unchecked = [*self.eval_examples, *(self.examples if config.method == "sft" else ())]
        check_prompts(self.processor, unchecked, min(config.data.max_prompt_tokens, room))
        self.trainer = self._build_trainer()

    def _build_judges(self) -> None:
        """Judges that answer, and that know these questions: found now, not after steps of unscored verdicts."""
        self.judge: Judge | None = None
        self.audit: Judge | None = None
        if self.config.method == "sft":
            return
        # Rules cost nothing: only a judge that does gets the gate.
        gate = self.config.judge.gate and self.config.judge.kind == "llm"
        self.judge, self.audit = judge_from_config(self.config.judge, gate=gate), audit_from_config(self.config.judge)
        check_judge(self.judge)
        check_judge(self.audit)
        self._check_questions()

    def _check_questions(self) -> None:
        uses = {"judge.kind": self.config.judge.kind, "judge.audit": self.config.judge.audit}
        where = next((key for key, kind in uses.items() if kind == "steps"), None)
        if where is None:
            return
        for example in self.examples:
            try:
                question_kind(example.question)
            except ValueError as error:
                raise InputError(
                    "the miniature's questions for `steps`",
                    found=str(error),
                    where=f"{where}, row {example.id}",
                    fix=f"Set {where} to rules or none" if where == "judge.audit" else "Set judge.kind to rules",
                ) from error

    def _check_lora(self) -> None:
        if self.config.model.lora is None:
            return
        from peft import LoraConfig

        known = [field.name for field in dataclasses.fields(LoraConfig)]
        for key in self.config.model.lora:
            if key not in known:
                raise InputError(
                    "a field of peft's LoraConfig", found=f"{key}{nearest_key(key, known)}", where="model.lora"
                )

    # ---- training ------------------------------------------------------------------------------------------------

    def train(self) -> dict[str, Any]:
        """Evaluate, train, evaluate; returns what results.json holds."""
        checkpoint = latest_checkpoint(self.directory.checkpoints) if self.resume else None
        if self.resume and (finished := self.directory.results()) is not None:
            return finished
        before = self._start(checkpoint)
        trainer = self.trainer
        if self.config.method != "sft":
            trainer.recorder = GroupRecorder(self.directory.path, trainer.accelerator.process_index)
        if before is None:
            before = self._measure("Evaluating before")
            if before is not None and self.is_main:
                first = {**evaluation_metrics(before), "before": before.as_json()}
                self.directory.append_metrics({"step": 0, **first, "seconds": self.clock.seconds})
        terminal = TerminalCallback(self.console, f"{self.config.method}, seed {self.config.seed}")
        trackers = self._add_callbacks(before, terminal)
        try:
            with self.clock.measure("train"):
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        finally:
            terminal.close()
            close_judge(self.judge)
            close_judge(self.audit)
        after = trackers.after
        results = self._results(before, after)
        if self.is_main:
            if after is not None:
                last = {"step": trainer.state.global_step, **evaluation_metrics(after), "after": after.as_json()}
                self.directory.append_metrics(last)
            self.directory.write_results(results)
        return results

    def _add_callbacks(self, before: Evaluation | None, terminal: TerminalCallback) -> TrackerCallback:
        """Evaluation, metrics file and terminal, in the order in which they need each other."""
        trainer = self.trainer
        for unwanted in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(unwanted)
        every, examples = self.config.eval.every if self.eval_examples else 0, self.config.eval.examples
        evaluation = EvaluationCallback(self._evaluate, every, examples, self.clock)
        trackers = TrackerCallback(trainer.log, evaluation, before, partial(self._measure, "Evaluating after"))
        shown = (MetricsFileCallback(self.directory, evaluation, self.clock), terminal) if self.is_main else ()
        put_before_trackers(trainer, (evaluation, *shown, trackers), self.directory.path / "tensorboard")
        return trackers

    def _start(self, checkpoint: Any) -> Evaluation | None:
        """Open the run directory; a resumed run forgets what came after its checkpoint and keeps its first figures."""
        if self.is_main:
            self.directory.start(self.config, self.command, resume=self.resume)
        if not self.resume:
            return None
        if self.is_main:
            self.directory.forget_after(int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0)
        lines = list(read_jsonl(self.directory.path / "metrics.jsonl"))
        first = next((line for line in lines if "before" in line), None)
        if first is None:
            return None
        self.clock.seconds |= first["seconds"]
        for part in ("train", "eval"):
            self.clock.seconds[part] = max([line.get(f"time/{part}_total", 0.0) for line in lines], default=0.0)
        return Evaluation.from_json(first["before"])

    def _build_trainer(self) -> Any:
        init_kwargs = dict(getattr(self.args, "model_init_kwargs", None) or {})
        model = load_policy(self.policy_path, trainable=True, **init_kwargs)
        peft_config = None
        if self.config.model.lora is not None:
            from peft import LoraConfig

            peft_config = LoraConfig(**self.config.model.lora)
        trainer: Any
        if self.config.method == "sft":
            trainer = ReferenceSFTTrainer(model, self.args, self.examples, self.processor, peft_config=peft_config)
        else:
            assert self.judge is not None
            trainer = ContextRLTrainer(
                model,
                self.judge,
                self.args,
                self.examples,
                self.processor,
                audit=self.audit,
                peft_config=peft_config,
            )
        if self.config.model.freeze_vision:
            # After adapters are in place: they must not train there either.
            freeze_vision(trainer.model)
        return trainer

    # ---- evaluation ----------------------------------------------------------------------------------------------

    def _evaluate(self, count: int, on_batch: Callable[[int], None] | None = None) -> Evaluation:
        """The policy as it is now on the first `count` evaluation examples."""
        result, _ = evaluate(
            self.trainer.accelerator.unwrap_model(self.trainer.model),
            self.processor,
            self.eval_examples[:count],
            evaluation_judge(str(self.config.data.eval)),
            max_new_tokens=self.config.max_new_tokens,
            batch_size=self.config.eval.batch_size,
            on_batch=on_batch,
        )
        return result

    def _measure(self, title: str) -> Evaluation | None:
        """The evaluation before or after training, with a progress bar."""
        count = len(self.eval_examples[: self.config.eval.final_examples])
        if not count:
            return None
        with self.clock.measure("eval"), examples_bar(self.console, title, count, shown=self.is_main) as on_batch:
            return self._evaluate(count, on_batch)

    def _results(self, before: Evaluation | None, after: Evaluation | None) -> dict[str, Any]:
        progress = self.trainer.progress
        seconds = {part: round(value, 1) for part, value in self.clock.seconds.items()}
        return {
            "method": self.config.method,
            "seed": self.config.seed,
            "steps": self.trainer.state.global_step,
            "seconds": {**seconds, "total": round(sum(self.clock.seconds.values()), 1)},
            "before": before.as_json() if before else None,
            "after": after.as_json() if after else None,
            "groups": {"all_negative": progress.groups_all_negative, "recovered": progress.groups_recovered},
            "tokens": {"sampled": progress.tokens_sampled, "trained": progress.tokens_trained},
        }
