"""One run, from configuration to results: check everything, evaluate, train, evaluate, write results.json."""

from __future__ import annotations

import dataclasses
import os
import shlex
from pathlib import Path
from typing import Any

from rich.console import Console
from transformers import PrinterCallback, ProgressCallback
from transformers.utils.logging import disable_progress_bar

from contextrl.commands.arguments import training_arguments
from contextrl.commands.config import RunConfig, parse_config
from contextrl.commands.hidden import refuse_hidden, written_settings
from contextrl.commands.judges import audit_from_config, judge_from_config
from contextrl.commands.models import model_config, policy_folder
from contextrl.commands.sources import evaluation_examples, evaluation_judge, training_examples
from contextrl.console import progress_bar
from contextrl.errors import InputError, nearest_key
from contextrl.evaluation.runner import evaluate
from contextrl.judge.protocol import Judge, check_judge, close_judge
from contextrl.plugins import JUDGES
from contextrl.policy.loading import freeze_vision, has_vision, load_policy, load_processor
from contextrl.records import metrics as names
from contextrl.records.evaluation import Evaluation
from contextrl.records.example import Example
from contextrl.records.jsonl import json_ready
from contextrl.records.run_directory import RunDirectory, Whole, environment
from contextrl.trainer.checkpoints import latest_checkpoint
from contextrl.trainer.checks import check_prompts, prompt_room
from contextrl.trainer.clock import Clock
from contextrl.trainer.contextrl_trainer import ContextRLTrainer
from contextrl.trainer.group_recorder import GroupRecorder
from contextrl.trainer.run_log import EvaluationPlan, RunLog, put_before_trackers
from contextrl.trainer.sft import ReferenceSFTTrainer
from contextrl.trainer.terminal import TerminalCallback


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
        refuse_hidden(config)
        self.directory = RunDirectory(config.run_dir)
        # Every process evaluates the same examples; the first alone writes and shows.
        self.is_main = int(os.environ.get("RANK", "0")) == 0
        if self.is_main:
            self.directory.check_free(resume=resume, overwrite=overwrite)
            if resume:
                self._check_same()
        self.clock = Clock()
        disable_progress_bar()
        self.args = training_arguments(config)
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
        self._check_lora()
        self.processor = load_processor(self.policy_path, policy, config.model.max_pixels, trust_remote_code=trust)
        room = prompt_room(policy, config.max_new_tokens)
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

    def _check_same(self) -> None:
        """A resumed run must be the run that was started; only what is operational may change.

        Raises:
            InputError: names the keys that differ.
        """
        then = written_settings(parse_config(self.directory.settings()))
        now = written_settings(self.config)
        changed = sorted(key for key in {**then, **now} if then.get(key) != now.get(key))
        if changed:
            key = changed[0]
            raise InputError(
                f"the run's own settings ({key}: {then.get(key)!r})",
                found=f"{now.get(key)!r} ({len(changed)} keys differ: {', '.join(changed)})",
                where="--resume",
                fix="Resume with the run's config.yaml, or start a new run in another run_dir",
            )

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
        if self.is_main:
            environment_now = environment(self.config.seed, self.command)
            self.directory.start(self.config.to_yaml(), environment_now, resume=self.resume)
        trainer = self.trainer
        if self.config.method != "sft":
            trainer.recorder = GroupRecorder(self.directory.path, trainer.accelerator.process_index)
        log = self._run_log()
        log.before = self._resumed_figures(checkpoint) if self.resume else None
        if log.before is None:
            log.measure_before()
        title = f"{self.config.method}, seed {self.config.seed}"
        terminal = TerminalCallback(self.console, title, lambda: trainer.progress, self.clock)
        for unwanted in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(unwanted)
        shown = (terminal,) if self.is_main else ()
        put_before_trackers(trainer, (log, *shown), self.directory.path / "tensorboard")
        try:
            with self.clock.measure("train"):
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
                log.measure_after(trainer.state)
        finally:
            terminal.close()
            close_judge(self.judge)
            close_judge(self.audit)
        results = self._results(log)
        if self.is_main:
            log.write_after(trainer.state.global_step)
            self.directory.write_results(results)
        return results

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

    def _run_log(self) -> RunLog:
        settings, available = self.config.eval, len(self.eval_examples)
        plan = EvaluationPlan(
            settings.every, min(settings.examples, available), min(settings.final_examples, available), settings.best
        )
        directory = self.directory if self.is_main else None
        return RunLog(self._evaluate, plan, self.clock, directory, self.trainer.log, self.trainer.checkpoints.load)

    def _resumed_figures(self, checkpoint: Path | None) -> Evaluation | None:
        """A resumed run forgets what came after its checkpoint and keeps its first figures."""
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

    def _build_trainer(self) -> Any:
        init_kwargs = dict(getattr(self.args, "model_init_kwargs", None) or {})
        init_kwargs.setdefault("trust_remote_code", self.config.model.trust_remote_code)
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

    def _evaluate(self, count: int, whole: Whole | None) -> Evaluation:
        """The policy as it is now on the first `count` evaluation examples; see `trainer.run_log.Evaluate`."""
        kept = whole if self.is_main else None
        with progress_bar(self.console, f"Evaluating {whole}", count, shown=kept is not None) as on_batch:
            result, items = evaluate(
                self.trainer.accelerator.unwrap_model(self.trainer.model),
                self.processor,
                self.eval_examples[:count],
                evaluation_judge(str(self.config.data.eval)),
                max_new_tokens=self.config.max_new_tokens,
                batch_size=self.config.eval.batch_size,
                on_batch=on_batch,
            )
        if kept is not None:
            self.directory.write_items(kept, items)
        return dataclasses.replace(result, data=str(self.config.data.eval))

    def _results(self, log: RunLog) -> dict[str, Any]:
        progress = self.trainer.progress
        seconds = {part: round(value, 1) for part, value in self.clock.seconds.items()}
        return {
            "method": self.config.method,
            "seed": self.config.seed,
            "steps": self.trainer.state.global_step,
            **({"best_step": log.best_step} if log.best_step else {}),
            "seconds": {**seconds, "total": round(sum(self.clock.seconds.values()), 1)},
            "before": log.before.as_json() if log.before else None,
            "after": log.after.as_json() if log.after else None,
            "groups": {"all_negative": progress.groups_all_negative, "recovered": progress.groups_recovered},
            "knowledge": json_ready(progress.knowledge(), digits=4),
            "tokens": {"sampled": progress.tokens_sampled, "trained": progress.tokens_trained},
        }
